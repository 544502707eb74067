"""Events: fluent-sidecar with Fluent Bit, against what is taken for it elsewhere.

All watch one API server and send to one OpenSearch, side by side; only in the burst one after another. PEERS (names of
`tests.support.bench.peers.events`) and SCENARIOS (names below), separated by commas, choose some; EVENTS_SCALE=10 makes
all of it ten times as short. With RESULTS=FOLDER the figures are kept there as JSON, and drawn.
"""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.bench.peers.charts import draw_bars, percent
from tests.support.bench.peers.events import ENTRIES
from tests.support.bench.peers.eventstage import EventStage, Outcome, Parts, common
from tests.support.bench.peers.results import Json, by_contestant, keep, results_folder, servers
from tests.support.bench.report import chosen, print_head, print_row, size
from tests.support.chaos.load import Make
from tests.support.parts import Missing, find_fluent_bit
from tests.support.parts import Parts as RealParts
from tests.support.shapes import CORE, Shape

SCALE = size("EVENTS_SCALE", 1)
RATE = 200
_PATIENCE, _STALL = 120.0, 35.0
"""A retry of Fluent Bit sleeps for up to 30 s."""


def steady(stage: EventStage) -> None:
    """200 writes a second for a minute, half of them updates."""
    stage.pause(60 / SCALE)


def burst(stage: EventStage) -> None:
    """10,000 writes as fast as the API server takes them."""
    while stage.load.ledger.written < 10_000 / SCALE:
        stage.pause(0.2)


def outage(stage: EventStage) -> None:
    """OpenSearch refuses connections for a minute."""
    stage.outage(SCALE)


def kills(stage: EventStage) -> None:
    """Three times SIGKILL of all that belongs to it, started again after 2 s."""
    for _ in range(3):
        stage.pause(10 / SCALE)
        stage.crash(2)
    stage.pause(10 / SCALE)


def api_server(stage: EventStage) -> None:
    """The API server is killed, and away for 5 s: all watches are cut."""
    stage.pause(15 / SCALE)
    stage.server.stop_apiserver(kill=True)
    time.sleep(5)
    stage.server.start_apiserver()
    stage.pause(30 / SCALE)


def calm(stage: EventStage) -> None:
    """50 writes a second for 30 s."""
    stage.pause(30 / SCALE)


def conflicting(index: int, namespace: str, at: Any) -> Shape:
    """The first has an annotation that OpenSearch takes for a date; then it is another text in one of a hundred."""
    made = common(index, namespace, at)
    if index and index % 100 != 50:
        return made
    value = "never" if index else "2026-11-27"
    metadata = {**made.body["metadata"], "annotations": {"example.com/checked": value}}
    return Shape(made.name, made.collection, {**made.body, "metadata": metadata})


def unusual(index: int, namespace: str, at: Any) -> Shape:
    """One in a hundred has a message of 10 KB, one in a hundred no time at all but that of its making."""
    made = common(index, namespace, at)
    if made.collection != CORE or index % 100 not in {20, 70}:
        return made
    if index % 100 == 20:
        return Shape(made.name, made.collection, {**made.body, "message": "failed to pull: " * 640})
    body = {key: value for key, value in made.body.items() if not key.endswith("Timestamp")}
    return Shape(made.name, made.collection, body)


@dataclass(frozen=True)
class Scenario:
    """What happens, in words and in deeds; alone: each contestant has servers for itself."""

    title: str
    act: Callable[[EventStage], None]
    rate: float = RATE
    make: Make = common
    alone: bool = False


SCENARIOS = {
    "steady": Scenario("200 writes/s for a minute", steady),
    "burst": Scenario("10,000 writes at once, each alone", burst, rate=1e6, alone=True),
    "outage": Scenario("OpenSearch away for a minute", outage),
    "kills": Scenario("three SIGKILLs", kills),
    "api-server": Scenario("API server killed, back after 5 s", api_server),
    "conflict": Scenario("1 % that a mapping conflicts with", calm, 50, conflicting),
    "unusual": Scenario("1 % of 10 KB, 1 % without times", calm, 50, unusual),
}


def run() -> None:
    real = RealParts()
    try:
        program, version = find_fluent_bit()
        programs, versions, absent = _find()
        versions |= {"Fluent Bit": version}
        with ExitStack() as stack:
            stack.callback(real.close)
            parts = Parts(real.opensearch.get(), program, programs)
            versions |= servers(parts.opensearch)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-peers-")))
            print(", ".join(f"{name} {told}" for name, told in versions.items()))
            for name, why in absent.items():
                print(f"without {name}: {why}")
            for key in chosen("SCENARIOS", list(SCENARIOS)):
                title = SCENARIOS[key].title
                outcomes = _measure(SCENARIOS[key], folder / key, parts)
                _print(title, outcomes)
                if kept := results_folder():
                    _draw(kept, keep(kept / "peers-events.json", key, title, versions, outcomes))
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")


def _find() -> tuple[dict[str, Path], dict[str, str], dict[str, str]]:
    """The programs of those that take part, the versions of their own, and why others don't."""
    programs, versions, absent = {}, {}, {}
    for name in chosen("PEERS", list(ENTRIES)):
        try:
            found = (find := ENTRIES[name].find) and find()
        except Missing as missing:
            absent[name] = missing.why
            continue
        programs[name] = found.path if found else Path()
        if found:
            versions[name.removesuffix(" and Fluent Bit")] = found.version
    return programs, versions, absent


def _measure(scenario: Scenario, folder: Path, parts: Parts) -> list[Outcome]:
    names = list(parts.programs)
    outcomes: list[Outcome] = []
    for group in [[name] for name in names] if scenario.alone else [names]:
        place = folder / str(len(outcomes))
        with EventStage(place, parts, group, rate=scenario.rate, make=scenario.make) as stage:
            outcomes += stage.play(scenario.act, patience=_PATIENCE / SCALE, stall=_STALL)
    return outcomes


def _print(title: str, outcomes: list[Outcome]) -> None:
    print(f"\n### {title}; load {os.getloadavg()[0]:.1f}\n")
    columns = (
        "promised",
        "missing",
        "twice",
        "of all versions missing",
        "writes/s",
        "found/s",
        "last one late by",
        "CPU s",
        "peak MiB",
    )
    print_head("", *columns)
    for one in outcomes:
        print_row(
            one.name + (f" (ended {one.ends} times)" if one.ends else ""),
            f"{one.promised:,}",
            f"{one.missing:,}",
            f"{one.twice:,}",
            f"{one.versions_missing:,} of {one.sent:,}",
            f"{one.rate:,.0f}",
            f"{one.speed:,.0f}",
            f"{one.late:.1f} s",
            f"{one.cpu:.1f}",
            f"{one.memory:.0f}",
        )


def _draw(folder: Path, content: Json) -> None:
    """Draw what the file holds: what is missing, and what it costs."""
    scenarios = [content["scenarios"][key] for key in SCENARIOS if key in content["scenarios"]]
    labels = [scenario["title"] for scenario in scenarios]
    share = by_contestant(scenarios, lambda row: 100 * row["missing"] / row["promised"])
    title = "Missing two minutes later, in percent of what each promises"
    draw_bars(folder / "peers-events-missing.svg", title, labels, share, percent)
    costs = [content["scenarios"][key] for key in ("steady", "burst") if key in content["scenarios"]]
    labels = [scenario["title"] for scenario in costs]
    for name, title, key, places in (
        ("cpu", "CPU seconds for 10,000 writes", lambda row: row["cpu"] / row["sent"] * 10_000, 1),
        ("memory", "Memory at most, in MiB", lambda row: row["memory"], 0),
    ):
        values = by_contestant(costs, key)
        draw_bars(folder / f"peers-events-{name}.svg", title, labels, values, f"{{:.{places}f}}".format)
