"""From the socket of a watch to the journal: how many events a second one process takes, on a fake API server."""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from sidecar.config import loads
from sidecar.dev.recording import load
from sidecar.events.journal import Journal
from sidecar.kube import connect
from tests.support.collecting import make_collector
from tests.support.fakes.kubernetes import FakeEvents, kubeconfig, line, listing, stream
from tests.support.waiting import wait_until

EVENTS = 50_000
_IN_A_CHUNK = 50


def run() -> None:
    # The server has a process of its own: it is not what is measured.
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([sys.executable, "-m", "tests.bench.journaling", folder], stdin=subprocess.PIPE)
        try:
            file = Path(folder) / "kubeconfig"
            wait_until(file.exists, 60, "the fake API server is up")
            cpu, seconds = _collect(Path(folder), str(file))
        finally:
            server.communicate(b"")
    print(f"{EVENTS / seconds:6.0f} events/s, {cpu / EVENTS * 100_000:.1f} CPU s for 100,000 events ({EVENTS} events)")


def _collect(folder: Path, file: str) -> tuple[float, float]:
    config = loads("cluster: c\nopensearch: {url: https://opensearch.example}\n")
    registry = CollectorRegistry()
    journal = Journal(folder / "events", cap=2**30)
    collector = make_collector(config, connect(kubeconfig=file), journal, registry)
    thread = threading.Thread(target=collector.run)
    began, cpu = time.perf_counter(), time.process_time()
    thread.start()
    wait_until(
        lambda: journal.size >= _size() * 0.99 and _journaled(registry) >= EVENTS,
        120,
        "all are journaled",
        interval=0.02,
    )
    journal.commit()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    collector.stop()
    thread.join()
    journal.close()
    return cpu, seconds


def _size() -> int:
    return EVENTS * 500


def _journaled(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("sidecar_events_journaled_total") or 0


def serve(folder: Path) -> None:
    """A watch of real events of the recording, each with a version of its own."""
    events = list(load().documents())
    lines = []
    for number in range(EVENTS):
        thing = events[number % len(events)]
        lines.append(line(thing | {"metadata": thing["metadata"] | {"resourceVersion": str(number + 2)}}))
    chunks = [b"".join(lines[start : start + _IN_A_CHUNK]) for start in range(0, EVENTS, _IN_A_CHUNK)]
    with FakeEvents([listing([], 1)], [stream(*chunks)]) as server:
        ready = folder / "new"
        ready.mkdir()
        Path(kubeconfig(ready, server.url)).rename(folder / "kubeconfig")
        sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
