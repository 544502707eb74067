"""The documentation names what there is: every key, every metric, every command."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml
from prometheus_client import CollectorRegistry

from sidecar.cli.main import cli
from sidecar.cli.reference import commands_reference
from sidecar.config import Config, loads
from sidecar.config.starter import reference
from sidecar.errors import ConfigError
from sidecar.events.metrics import EventMetrics
from sidecar.render.dashboards import saved_objects
from sidecar.render.dashboards.reference import dashboards_reference
from sidecar.render.fields import CONTROL_PLANE_FIELDS, DEAD_LETTER_FIELDS, EVENT_FIELDS, LOG_FIELDS
from sidecar.render.fields_reference import fields_reference
from tests.support.chaos.rows import ROWS
from tests.support.chart import VALUES, values
from tests.support.documented import PAGES, blocks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_MINIMAL = "cluster: c\nopensearch: {url: 'http://h'}\n"
_OF_KUBERNETES = {"apiVersion", "kind", "metadata", "spec", "volumes", "containers"}


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


def yaml_blocks() -> list[tuple[str, str]]:
    """Every ```yaml block, with its page."""
    return [(page.name, block) for page in PAGES for block in blocks(page.read_text(), "yaml")]


@pytest.mark.parametrize(("page", "block"), yaml_blocks())
def test_every_yaml_in_the_documentation_is_accepted(page: str, block: str) -> None:
    if block.startswith("# Before"):  # somebody else's, to move from
        assert page.startswith("moving")
        assert list(yaml.safe_load_all(block))
        return
    given = yaml.safe_load(block)
    if given.keys() <= Config.model_fields.keys() | {"controlPlane"}:
        whole = yaml.safe_load(_MINIMAL) | given
    elif given.keys() <= {
        value.name for value in values(VALUES.read_text())
    }:  # of the chart, whose own tests see the rest
        whole = yaml.safe_load(_MINIMAL) | given.get("pipeline", {})
    else:
        assert given.keys() <= _OF_KUBERNETES, f"{page}: what is it?"
        return
    whole["opensearch"] = yaml.safe_load(_MINIMAL)["opensearch"] | whole["opensearch"]
    try:
        loads(block if block.startswith("cluster:") else yaml.safe_dump(whole))
    except ConfigError as error:
        pytest.fail(f"{page}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_json_in_the_documentation_is_json(page: Path) -> None:
    for block in blocks(page.read_text(), "json"):
        assert json.loads(block)


def test_the_errors_in_the_readme_are_those_of_its_file() -> None:
    text = (ROOT / "README.md").read_text()
    file = next(block for block in blocks(text, "yaml") if "redact" in block)
    wrong = file.replace("rotate: daily", "rotate: weekly").replace("retain: 30d", "retian: 30d", 1)

    with pytest.raises(ConfigError) as caught:
        loads(wrong)

    shown = next(block for block in blocks(text, "console") if "weekly" in block)
    assert shown.splitlines()[1:] == [problem.located("pipeline.yaml") for problem in caught.value.problems]


def test_the_table_of_faults_has_every_row_that_is_run() -> None:
    section = (DOCS / "guarantees.md").read_text().partition("| row | what happens |")[2].partition("\n\n")[0]

    assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == list(ROWS)


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *DOCS.glob("*.md")], ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
