"""`sidecar report` over many documents: seconds, memory and the size of the file."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sidecar.config import Config, loads
from sidecar.dev.opensearch import open_opensearch
from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch import Client, connect
from sidecar.opensearch.codec import dumps
from tests.support.bench.report import print_head, print_row, sizes
from tests.support.search import Answers
from tests.support.waiting import unique_name

Json = dict[str, Any]
RUNS = 3
COPIES = 20
"""Indices of each kind: the first is filled, the others are made of its files, which takes seconds."""
WINDOW = timedelta(days=1)
_BATCH = 5_000
_PATIENCE_SECONDS = 300
_LEVELS = ("info", "info", "info", "debug", "warn", "error")


def run() -> None:
    """Sizes: BENCH_REPORT_LINES, BENCH_REPORT_EVENTS, in turn."""
    with (
        tempfile.TemporaryDirectory() as place,
        open_opensearch(os.environ.get("OPENSEARCH_URL"), progress=lambda *_: None) as part,
    ):
        print(part.description)
        print_head("lines", "events", "seconds", "memory, MiB", "file, kB", "requests' part, s")
        lines, events = sizes("BENCH_REPORT_LINES", "1000,1000000"), sizes("BENCH_REPORT_EVENTS", "1000,100000")
        for line_count, event_count in zip(lines, events, strict=True):
            name = unique_name("bench")
            file = Path(place) / "pipeline.yaml"
            file.write_text(
                f"cluster: {name}\nopensearch: {{url: '{part.url}'}}\nevents: {{index: {name}-e}}\n"
                f"logs: {{index: {name}-l}}\ncontrolPlane: {{index: {name}-c}}\n"
            )
            with Answers(part.url, name):
                _sidecar("apply", "-c", str(file))
                _fill(loads(file.read_text()), line_count, event_count)
                for _ in range(RUNS):
                    _row(file, line_count, event_count, Path(place) / "report.html")


def _row(file: Path, lines: int, events: int, page: Path) -> None:
    began = time.perf_counter()
    words = ["report", "-c", str(file), "-o", str(page)]
    process = subprocess.Popen([sys.executable, "-m", "sidecar", *words], stdout=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stdout
    assert process.returncode == 0, process.stdout.read()
    process.stdout.close()
    waited = seconds - usage.ru_utime - usage.ru_stime
    size = page.stat().st_size / 1000
    print_row(
        f"{lines:,}", f"{events:,}", f"{seconds:.1f}", f"{usage.ru_maxrss / 1024:.0f}", f"{size:.0f}", f"{waited:.1f}"
    )


def _sidecar(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "sidecar", *words], check=True, capture_output=True)


def _fill(config: Config, lines: int, events: int) -> None:
    client, now = connect(config, seconds=120), datetime.now(UTC)
    day = f"{now:%Y.%m.%d}"
    for index, documents in (
        (f"{config.logs.index}-{day}", _lines(config.cluster, now, lines // COPIES)),
        (f"{config.events.index}-{day}", _events(config.cluster, now, events // COPIES)),
    ):
        head = dumps({"create": {"_index": index}})
        while batch := list(islice(documents, _BATCH)):
            body = b"\n".join(part for document in batch for part in (head, dumps(document)))
            _store(client, body + b"\n")
        client.request("PUT", f"/{index}/_settings", {"index.blocks.write": True})
        for copy in range(1, COPIES):
            client.request("POST", f"/{index}/_clone/{index}-{copy}", params={"wait_for_active_shards": 1})
        client.request("POST", f"/{index}*/_refresh")


def _store(client: Client, body: bytes) -> None:
    """A server that is busy is asked again: nothing was stored then."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            answer = client.request("POST", "/_bulk", body, params={"filter_path": "errors,items.*.error"})
            break
        except OpenSearchUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(2)
    assert not answer["errors"], answer


def _lines(cluster: str, now: datetime, count: int) -> Iterator[Json]:
    """Of 200 workloads in 20 namespaces, spread over the window."""
    for at in range(count):
        written = now - WINDOW * ((at * 7919 % count) / count)
        workload = at * at % 200
        yield {
            "@timestamp": written.isoformat(),
            "observedTimestamp": (written + timedelta(seconds=1 + at % 5)).isoformat(),
            "id": str(at),
            "cluster": cluster,
            "log": f"GET /cart/{at} 200 in {at % 977} ms",
            "stream": "stdout",
            "level": _LEVELS[at % len(_LEVELS)],
            "kubernetes": {"namespace_name": f"team-{workload % 20}", "pod_name": f"app-{workload}-0", "host": "node-1",
                           "container_name": "main"},
            "workload": {"kind": "Deployment", "name": f"app-{workload}"},
        }  # fmt: skip


def _events(cluster: str, now: datetime, count: int) -> Iterator[Json]:
    """One in five a warning, of 400 workloads, half of which recover."""
    for at in range(count):
        seen = (now - WINDOW * (1 - (at + 1) / (count + 1))).isoformat(timespec="seconds")
        workload = at * at % 400
        name = f"app-{workload}-0"
        failing = at % 5 == 0
        reason = "BackOff" if failing else "Started" if workload % 2 else "Pulled"
        yield {
            "@timestamp": seen,
            "id": f"{at}.{at}",
            "cluster": cluster,
            "kind": "Event",
            "type": "Warning" if failing else "Normal",
            "reason": reason,
            "message": f"Back-off restarting failed container main in pod {name}" if failing else f"{reason} {name}",
            "count": 1 + at % 7,
            "firstTimestamp": seen,
            "lastTimestamp": seen,
            "metadata": {"name": f"{name}.{at}", "namespace": f"team-{workload % 20}", "uid": str(at),
                         "resourceVersion": str(at), "creationTimestamp": seen},
            "involvedObject": {"kind": "Pod", "name": name, "namespace": f"team-{workload % 20}"},
            "reportingComponent": "kubelet",
            "workload": {"kind": "Deployment", "name": f"app-{workload}"},
        }  # fmt: skip
