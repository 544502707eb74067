"""Every monitor's search, condition and message on a real OpenSearch: it alerts on what is bad, and on nothing else."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from sidecar.config import Config, loads
from sidecar.dev.recording import load
from sidecar.events.following import Gap, Position
from sidecar.events.gap import gap_record
from sidecar.events.record import Involved, Recorder
from sidecar.opensearch.client import Client
from sidecar.opensearch.deadletter import dead_letter
from sidecar.opensearch.documents import Document, Documents, Outcome, Verdict
from sidecar.render.alerts import alerts, monitors
from sidecar.render.alerts.message import subject, text
from sidecar.render.indices import DEAD_LETTER
from sidecar.render.templates import templates
from tests.support.alerting import Ran, run
from tests.support.managing import put_in_place
from tests.support.waiting import unique_name

Json = dict[str, Any]

RECORDING = load()
NOW = RECORDING.end
KEYS = sorted(monitors(loads("cluster: c\nopensearch: {url: 'http://h'}")))


def pipeline(prefix: str, cluster: str, rotate: str = "daily") -> Config:
    return loads(
        f"cluster: {cluster}\nopensearch: {{url: 'http://h', version: '2.19'}}\n"
        f"events: {{index: {prefix}-events, rotate: {rotate}}}\nlogs: {{index: {prefix}-logs, rotate: {rotate}}}\n"
        f"controlPlane: {{index: {prefix}-control}}\n"
    )


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(uid: str, ago: float, *, count: int = 1, **more: Any) -> Json:
    """An Event as a kubelet writes it, last seen some minutes ago."""
    at = stamp(NOW - timedelta(minutes=ago))
    metadata = {"uid": uid, "name": uid, "namespace": "shop", "resourceVersion": str(count), "creationTimestamp": at}
    return {
        "metadata": metadata,
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1"},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": count,
        **more,
    }


def scheduling(uid: str, pod: str, ago: float, reason: str) -> Json:
    involved = {"kind": "Pod", "namespace": "shop", "name": pod}
    return event(uid, ago, reason=reason, message=f"{reason}.", involvedObject=involved, type="Normal")


def bad_events() -> Iterator[Json]:
    yield from RECORDING.documents()
    restart = "Back-off restarting failed container web in pod web-1"
    yield from (
        event("crash", ago, count=count, type="Warning", reason="BackOff", message=restart)
        for count, ago in ((1, 14), (6, 12), (9, 2))
    )
    # Events of many kinds, of which each is one: a surge.
    yield from (
        event(f"probe-{n}", 1, type="Warning", reason="Unhealthy", message=f'probe "{n}" failed') for n in range(60)
    )
    # Waiting for long, and for a moment; scheduled at last; and scheduled once, under the same name, before.
    yield scheduling("w1", "waits-long", 20, "FailedScheduling")
    yield scheduling("w2", "waits-a-moment", 1, "FailedScheduling")
    yield scheduling("w3", "scheduled", 20, "FailedScheduling")
    yield scheduling("w4", "scheduled", 18, "Scheduled")
    yield scheduling("w5", "again-0", 30, "Scheduled")
    yield scheduling("w6", "again-0", 12, "FailedScheduling")


def healthy_events() -> Iterator[Json]:
    """Something of everything, and not too much of anything."""
    said = {
        "Failed": 'Failed to pull image "x": timeout',
        "BackOff": "Back-off restarting failed container web in pod web-1",
        "FailedMount": "MountVolume.SetUp failed",
    }
    for reason, message in said.items():
        # Long ago it was bad; and each version of the same Event is a document.
        yield event(f"old-{reason}", 60 * 5, count=50, type="Warning", reason=reason, message=message)
        for count in range(1, 6):
            yield event(reason, 10 - count, count=count, type="Warning", reason=reason, message=message)
    yield from (event("same", 1, count=n, type="Warning", reason="Unhealthy", message="x") for n in range(1, 100))
    yield scheduling("s1", "web-1", 30, "FailedScheduling")
    yield scheduling("s2", "web-1", 29, "Scheduled")


def lines(workload: str, node: str, level: str, moments: Iterable[float]) -> Iterator[Json]:
    """Lines of a log, each some minutes ago."""
    for number, ago in enumerate(moments):
        yield {
            "@timestamp": (NOW - timedelta(minutes=ago)).isoformat(),
            "id": f"{workload}/{node}/{level}/{number}",
            "log": f'{level}: "{number}"\n at line 2',
            "level": level,
            "kubernetes": {
                "namespace_name": "shop",
                "pod_name": f"{workload}-1",
                "container_name": "app",
                "host": node,
            },
            "workload": {"kind": "Deployment", "name": workload},
        }


def bad_lines() -> Iterator[Json]:
    yield from lines("broken", "node-1", "info", [ago / 20 for ago in range(100)])
    yield from lines("broken", "node-1", "error", [ago / 20 for ago in range(30)])
    yield from lines("broken", "node-1", "fatal", [1])
    # Of a pod that isn't known; and a stack trace, whose 300th character is half of one.
    trace = f"{'x' * 299}\N{BRICK}{'y' * 50_000}"
    for line in lines("new", "node-1", "error", [ago / 20 for ago in range(30)]):
        yield {key: value for key, value in line.items() if key != "workload"} | {"log": trace}
    # As many errors, but few among its lines.
    yield from lines("chatty", "node-1", "info", [ago / 100 for ago in range(600)])
    yield from lines("chatty", "node-1", "error", [ago / 20 for ago in range(30)])
    yield from lines("gone", "silent-node", "info", [20 + ago / 100 for ago in range(110)])
    yield from lines("quiet", "quiet-node", "info", [20, 40])


def healthy_lines() -> Iterator[Json]:
    yield from lines("web", "node-1", "info", [ago / 10 for ago in range(500)])
    yield from lines("web", "node-1", "error", [ago / 4 for ago in range(20)])


class Filled:
    """An OpenSearch with documents of two clusters, of which one is well, in the same indices."""

    def __init__(self, url: str) -> None:
        self.client = Client(url)
        self.prefix = unique_name("alerts")
        self.bad = pipeline(self.prefix, f"{self.prefix}-bad")
        self.healthy = pipeline(self.prefix, f"{self.prefix}-healthy")
        put_in_place(self.client, self.bad)
        letter = Document("x", f"{self.prefix}-letter", b'{"a": 1}')
        outcome = Outcome(Verdict.REFUSED, 400, "mapper_parsing_exception", 'no "long"')
        self.letter = dead_letter(letter, outcome, cluster=self.bad.cluster)
        gap = Gap(Position("1", NOW.timestamp() - 900), Position("9", NOW.timestamp() - 600), "outage")
        record = gap_record(gap, self.bad)
        self._create(
            [
                *self._events(self.bad, bad_events()),
                *self._events(self.healthy, healthy_events()),
                *self._lines(self.bad, bad_lines()),
                *self._lines(self.healthy, healthy_lines()),
                Document(record.index, record.id, record.line),
                self.letter,
            ]
        )

    def run(self, config: Config, key: str, at: datetime) -> Ran:
        return run(self.client, config, key, at)

    def close(self) -> None:
        self.client.request("DELETE", f"/{self.prefix}-*", params={"expand_wildcards": "all"})
        self.client.request("DELETE", f"/{DEAD_LETTER}/_doc/{self.letter.id}")
        for name in templates(self.bad).indices:
            if self.prefix in name:
                self.client.request("DELETE", f"/_index_template/{name}")
        self.client.close()

    def _create(self, documents: list[Document]) -> None:
        outcomes = Documents(self.client).create(documents)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.STORED}
        self.client.request("POST", f"/{self.prefix}-*,{DEAD_LETTER}/_refresh")

    @staticmethod
    def _events(config: Config, events: Iterable[Json]) -> Iterator[Document]:
        recorder = Recorder(config)
        for item in events:
            known = item["involvedObject"]["name"] == "web-1"
            record = recorder.record(item, Involved(kind="Deployment", workload="web") if known else None)
            yield Document(record.index, f"{config.cluster}.{record.id}", record.line)

    @staticmethod
    def _lines(config: Config, found: Iterable[Json]) -> Iterator[Document]:
        for line in found:
            source = orjson.dumps({**line, "cluster": config.cluster})
            yield Document(f"{config.logs.index}-2026.11.22", f"{config.cluster}/{line['id']}", source)


@pytest.fixture(scope="module")
def filled(opensearch_url: str) -> Iterator[Filled]:
    found = Filled(opensearch_url)
    yield found
    found.close()


WANTED = {
    "warnings": ([], "Unhealthy (60)"),
    "image-pull": (["test|Pod/scenario-b-c59675bf4-j5v8f"], "Back-off pulling image"),
    "crash-loops": (["shop|Deployment/web"], "Back-off restarting failed container web"),
    "failed-mounts": (["test|Pod/scenario-a-848f56d558-cmxjt"], 'secret "misspelt-secret-name" not found'),
    "unschedulable": (["shop|again-0", "shop|waits-long"], "FailedScheduling."),
    "gaps": ([], "collection stood still"),
    "errors": (["shop|Deployment|broken", "shop|unknown|unknown"], 'broken-1 app: error: "0"\n at line 2'),
    "node-silence": (["silent-node"], "110 lines before"),
    "silence": ([], "nothing else is alerted on"),
    "dead-letters": ([], "mapper_parsing_exception"),
}


def test_every_monitor_is_tried_here() -> None:
    assert sorted(WANTED) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_a_monitor_alerts_on_what_is_bad(filled: Filled, key: str) -> None:
    names, said = WANTED[key]
    at = NOW + timedelta(days=2) if key == "silence" else NOW
    if key == "dead-letters":
        at = datetime.now(UTC)

    ran = filled.run(filled.bad, key, at)

    assert ran.alerting
    assert sorted(ran.names) == names
    assert said in ran.message["text"]
    assert (ran.message["cluster"], ran.message["alert"]) == (filled.bad.cluster, key)
    for name in names:
        assert f"Now: {name}" in ran.message["text"]
    assert "Look at: " in ran.message["text"]


def test_a_long_line_is_cut_in_a_message(filled: Filled) -> None:
    ran = filled.run(filled.bad, "errors", NOW)

    assert f"new-1 app: {'x' * 299}...\n" in ran.message["text"]
    assert len(ran.message["text"]) < 2000


@pytest.mark.parametrize("key", ["image-pull", "silence"])  # a server compiles no more than 75 messages in 5 minutes
def test_a_message_says_that_a_search_failed_and_nothing_else(filled: Filled, key: str) -> None:
    alert = next(alert for alert in alerts(filled.bad) if alert.key == key)
    source = {"text": text(filled.bad, alert), "subject": subject(filled.bad, alert)}
    context = {"results": [], "error": "SearchException: all shards failed"}

    answer = filled.client.request("POST", "/_render/template", {"source": source, "params": {"ctx": context}})

    told = answer["template_output"]
    assert "the monitor's search failed: SearchException: all shards failed\nBefore the first document" in told["text"]
    assert told["text"].count("Look at: ") == 1
    assert told["text"].startswith(f"Cluster {filled.bad.cluster}: {alert.title}\nThis can't be told, ")
    assert told["subject"] == f"{filled.bad.cluster}: {alert.title}? It can't be told"


@pytest.mark.parametrize("key", KEYS)
def test_a_monitor_says_nothing_of_a_cluster_that_is_well(filled: Filled, key: str) -> None:
    assert not filled.run(filled.healthy, key, NOW).alerting


@pytest.mark.parametrize("key", KEYS)
def test_a_monitor_works_where_there_is_no_index_yet(filled: Filled, key: str) -> None:
    other = pipeline(unique_name("none"), f"{filled.prefix}-other", rotate="never")

    assert filled.run(other, key, NOW).alerting == (key == "silence")
