"""A backlog of events in a real API server, from the start of the processes until all can be searched in OpenSearch.

Against Fluent Bit's own input for events, on the same servers in one run, in turn. Nothing is refreshed by hand: the
indices refresh every second. BACKLOG_EVENTS, LARGE_BACKLOG_EVENTS (0: none), REPEATS and WARM_UP (runs of each that
aren't counted) change the sizes.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import urllib3

from tests.support.apiserver import ApiServer
from tests.support.bench.pod import in_pod, write_service_account
from tests.support.bench.report import print_head, print_row, size
from tests.support.bench.rival import start_rival
from tests.support.bench.usage import cpu_seconds, machine_cpu_seconds, peak_mib
from tests.support.events import create_events
from tests.support.kubeapi import read_access
from tests.support.parts import Missing, Parts, find_fluent_bit
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.waiting import unique_name

EVENTS = size("BACKLOG_EVENTS", 20_000)
LARGE = size("LARGE_BACKLOG_EVENTS", 100_000)
REPEATS = size("REPEATS", 3)
WARM_UP = size("WARM_UP", 3)
NAMESPACE = "backlog"
SIDECAR, RIVAL = "sidecar + Fluent Bit", "Fluent Bit's `kubernetes_events`"
_EVERY = 0.2
_STALLED_SECONDS = 60.0
_REFRESH = {"index": {"refresh_interval": "1s"}}
STAGES = ("journaled", "read by Fluent Bit", "delivered by Fluent Bit", "confirmed", "searchable")
_LAST = {"confirmed", "searchable"}
"""Fluent Bit's own counts begin anew with a reload: the end is not judged by them."""

Counting = Callable[[], Mapping[str, float]]


@dataclass
class Run:
    """One run.

    Attributes:
        name: SIDECAR or RIVAL.
        owed: How many events.
        ready: Seconds until the sidecar had rendered, and Fluent Bit could start.
        first, last: Seconds until a stage had the first event, and all.
        seconds: Until all could be searched, or nothing came any more.
        cpu: CPU seconds, by whose they are.
        peaks: MiB of each process.
        missing, twice: Of the events.
        resent: How many the sidecar sent itself.
    """

    name: str
    owed: int
    ready: float = 0.0
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)
    missing: int = 0
    twice: int = 0
    resent: int = 0

    @property
    def speed(self) -> float:
        """Events a second, of those that came."""
        return (self.owed - self.missing) / self.seconds

    def follow(self, count: Counting, began: float, processes: list[Process]) -> None:
        """Note when each stage has its first and its last event, until all are searchable."""
        progress, moved = 0.0, time.monotonic()
        while True:
            counts = count()
            now = time.monotonic() - began
            for stage, number in counts.items():
                if number > 0:
                    self.first.setdefault(stage, now)
                if number >= self.owed:
                    self.last.setdefault(stage, now)
            if (total := sum(counts.values())) > progress:
                progress, moved = total, time.monotonic()
                self.seconds = now
            if (
                all(stage in self.last for stage in _LAST & counts.keys())
                or time.monotonic() - moved > _STALLED_SECONDS
            ):
                self.seconds = self.last.get("searchable", self.seconds)
                return
            for process in processes:
                process.check()
            time.sleep(_EVERY)


class Bench:
    """The servers, and what has been written to them."""

    def __init__(self, folder: Path, url: str, server: ApiServer, program: Path) -> None:
        self._folder, self._url, self._server, self._program = folder, url, server, program
        self._names = itertools.count()
        self.owed: set[str] = set()

    def fill(self, count: int) -> None:
        """Create events until there are so many."""
        missing = count - len(self.owed)
        truth = create_events(self._server.kubeconfig, NAMESPACE, missing, first=len(self.owed))
        self.owed |= truth.ids
        print(f"{count:,} events of about 1 KB in the API server, which took {truth.writes_per_second:.0f}/s\n")

    def measure(self, name: str) -> Run:
        with ExitStack() as stack:
            return (self._sidecar if name == SIDECAR else self._rival)(stack)

    def _place(self, stack: ExitStack) -> tuple[Path, Callable[..., Process]]:
        folder = self._folder / f"run-{next(self._names)}"
        folder.mkdir()
        (folder / "pods").mkdir()

        def start(command: list[Any], *, name: str = "", env: Any = None) -> Process:
            return stack.enter_context(Process(command, log=folder / f"{name}.log", env=env, name=name))

        return folder, start

    def _sidecar(self, stack: ExitStack) -> Run:
        folder, start = self._place(stack)
        access = read_access(self._server.kubeconfig)
        write_service_account(folder / "account", token=access.token, ca=access.ca)
        pipeline = Pipeline(
            folder,
            url=self._url,
            kubeconfig=self._server.kubeconfig,
            start_process=in_pod(start, folder / "account", access.server),
            more={"events": {"journal": "2GiB"}},
        )
        answers = stack.enter_context(Answers(self._url, pipeline.index))
        stack.callback(pipeline.clean)
        run = Run(SIDECAR, len(self.owed))
        usage = self._usage()
        began = time.monotonic()
        sidecar = pipeline.start_sidecar()
        run.ready = time.monotonic() - began
        shipper = pipeline.start_fluent_bit(self._program)
        run.follow(partial(self._counts, pipeline, _Total(), _Total()), began, [sidecar, shipper])
        run.cpu = usage({"sidecar": sidecar, "Fluent Bit": shipper})
        run.peaks = [peak_mib(sidecar.pid), peak_mib(shipper.pid)]
        run.resent = int(pipeline.metric("sidecar_events_resent_total"))
        answers.count()
        self._score(run, [hit["_id"] for hit in answers.documents()])
        return run

    def _counts(self, pipeline: Pipeline, read: "_Total", delivered: "_Total") -> Mapping[str, float]:
        own = _metrics(f"http://127.0.0.1:{pipeline.config.agent.port}/metrics")
        shipper = _metrics(f"http://127.0.0.1:{pipeline.config.fluentbit.port}/api/v2/metrics/prometheus")
        values = (
            own.get("sidecar_events_journaled_total", 0),
            read.add(shipper.get('fluentbit_input_records_total{name="events"}', 0)),
            delivered.add(shipper.get('fluentbit_output_proc_records_total{name="events"}', 0)),
            own.get("sidecar_events_confirmed_total", 0),
            self._searchable(f"{pipeline.index}-*"),
        )
        return dict(zip(STAGES, values, strict=True))

    def _rival(self, stack: ExitStack) -> Run:
        folder, start = self._place(stack)
        index = unique_name("fluent-bit-events")
        urllib3.request("PUT", f"{self._url}/{index}", json={"settings": {"number_of_replicas": 0, **_REFRESH}})
        answers = stack.enter_context(Answers(self._url, index))
        run = Run(RIVAL, len(self.owed))
        usage = self._usage()
        began = time.monotonic()
        shipper = start_rival(
            self._program,
            folder / "rival",
            kubeconfig=self._server.kubeconfig,
            url=self._url,
            index=index,
            start=start,
        )
        run.follow(lambda: {"searchable": self._searchable(index)}, began, [shipper])
        run.cpu = usage({"Fluent Bit": shipper})
        run.peaks = [peak_mib(shipper.pid)]
        answers.count()
        heads = (hit["_source"]["metadata"] for hit in answers.documents())
        self._score(run, [f"{head['uid']}.{head['resourceVersion']}" for head in heads])
        return run

    def _usage(self) -> Callable[[Mapping[str, Process]], dict[str, float]]:
        """Tells the CPU seconds since now of the servers and the machine, and those of processes since their starts."""
        servers = (self._server.process.pid, self._server.etcd.pid)
        machine, api = machine_cpu_seconds(), cpu_seconds(*servers)

        def used(processes: Mapping[str, Process]) -> dict[str, float]:
            own = {name: cpu_seconds(process.pid) for name, process in processes.items()}
            both = {"API server, etcd": cpu_seconds(*servers) - api, "machine": machine_cpu_seconds() - machine}
            return own | both

        return used

    def _score(self, run: Run, ids: list[str]) -> None:
        run.missing, run.twice = len(self.owed - set(ids)), len(ids) - len(set(ids))

    def _searchable(self, pattern: str) -> int:
        answer = urllib3.request("GET", f"{self._url}/{pattern}/_count", timeout=30).json()
        return int(answer.get("count", 0))


class _Total:
    """The sum of a counter that begins anew now and then; what it counted between two looks may be missing."""

    def __init__(self) -> None:
        self._sum = self._last = 0.0

    def add(self, value: float) -> float:
        """The counter shows a value; the sum."""
        self._sum += value - self._last if value >= self._last else value
        self._last = value
        return self._sum


def _metrics(url: str) -> dict[str, float]:
    """Metrics in Prometheus' text format, by name and labels; of Fluent Bit without its time stamps."""
    try:
        text = urllib3.request("GET", url, retries=False, timeout=5).data.decode()
    except urllib3.exceptions.HTTPError:
        return {}
    pairs = (line.rpartition("}") if "}" in line else line.partition(" ") for line in text.splitlines())
    return {
        f"{name}{mark.strip()}": float(value.split()[0])
        for name, mark, value in pairs
        if value.strip() and not name.startswith("#")
    }


def run() -> None:
    parts = Parts()
    try:
        program, _ = find_fluent_bit()
        with ExitStack() as stack:
            stack.callback(parts.close)
            parts.opensearch.start()
            parts.api_server.start()
            url, server = parts.opensearch.get(), parts.api_server.get()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-backlog-")))
            bench = Bench(folder, url, server, program)
            bench.fill(EVENTS)
            # A young OpenSearch is compiled while it works: its first 100,000 documents take it twice as long.
            for _ in range(WARM_UP):
                for name in (SIDECAR, RIVAL):
                    bench.measure(name)
            runs = [bench.measure(name) for _ in range(REPEATS) for name in (SIDECAR, RIVAL)]
            _print(runs)
            if LARGE > EVENTS:
                bench.fill(LARGE)
                _print([bench.measure(SIDECAR)])
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")


def _print(runs: list[Run]) -> None:
    columns = ("events/s", "seconds", "CPU s", "all of the machine", "peak MiB", "missing", "twice", "resent")
    print_head("until all are searchable", *columns)
    for one in runs:
        print_row(
            one.name,
            f"{one.speed:,.0f}",
            f"{one.seconds:.1f}",
            ", ".join(f"{name} {cpu:.1f}" for name, cpu in one.cpu.items() if name != "machine"),
            f"{one.cpu['machine']:.1f}",
            " + ".join(f"{peak:.0f}" for peak in one.peaks),
            str(one.missing),
            str(one.twice),
            str(one.resent),
        )
    ours, theirs = ([one.speed for one in runs if one.name == name] for name in (SIDECAR, RIVAL))
    if theirs:
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(f"\nof the medians, the first is {ratio:.2f} of the second\n")
    else:
        print()
    print_head("seconds until the first and until all are", "ready", *STAGES)
    for one in runs:
        cells = (f"{_seconds(one.first.get(stage))}, {_seconds(one.last.get(stage))}" for stage in STAGES)
        print_row(one.name, f"{one.ready:.1f}", *cells)
    print(flush=True)


def _seconds(moment: float | None) -> str:
    return "-" if moment is None else f"{moment:.1f}"
