"""From the API server's socket to the journal: how many events a second one process takes, from a fake cluster.

Watched, with and without labels (which are all known), listed in pages, and listed as a stream. The cluster has a
process of its own: it is not what is measured. JOURNAL_EVENTS and REPEATS change the sizes.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from sidecar.agent.term import Term
from sidecar.config import Config, loads
from sidecar.events.enrich import Counters, Enricher
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.kube import ApiServer, connect
from sidecar.opensearch import Client
from tests.support.bench.cluster import POD_EVENTS, Cluster, World, namespace, pod_name, pod_uid
from tests.support.bench.report import print_head, print_row, size
from tests.support.fakes.kubernetes import kubeconfig
from tests.support.waiting import wait_until

EVENTS = size("JOURNAL_EVENTS", 50_000)
REPEATS = size("REPEATS", 3)
_TOGETHER = 500


@dataclass(frozen=True)
class Way:
    """How the events come, and whether their objects' labels are looked up."""

    name: str
    world: World
    labels: bool = False


WAYS = [
    Way("watched", World(EVENTS, watched=True)),
    Way("watched, with labels", World(EVENTS, watched=True), labels=True),
    Way("listed in pages", World(EVENTS)),
    Way("listed in pages, with labels", World(EVENTS), labels=True),
    Way("listed as a stream", World(EVENTS, version="v1.35.0")),
]


@dataclass(frozen=True)
class Run:
    """Of one run: events a second, CPU seconds for 100,000 events, events with labels, bytes of an event."""

    speed: float
    cpu: float
    labelled: float
    bytes: float


def run() -> None:
    runs: dict[str, list[Run]] = {way.name: [] for way in WAYS}
    for _ in range(REPEATS):
        for way in WAYS:  # in turn, so that other work on the machine meets all
            runs[way.name].append(_measure(way))
    print(f"{EVENTS:,} events of {runs[WAYS[0].name][0].bytes:.0f} bytes in the journal, {REPEATS} runs\n")
    print_head("", "events/s, most", "median", "CPU s for 100,000, least", "median", "with labels")
    for name, done in runs.items():
        speed, cpu = [one.speed for one in done], [one.cpu for one in done]
        print_row(
            name,
            f"{max(speed):,.0f}",
            f"{statistics.median(speed):,.0f}",
            f"{min(cpu):.1f}",
            f"{statistics.median(cpu):.1f}",
            f"{min(one.labelled for one in done):.0%}",
        )


class _Empty(Client):
    """An OpenSearch that has nothing, and takes no time to say so."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")

    def request(self, method: str, path: str, body: Any = None, *, params: Any = None, headers: Any = None) -> Any:
        del method, params, headers
        if path == "/_mget":
            return {"docs": [{"found": False}] * body.count(b'"_id"')}
        return {"hits": {"hits": []}}


def _measure(way: Way) -> Run:
    with tempfile.TemporaryDirectory(prefix="bench-journaling-") as place:
        folder = Path(place)
        with Cluster(folder / "cluster", way.world) as cluster:
            api = connect(kubeconfig=kubeconfig(folder, cluster.url))
            return _journal(folder, api, labels=way.labels)


def _journal(folder: Path, api: ApiServer, *, labels: bool) -> Run:
    config = loads("cluster: c\nopensearch: {url: https://opensearch.example}\n")
    registry = CollectorRegistry()
    metrics = EventMetrics(registry)
    journal = Journal(folder / "events", cap=2**40)
    enricher = _knowing(api, metrics) if labels else None
    began, cpu = time.perf_counter(), time.process_time()
    term = _begin(config, api, journal, metrics, enricher)

    def done() -> bool:
        assert term._thread.is_alive(), "the collector ended by a bug"
        return (registry.get_sample_value("sidecar_events_journaled_total") or 0) >= EVENTS

    wait_until(done, 300, "all are journaled", interval=0.02)
    journal.commit()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    written = journal.size
    term.end()
    if enricher:
        enricher.close()
    journal.close()
    labelled = (registry.get_sample_value("sidecar_events_enriched_total") or 0) / EVENTS
    return Run(EVENTS / seconds, cpu / EVENTS * 100_000, labelled, written / EVENTS)


def _begin(config: Config, api: ApiServer, journal: Journal, metrics: EventMetrics, enricher: Enricher | None) -> Term:
    return Term(
        config,
        api,
        journal,
        _Empty(),
        metrics,
        knowledge=enricher,
        leading=lambda: True,
        before=None,
        guarded=lambda _name, part: part(),
    )


def _knowing(api: ApiServer, metrics: EventMetrics) -> Enricher:
    """An enricher that knows all pods already; what it was asked for meanwhile is not counted."""
    registry = CollectorRegistry()
    scratch = EventMetrics(registry)
    counters = Counters(scratch.enriched, scratch.unenriched, scratch.lookups, scratch.known_objects)
    enricher = Enricher(api, counters, requests_per_second=1000)
    pods = range(-(-EVENTS // POD_EVENTS))
    wanted = [
        {"involvedObject": {"apiVersion": "v1", "kind": "Pod", "uid": pod_uid(pod), "name": pod_name(pod)}}
        for pod in pods
    ]
    for pod, event in zip(pods, wanted, strict=True):
        event["involvedObject"]["namespace"] = namespace(pod)
    end = time.monotonic() + 60
    while wanted and time.monotonic() < end:
        batch, rest = wanted[:_TOGETHER], wanted[_TOGETHER:]
        found = enricher.look_up(batch, budget=5.0)
        wanted = rest + [event for event, about in zip(batch, found, strict=True) if about is None or not about.labels]
    assert not wanted, f"{len(wanted)} pods are not known"
    enricher._counters = replace(counters, enriched=metrics.enriched, unenriched=metrics.unenriched)
    return enricher
