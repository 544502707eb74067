"""The documentation names what there is: every key, every metric, every command."""

import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from prometheus_client import CollectorRegistry

from sidecar.cli.main import cli
from sidecar.cli.reference import commands_reference
from sidecar.config import loads
from sidecar.config.starter import reference
from sidecar.errors import ConfigError
from sidecar.events.metrics import EventMetrics
from sidecar.render.dashboards import saved_objects
from sidecar.render.dashboards.reference import dashboards_reference
from sidecar.render.fields import CONTROL_PLANE_FIELDS, DEAD_LETTER_FIELDS, EVENT_FIELDS, LOG_FIELDS
from sidecar.render.fields_reference import fields_reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_MINIMAL = "cluster: c\nopensearch: {url: 'http://h'}\n"


@pytest.mark.parametrize(
    ("name", "mark", "generate"),
    [
        ("configuration.md", "keys", reference),
        ("fields.md", "fields", fields_reference),
        ("cli.md", "commands", lambda: commands_reference(cli, "sidecar")),
        ("dashboards.md", "panels", lambda: dashboards_reference(saved_objects(loads(_MINIMAL)))),
    ],
    ids=["keys", "fields", "commands", "panels"],
)
def test_a_reference_is_the_generated_one(
    name: str, mark: str, generate: Callable[[], str], *, update_golden: bool
) -> None:
    page = DOCS / name
    head, _, rest = page.read_text().partition(f"<!-- {mark} -->\n")
    there, end, tail = rest.partition(f"<!-- /{mark} -->")
    assert end, f"{name} has no place for it"
    if update_golden:
        page.write_text(f"{head}<!-- {mark} -->\n{generate()}{end}{tail}")
    else:
        assert there == generate(), "make test ARGS='tests/unit/test_docs.py --update-golden' writes it again"


def test_the_reference_of_fields_has_every_field_once_in_its_document() -> None:
    sections = fields_reference().split("## ")[1:]
    tables = [EVENT_FIELDS, LOG_FIELDS, CONTROL_PLANE_FIELDS, DEAD_LETTER_FIELDS]
    for section, fields in zip(sections, tables, strict=True):
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == [field.name for field in fields]
        # As many cells as the head has: no text has a bar in it.
        assert {row.count(" | ") for row in rows} == {4}


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
