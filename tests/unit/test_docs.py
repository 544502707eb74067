"""The documentation names what there is: every key, every metric, every command."""

import re
from pathlib import Path

import click
import pytest
from prometheus_client import CollectorRegistry

from sidecar.cli.main import cli
from sidecar.config import loads
from sidecar.config.starter import reference
from sidecar.errors import ConfigError
from sidecar.events.metrics import EventMetrics

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_reference_of_the_configuration_is_the_generated_one(*, update_golden: bool) -> None:
    page = DOCS / "configuration.md"
    head, _, rest = page.read_text().partition("<!-- keys -->\n")
    there, end, tail = rest.partition("<!-- /keys -->")
    if update_golden:
        page.write_text(f"{head}<!-- keys -->\n{reference()}{end}{tail}")
    else:
        assert there == reference(), "make test ARGS='tests/unit/test_docs.py --update-golden' writes it again"


def test_every_metric_is_documented() -> None:
    registry = CollectorRegistry()
    EventMetrics(registry)
    text = (DOCS / "metrics.md").read_text()
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    assert sorted(name for name in names if f"`{name}" not in text) == []


def test_every_documented_metric_is_there() -> None:
    registry = CollectorRegistry()
    EventMetrics(registry)
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    told = set(re.findall(r"`(sidecar_events_\w+)", (DOCS / "metrics.md").read_text()))
    assert told - names == set()


def test_every_command_has_help_and_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name, command in cli.commands.items():
        assert isinstance(command, click.Command)
        assert command.help, name
        assert f"sidecar {name}" in readme or f"make {name}" in readme, name


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.glob("*.md")], ids=lambda page: page.name)
def test_every_pipeline_in_the_documentation_is_accepted(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        if block.startswith("cluster:"):
            try:
                loads(block)
            except ConfigError as error:
                pytest.fail(f"{page.name}: {error}")


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *DOCS.glob("*.md")], ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
