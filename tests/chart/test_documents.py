"""What is written about the chart names values that there are, and folders that it makes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.chart import CHART, VALUES, values
from tests.support.documented import blocks
from tests.support.helm import MINIMAL, render

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/kubernetes.md", CHART / "README.md", ROOT / "README.md"]
KEYS = values(VALUES.read_text())


def named(text: str) -> Iterator[str]:
    """The paths of values in a text: in backticks, or behind --set; of `pipeline` the first word."""
    for path in re.findall(r"`([A-Za-z]+(?:\.[A-Za-z]+)+)\b[^`]*`|--set ([A-Za-z.]+)=", text):
        found = path[0] or path[1]
        if found.partition(".")[0] in {key.name for key in KEYS} and not found.endswith(".crt"):
            yield found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_value_that_is_written_about_exists(page: Path) -> None:
    found = set(named(page.read_text()))

    for path in found:
        keys = KEYS
        for part in path.split("."):
            if keys:  # below the others anything may be
                assert part in {key.name for key in keys}, path
                keys = next(key.inner for key in keys if key.name == part)
    assert found or page.name != "kubernetes.md"


def values_in_the_documentation() -> list[tuple[str, str]]:
    """Every ```yaml block that is of values.yaml, with its page."""
    found = [(page.name, block) for page in [*PAGES, *(ROOT / "docs").glob("*.md")]
             for block in blocks(page.read_text(), "yaml") if not block.startswith("# Before")]  # fmt: skip
    return sorted({(name, text) for name, text in found if yaml.safe_load(text).keys() <= {key.name for key in KEYS}})


def test_the_yaml_in_the_documentation_is_taken(helm: Path) -> None:
    found = values_in_the_documentation()

    assert len(found) > 3
    for _, block in found:
        given = yaml.safe_load(block)
        pipeline = {"cluster": "c", "opensearch": {"url": "https://h"}} | given.get("pipeline", {})
        pipeline["opensearch"] = {"url": "https://h"} | pipeline["opensearch"]
        assert render(helm, MINIMAL | given | {"pipeline": pipeline})
