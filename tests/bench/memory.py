"""What `sidecar run` takes of memory: as a follower, and as a leader at its start and after backlogs of any size.

As in a pod, with pod logs on, beside a real Fluent Bit. The API server is a fake that makes the events while it sends
them, and OpenSearch one that keeps ids alone; each has a process of its own. MEMORY_EVENTS (sizes, separated by commas)
and MEMORY_SECONDS (for what only waits) change the sizes.
"""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.bench import cluster
from tests.support.bench.cluster import Cluster, World
from tests.support.bench.pod import in_pod, write_service_account
from tests.support.bench.report import print_head, print_row, size, sizes
from tests.support.bench.usage import cpu_seconds, peak_mib, resident_mib
from tests.support.parts import Missing, find_fluent_bit
from tests.support.pipeline import Pipeline
from tests.support.process import Process

EVENTS = sizes("MEMORY_EVENTS", "0,100000,1000000")
SECONDS = size("MEMORY_SECONDS", 30)
_STALLED_SECONDS = 120.0
_AFTERWARDS = 5.0
_PAGED, _STREAMED = "v1.31.0", "v1.35.0"


@dataclass(frozen=True)
class Case:
    """What is measured; without Fluent Bit the sidecar sends the events itself, and sees to no pod logs."""

    name: str
    world: World
    fluent_bit: bool = True


@dataclass(frozen=True)
class Run:
    """MiB just after its start, at the end and at most; how many events were confirmed, in how many seconds."""

    start: float
    end: float
    peak: float
    confirmed: int
    seconds: float
    cpu: float


def run() -> None:
    try:
        program, version = find_fluent_bit()
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")
        return
    print(f"Fluent Bit {version} beside it, which is not counted\n")
    print_head("", "events", "MiB at the start", "at the end", "at most", "events/s to confirmed", "CPU s", "confirmed")
    for case in _cases():
        with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
            _print(case, _measure(case, Path(folder), program))


def _cases() -> list[Case]:
    cases = [Case("follower", World(0, held=True, tls=True))]
    for count in EVENTS:
        cases += [
            Case("leader, listing in pages", World(count, version=_PAGED, tls=True)),
            Case("leader, listing by a stream", World(count, version=_STREAMED, tls=True)),
        ]
        if count:
            cases.append(Case("the same, sending all itself", World(count, version=_STREAMED, tls=True), False))
    return cases


def _measure(case: Case, folder: Path, program: Path) -> Run:
    with ExitStack() as stack:
        api = stack.enter_context(Cluster(folder / "cluster", case.world))
        store = stack.enter_context(cluster.Process("tests.support.bench.store", folder / "store"))
        write_service_account(folder / "account", token="token", ca=api.ca)

        def start(command: list[Any], *, name: str = "", env: Any = None) -> Process:
            return stack.enter_context(Process(command, log=folder / f"{name}.log", env=env, name=name))

        pipeline = Pipeline(
            folder,
            url=store.url,
            kubeconfig=folder / "none",
            start_process=in_pod(start, folder / "account", api.url),
        )
        (folder / "pods").mkdir()
        sidecar = pipeline.start_sidecar(*([] if case.fluent_bit else ["--without-fluent-bit"]))
        if case.fluent_bit:
            pipeline.start_fluent_bit(program)
        return _follow(case, pipeline, sidecar)


def _follow(case: Case, pipeline: Pipeline, sidecar: Process) -> Run:
    began = moved = time.monotonic()
    start, confirmed, seconds = resident_mib(sidecar.pid), 0, 0.0
    while confirmed < case.world.events and time.monotonic() - moved < _STALLED_SECONDS:
        time.sleep(0.5)
        sidecar.check()
        if (now := int(pipeline.metric("sidecar_events_confirmed_total"))) > confirmed:
            confirmed, moved = now, time.monotonic()
            seconds = moved - began
    time.sleep(_AFTERWARDS if case.world.events else SECONDS)
    sidecar.check()
    led = pipeline.metric("sidecar_leader")
    assert led == (not case.world.held), f"{case.name}: sidecar_leader is {led}\n{sidecar.tail()}"
    return Run(start, resident_mib(sidecar.pid), peak_mib(sidecar.pid), confirmed, seconds, cpu_seconds(sidecar.pid))


def _print(case: Case, run: Run) -> None:
    owed = case.world.events
    print_row(
        case.name,
        f"{owed:,}",
        f"{run.start:.0f}",
        f"{run.end:.0f}",
        f"{run.peak:.0f}",
        f"{run.confirmed / run.seconds:,.0f}" if run.seconds else "-",
        f"{run.cpu:.1f}",
        "all" if run.confirmed >= owed else f"INCOMPLETE: {run.confirmed:,}",
    )
