"""Pod logs: how fast, and for how much, a backlog of files is shipped; and what each feature costs.

The bare minimum of Fluent Bit, the workshop's configuration and the rendered one read the same files and send to the
same sinks, in turn. Files are in memory where the machine allows it, positions and chunks on disk.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from sidecar.dev.opensearch import open_opensearch
from sidecar.errors import DemoError
from tests.support.fakes.server import Exchange, FakeServer
from tests.support.parts import Missing, find_fluent_bit
from tests.support.podlogs.pipelines import Json, Patch, Rendered, bare, workshop, write
from tests.support.podlogs.shipper import Shipper
from tests.support.podlogs.spec import Log, Spec, logs
from tests.support.podlogs.truth import Truth
from tests.support.process import Process
from tests.support.sink import Sink
from tests.support.waiting import free_port, unique_name

SIZE = 120_000_000
FILES = 4
REPEATS = 3
PRICE_REPEATS = 2
BARE, WORKSHOP, RENDERED = "bare minimum", "workshop", "rendered"
# What a timer still holds back at the end: the last record of each stream of each file.
_HELD = 4 * FILES
_LIMIT = 180.0


@dataclass
class Variant:
    """A configuration to measure.

    Attributes:
        name: In the table.
        base: BARE, WORKSHOP or RENDERED.
        more: Keys of pipeline.yaml.
        patch: Changes what was rendered.
        joined: Whether it joins stack traces.
        files: How many of the files it reads: the slow one reads the first only.
    """

    name: str
    base: str = RENDERED
    more: Json = field(default_factory=dict)
    patch: Patch | None = None
    joined: bool = True
    files: int = FILES


@dataclass
class Run:
    """One run's figures: MB of files and records a second, CPU seconds for a GB of files, MiB."""

    speed: float
    records: float
    cpu: float
    memory: float
    complete: bool


COMPARED = [
    Variant("bare minimum: no ids, no metadata", BARE, joined=False),
    Variant("rendered, all defaults"),
    Variant("workshop", WORKSHOP, joined=False, files=1),
]


def _memory_storage(content: Json) -> None:
    for plugin in content["pipeline"]["inputs"]:
        plugin["storage.type"] = "memory"


PRICES = [
    Variant("rendered, all defaults"),
    Variant("metadata: path", more={"logs": {"metadata": "path"}}),
    Variant("json: false", more={"logs": {"json": False}}),
    Variant("level: false", more={"logs": {"level": False}}),
    Variant("multiline: []", more={"logs": {"multiline": []}}, joined=False),
    Variant("redact: [secrets]", more={"logs": {"redact": ["secrets"]}}),
    Variant("redact: [secrets, personal-data]", more={"logs": {"redact": ["secrets", "personal-data"]}}),
    Variant("compress: true", more={"opensearch": {"compress": True}}),
    Variant("chunks in memory (unsafe)", patch=_memory_storage),
]


def run() -> None:
    try:
        program, version = find_fluent_bit()
        print(f"Fluent Bit {version}, {SIZE / 1e6:.0f} MB in {FILES} files; load {os.getloadavg()[0]:.1f}")
        with ExitStack() as stack:
            bench = stack.enter_context(Bench.open(program))
            print(f"{bench.truth.lines:,} lines of {bench.truth.bytes / bench.truth.lines:.0f} bytes on average\n")
            for sink in ("null", "sink"):
                bench.table(f"to {sink}", sink, COMPARED, REPEATS)
            bench.table("what it costs, to sink", "sink", PRICES, PRICE_REPEATS)
            # The bare minimum's requests are as large as its files: a small heap refuses them, and it gives up.
            opening = open_opensearch(os.environ.get("OPENSEARCH_URL"), heap="2g", progress=lambda *_: None)
            bench.opensearch = stack.enter_context(opening).url
            bench.table("to OpenSearch", "opensearch", COMPARED, REPEATS)
    except (Missing, DemoError) as missing:
        print(f"NOT RUN: {missing}")


class Bench:
    """The files, and the sinks.

    Args:
        program: fluent-bit.
        folder: On disk.
        node: Folder with the files: `pods` and `containers`.
    """

    def __init__(self, program: Path, folder: Path, node: Path) -> None:
        self._program = program
        self._folder = folder
        self._node = node
        self._logs = logs(FILES)
        self.opensearch = ""
        self.truth = _generate(self._logs, node)
        self._sink = Sink(folder / "sink")
        self._api = _Api()
        self._count = 0

    @classmethod
    @contextmanager
    def open(cls, program: Path) -> Iterator["Bench"]:
        memory = Path("/dev/shm")
        room = memory.is_dir() and shutil.disk_usage(memory).free > 4 * SIZE
        with (
            tempfile.TemporaryDirectory(prefix="bench-logs-") as folder,
            tempfile.TemporaryDirectory(prefix="bench-logs-", dir=memory if room else None) as node,
        ):
            bench = cls(program, Path(folder), Path(node))
            with bench._sink, bench._api:
                yield bench

    def table(self, title: str, sink: str, variants: list[Variant], repeats: int) -> None:
        """Run all variants in turn, several times, and print least and median."""
        print(f"### {title}; load {os.getloadavg()[0]:.1f}")
        runs: dict[str, list[Run]] = {variant.name: [] for variant in variants}
        for _ in range(repeats):
            for variant in variants:
                runs[variant.name].append(self.measure(variant, sink))
        print(f"{'':<36} {'MB/s most/median':>18} {'k rec/s':>8} {'CPU s/GB least/median':>22} {'peak MiB':>9}")
        for name, done in runs.items():
            speed, cpu = [run.speed for run in done], [run.cpu for run in done]
            note = "" if all(run.complete for run in done) else "  INCOMPLETE"
            print(
                f"{name:<36} {max(speed):9.1f} /{statistics.median(speed):7.1f} "
                f"{statistics.median(run.records for run in done) / 1000:8.0f} "
                f"{min(cpu):13.1f} /{statistics.median(cpu):7.1f} {max(run.memory for run in done):9.0f}{note}"
            )
        print(flush=True)

    def measure(self, variant: Variant, sink: str) -> Run:
        """One run, from the start of Fluent Bit to the last record but those that a timer holds."""
        self._count += 1
        folder = self._folder / f"run-{self._count}"
        folder.mkdir()
        port = free_port()
        index = unique_name("bench")
        self._sink.reset()
        file = self._configure(variant, folder, port, index, sink)
        used = [self.truth.logs[log.key] for log in self._logs[: variant.files]]
        owed = sum(log.documents if variant.joined else log.lines for log in used)
        size = sum(log.bytes for log in used)

        def start(command: list[Any], *, name: str) -> Process:
            return Process(command, log=folder / f"{name}.log", name=name)

        began, clock = time.monotonic(), time.time()
        shipper = Shipper(self._program, file, port, start)
        try:
            while True:
                now = time.monotonic()
                if sink == "sink":
                    counts = self._sink.counts()
                    done, seconds = counts.documents, counts.last - clock
                else:
                    done, seconds = int(shipper.metric("fluentbit_output_proc_records_total")), now - began
                if done >= owed - _HELD or now - began > _LIMIT:
                    break
                shipper.process.check()
                time.sleep(0.05 if sink == "sink" else 0.2)
            cost = shipper.cost()
        finally:
            shipper.process.close()
            if sink == "opensearch":
                urllib3.request("DELETE", f"{self.opensearch}/{index}*?expand_wildcards=all")
            shutil.rmtree(folder)
        return Run(size / seconds / 1e6, done / seconds, cost.cpu / size * 1e9, cost.memory, done >= owed - _HELD)

    def _configure(self, variant: Variant, folder: Path, port: int, index: str, sink: str) -> Path:
        url = urllib3.util.parse_url(self.opensearch if sink == "opensearch" else self._sink.url)
        address = url.host or "", url.port or 80
        if variant.base == RENDERED:
            more = {**variant.more, "logs": {"index": index, **variant.more.get("logs", {})}}

            def patch(content: Json) -> None:
                if variant.patch:
                    variant.patch(content)
                if sink == "null":
                    _to_null(content)

            rendered = Rendered(folder, self._node / "pods", address, port, more, patch)
            rendered.write_pods(self._logs)
            if sink == "opensearch":
                rendered.apply(self.opensearch)
            return rendered.file
        if variant.base == WORKSHOP:
            token = folder / "token"
            token.write_text("token")
            content = workshop(self._node / "containers", folder, address, port, index, (self._api.url, token))
            if variant.files < FILES:
                tail = content["pipeline"]["inputs"][0]
                tail["path"] = ",".join(
                    f"{self._node}/containers/{log.pod}_*.log" for log in self._logs[: variant.files]
                )
        else:
            content = bare(f"{self._node}/pods/*/*/*.log", folder, address, port, index)
        if sink == "null":
            _to_null(content)
        return write(content, folder)


def _to_null(content: Json) -> None:
    content["pipeline"]["outputs"] = [
        {"name": "null", **{key: output[key] for key in ("match", "match_regex") if key in output}}
        for output in content["pipeline"]["outputs"]
    ]


def _generate(written: list[Log], node: Path) -> Truth:
    spec = Spec(str(node / "pods"), str(node / "truth"), written, size=SIZE)
    file = node / "spec.json"
    spec.save(file)
    subprocess.run([sys.executable, "-m", "tests.support.podlogs.generate", str(file)], check=True)
    return Truth.read(node / "truth")


class _Api(FakeServer):
    """An API server that answers every question for a pod with a typical one."""

    def handle(self, exchange: Exchange) -> None:
        _, _, _, _, namespace, _, name = exchange.request.path.split("/")[:7]
        labels = {"app": "web", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7d4b9c6f5"}
        annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-22T08:00:00Z", "prometheus.io/scrape": "true"}
        uid = "0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f0000"
        metadata = {"name": name, "namespace": namespace, "uid": uid, "labels": labels, "annotations": annotations}
        container = {"name": "app", "image": "shop/web:1.4"}
        state = {**container, "containerID": f"containerd://{'0b1e6f9a' * 8}", "imageID": "shop/web"}
        status = {"phase": "Running", "podIP": "10.0.1.17", "containerStatuses": [state]}
        spec = {"nodeName": "node-1", "containers": [container]}
        exchange.json({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status})
