"""The Lambda function for control-plane logs as Lambda starts it: its package alone, in a Python without anything else.

CONTROLPLANE_LINES changes how many lines it delivers.
"""

import io
import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from sidecar.config import loads
from sidecar.config.function import VARIABLE
from sidecar.controlplane.package import HANDLER, package
from sidecar.controlplane.payload import packed
from sidecar.opensearch import connect
from tests.support.bench.report import print_head, print_row, size
from tests.support.controlplane import LINES, STREAMS, TIME, event_id, message, settings
from tests.support.managing import put_in_place
from tests.support.parts import Missing, Parts
from tests.support.search import Answers
from tests.support.sink import Sink
from tests.support.waiting import unique_name

COUNT, BATCH, STARTS = size("CONTROLPLANE_LINES", 50_000), 500, 15
_LAMBDA = """
import sys, time
began = time.perf_counter()
sys.path.insert(0, sys.argv[1])
import importlib, json, resource
module, _, name = sys.argv[2].rpartition(".")
handler = getattr(importlib.import_module(module), name)
imported = time.perf_counter() - began
class Context:
    def get_remaining_time_in_millis(self):
        return 120_000
with open(sys.argv[3]) as file:
    events = [json.loads(line) for line in file]
sys.stdout = sys.stderr
stored, first, began, cpu = 0, 0.0, time.perf_counter(), time.process_time()
for event in events:
    stored += handler(event, Context())["stored"]
    first = first or time.perf_counter() - began
found = {"imported": imported, "first": first, "seconds": time.perf_counter() - began,
         "cpu": time.process_time() - cpu, "stored": stored,
         "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
sys.__stdout__.write(json.dumps(found))
"""


def run() -> None:
    made = package()
    print(f"deployment package: {len(made.content) / 2**20:.2f} MiB, {len(made.files)} files\n")
    with tempfile.TemporaryDirectory(prefix="bench-controlplane-") as place:
        folder = Path(place)
        with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
            archive.extractall(folder / "task")
        (folder / "none").touch()
        starts = [_lambda(folder, "none", "http://127.0.0.1:1", "none")["imported"] * 1000 for _ in range(STARTS)]
        print(f"cold import: median {statistics.median(starts):.0f} ms, {min(starts):.0f}-{max(starts):.0f} ms\n")
        print_head("lines", "to", "lines/s", "lines/s of CPU", "ms for the first batch", "MiB at most")
        for component in ("kube-apiserver", "audit"):
            lines = folder / component
            lines.write_text("".join(f"{json.dumps(event)}\n" for event in _invocations(component)))
            with Sink(folder / f"sink-{component}", ids=True) as sink:
                _print(component, "a sink", _lambda(folder, component, sink.url, "none"))
            parts = Parts()
            try:
                url, index = parts.opensearch.get(), unique_name("bench-plane")
                with Answers(url, index):
                    _put_templates(url, index)
                    _print(component, "OpenSearch", _lambda(folder, component, url, index))
            except Missing as missing:
                print(f"NOT RUN: {missing.part} ({missing.why})")
            finally:
                parts.close()


def _invocations(component: str) -> list[dict[str, Any]]:
    lines = list(islice(cycle(LINES[component]), COUNT))
    events = [
        {"id": event_id(number), "timestamp": TIME + number, "message": line} for number, line in enumerate(lines)
    ]
    return [packed(message(STREAMS[component], events[at : at + BATCH])) for at in range(0, COUNT, BATCH)]


def _put_templates(url: str, index: str) -> None:
    config = loads(
        f"cluster: {index}\nopensearch: {{url: '{url}'}}\ncontrolPlane: {{index: {index}}}\n"
        f"events: {{index: events-{index}}}\nlogs: {{index: logs-{index}}}\n"
    )
    client = connect(config)
    put_in_place(client, config)
    client.close()


def _lambda(folder: Path, events: str, url: str, index: str) -> dict[str, float]:
    """What one process measured, which begins without bytecode, as in Lambda."""
    told = settings(url=url, index=index, template=f"fluent-sidecar-{index}")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", _LAMBDA, folder / "task", HANDLER, folder / events],
        env={VARIABLE: told.to_json()},
        check=True,
        capture_output=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _print(component: str, target: str, found: dict[str, float]) -> None:
    assert found["stored"] == COUNT, f"{found['stored']} of {COUNT} lines"
    print_row(
        f"{COUNT:,} of {component}", target, f"{COUNT / found['seconds']:,.0f}", f"{COUNT / found['cpu']:,.0f}",
        f"{found['first'] * 1000:.0f}", f"{found['mib']:.0f}",
    )  # fmt: skip
