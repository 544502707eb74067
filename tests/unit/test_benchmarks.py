"""What benchmarks count, keep and draw; and that the documentation shows what was measured."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.bench.peers.charts import draw_bars, percent
from tests.support.bench.peers.contestant import Contestant, document_id
from tests.support.bench.peers.programs import find_collector, find_event_exporter
from tests.support.bench.peers.results import by_contestant, keep
from tests.support.bench.peers.tables import event_tables, log_tables, measured
from tests.support.parts import Missing
from tests.support.process import Process
from tests.support.waiting import wait_until

DOCS = Path(__file__).parents[2] / "docs"
Json = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    name: str
    missing: int


@pytest.mark.parametrize(("name", "tables"), [("peers-events", event_tables), ("peers-logs", log_tables)])
def test_the_documentation_shows_what_was_measured(
    name: str, tables: Callable[[Json], str], *, update_golden: bool
) -> None:
    content: Json = json.loads((DOCS / "benchmarks" / f"{name}.json").read_text())
    expected = f"{measured(content)}\n{tables(content)}"
    page = DOCS / "benchmarks.md"
    head, _, rest = page.read_text().partition(f"<!-- {name} -->\n")
    there, end, tail = rest.partition(f"<!-- /{name} -->")
    assert end, f"{page.name} has no place for it"
    if update_golden:
        page.write_text(f"{head}<!-- {name} -->\n{expected}{end}{tail}")
    else:
        assert there == expected, "make test ARGS='tests/unit/test_benchmarks.py --update-golden' writes it again"


@pytest.mark.parametrize("name", ["peers-events", "peers-logs"])
def test_every_picture_of_a_comparison_is_shown(name: str) -> None:
    pictures = {path.name for path in (DOCS / "img").glob(f"{name}-*.svg")}
    page = (DOCS / "benchmarks.md").read_text()
    assert pictures
    assert [picture for picture in pictures if f"(img/{picture})" not in page] == []


@pytest.mark.parametrize(
    "source",
    [
        {"metadata": {"uid": "u", "resourceVersion": "7"}, "id": "u.7"},
        {"type": "MODIFIED", "object": {"metadata": {"uid": "u", "resourceVersion": "7"}}},
    ],
    ids=["an Event", "a change of one"],
)
def test_an_event_is_told_by_its_version_whoever_wrote_it(source: Json) -> None:
    assert document_id(source) == "u.7"


@pytest.mark.parametrize("source", [{}, {"kind": "EventGap", "gap": {}}, {"metadata": None}])
def test_another_document_is_no_version_of_an_event(source: Json) -> None:
    assert document_id(source) is None


def test_a_scenario_is_kept_in_place_of_its_own_figures_alone(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    for name, missing in (("calm", 0), ("storm", 1), ("calm", 2)):
        content = keep(file, name, name.title(), {"Fluent Bit": "5.1.1"}, [Outcome("a", missing), Outcome("b", 0)])
    assert content == json.loads(file.read_text())
    assert {key: each["rows"][0]["missing"] for key, each in content["scenarios"].items()} == {"calm": 2, "storm": 1}
    assert content["machine"]["cores"] >= 1


def test_who_took_no_part_has_no_figure() -> None:
    scenarios = [{"rows": [{"name": "a", "x": 1}, {"name": "b", "x": 2}]}, {"rows": [{"name": "b", "x": 3}]}]
    assert by_contestant(scenarios, lambda row: float(row["x"])) == {"a": [1, None], "b": [2, 3]}


def test_a_chart_is_an_svg_without_scripts_that_names_everything(tmp_path: Path) -> None:
    file = tmp_path / "img" / "chart.svg"
    draw_bars(file, "Missing", ["calm", "storm"], {"ours & theirs": [0, 1.25], "other": [None, 40]}, "{:.2f} %".format)
    picture = ET.fromstring(file.read_text())
    words = {text.strip() for text in picture.itertext()}
    assert {"Missing", "calm", "storm", "ours & theirs", "other", "0.00 %", "1.25 %", "40.00 %"} <= words
    assert not list(picture.iter("{http://www.w3.org/2000/svg}script"))


def test_a_share_that_is_not_none_does_not_look_like_it() -> None:
    assert [percent(share) for share in (0, 0.004, 0.03, 0.1, 43.35, 100)] == [
        "0", "0.004 %", "0.03 %", "0.1 %", "43.4 %", "100.0 %",
    ]  # fmt: skip


def test_the_same_figures_are_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_bars(tmp_path / name, "Missing", ["calm"], {"ours": [1]}, str)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_what_a_contestant_used_counts_over_its_starts(tmp_path: Path) -> None:
    script = "sum(range(3_000_000)); print('up', flush=True); import time; time.sleep(100)"
    with Process([sys.executable, "-c", script], log=tmp_path / "log", name="one") as process:
        contestant = Contestant("one", "index", [process])
        wait_until(lambda: process.output().count("up") == 1, 20, process.tail)
        contestant.kill()
        first = contestant.usage
        contestant.start()
        wait_until(lambda: process.output().count("up") == 2, 20, process.tail)
        contestant.look()
        assert contestant.usage.cpu > first.cpu > 0
        assert contestant.usage.memory >= first.memory > 1
        assert contestant.ends == 0
        process.kill()
        contestant.look()
        assert process.running
        assert contestant.ends == 1


@pytest.mark.parametrize(
    ("find", "variable"),
    [(find_event_exporter, "EVENT_EXPORTER"), (find_collector, "OTELCOL")],
    ids=["exporter", "otel"],
)
def test_a_peer_that_is_named_and_not_there_is_missing(
    find: Callable[[], object], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    with pytest.raises(Missing, match=variable):
        find()
    monkeypatch.delenv(variable)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="on PATH"):
        find()


def test_a_collector_needs_the_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "otelcol-k8s"
    program.write_text('#!/bin/sh\n[ "$1" = components ] && echo "$PARTS" || echo otelcol version 0.111.0\n')
    program.chmod(0o755)
    monkeypatch.setenv("OTELCOL", str(program))
    monkeypatch.setenv("PARTS", "- name: otlp")
    with pytest.raises(Missing, match="no receiver k8sobjects"):
        find_collector()
    monkeypatch.setenv("PARTS", "- name: k8sobjects")
    assert find_collector().version == "0.111.0"
