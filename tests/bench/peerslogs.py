"""Pod logs: fluent-sidecar with Fluent Bit, against a bare Fluent Bit and the EKS workshop's.

All read the same files, know the same API server, and send to one OpenSearch, side by side; only of the backlog each
alone. SCENARIOS (names below, separated by commas) chooses some; LOGS_SCALE=10 makes all of it ten times as short. With
RESULTS=FOLDER the figures are kept there as JSON, and drawn.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from tests.support.bench.peers.charts import draw_bars, percent
from tests.support.bench.peers.logs import ENTRIES
from tests.support.bench.peers.logstage import LogStage, Outcome
from tests.support.bench.peers.results import Json, by_contestant, keep, results_folder, servers
from tests.support.bench.report import chosen, print_head, print_row, size
from tests.support.parts import Missing, find_fluent_bit
from tests.support.parts import Parts as RealParts

SCALE = size("LOGS_SCALE", 1)
BACKLOG = 60_000_000
_SPEC = {"rate": 500_000.0, "rotate_every": 10.0}
"""As busy as the slowest can bear, and rotated as often as a kubelet rotates at most."""
_PATIENCE, _STALL = 120.0, 35.0


def rotation(stage: LogStage) -> None:
    """No fault but that every file is rotated every 10 s."""
    stage.pause(60 / SCALE)


def outage(stage: LogStage) -> None:
    """OpenSearch refuses connections for a minute."""
    stage.outage(SCALE)


def kills(stage: LogStage) -> None:
    """Three times SIGKILL of all that belongs to it, started again after 2 s."""
    for _ in range(3):
        stage.pause(12 / SCALE)
        stage.crash(2)
    stage.pause(12 / SCALE)


@dataclass(frozen=True)
class Scenario:
    """What happens, in words and in deeds; without deeds it is the backlog."""

    title: str
    act: Callable[[LogStage], None] | None = None


SCENARIOS = {
    "backlog": Scenario("a backlog of 60 MB, each alone"),
    "rotation": Scenario("half a MB/s, rotated every 10 s", rotation),
    "outage": Scenario("OpenSearch away for a minute", outage),
    "kills": Scenario("three SIGKILLs", kills),
}


def run() -> None:
    real = RealParts()
    try:
        program, version = find_fluent_bit()
        with ExitStack() as stack:
            stack.callback(real.close)
            url = real.opensearch.get()
            versions = {"Fluent Bit": version, **servers(url)}
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-peers-")))
            print(", ".join(f"{name} {told}" for name, told in versions.items()))
            for key in chosen("SCENARIOS", list(SCENARIOS)):
                title = SCENARIOS[key].title
                outcomes = _measure(SCENARIOS[key], folder / key, url, program)
                _print(title, outcomes)
                if kept := results_folder():
                    _draw(kept, keep(kept / "peers-logs.json", key, title, versions, outcomes))
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")


def _measure(scenario: Scenario, folder: Path, url: str, program: Path) -> list[Outcome]:
    if scenario.act:
        with LogStage(folder, url, program, list(ENTRIES)) as stage:
            return stage.play(_SPEC, scenario.act, patience=_PATIENCE, stall=_STALL)
    outcomes = []
    for number, name in enumerate(ENTRIES):
        with LogStage(folder / str(number), url, program, [name]) as stage:
            outcomes += stage.backlog(int(BACKLOG / SCALE), patience=_PATIENCE, stall=_STALL)
    return outcomes


def _print(title: str, outcomes: list[Outcome]) -> None:
    print(f"\n### {title}; load {os.getloadavg()[0]:.1f}\n")
    columns = "lines", "missing", "twice", "damaged", "documents", "lines/s", "last one late by", "CPU s/GB", "peak MiB"
    print_head("", *columns)
    for one in outcomes:
        print_row(
            one.name + (f" (ended {one.ends} times)" if one.ends else ""),
            f"{one.sent:,}",
            f"{one.missing:,}",
            f"{one.twice:,}",
            f"{one.damaged:,}",
            f"{one.documents:,}",
            f"{one.speed:,.0f}",
            f"{one.late:.1f} s",
            f"{one.cpu:.0f}",
            f"{one.memory:.0f}",
        )


def _draw(folder: Path, content: Json) -> None:
    """Draw what the file holds: what is missing, and what it costs."""
    faults = [content["scenarios"][key] for key in SCENARIOS if key in content["scenarios"]]
    labels = [scenario["title"] for scenario in faults]
    share = by_contestant(faults, lambda row: 100 * row["missing"] / row["sent"])
    title = "Missing two minutes later, in percent of the lines"
    draw_bars(folder / "peers-logs-missing.svg", title, labels, share, percent)
    if backlog := content["scenarios"].get("backlog"):
        for key, title in (("speed", "Lines a second until they are found"), ("cpu", "CPU seconds for a GB of files")):
            values = by_contestant([backlog], itemgetter(key))
            draw_bars(folder / f"peers-logs-{key}.svg", title, [backlog["title"]], values, "{:,.0f}".format)
