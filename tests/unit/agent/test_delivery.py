"""Delivery: its parts, and when another sidecar had better try."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from sidecar.agent import delivery as delivery_module
from sidecar.agent.delivery import Delivery
from sidecar.agent.node import Node  # noqa: TC001 - as the others, which are used
from sidecar.config import loads
from sidecar.errors import JournalError, SidecarError
from sidecar.events.confirm import Confirmer
from sidecar.events.following import Position
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.kube.backoff import Backoff
from sidecar.opensearch import Documents, connect
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import Script, says
from tests.support.managing import put_in_place
from tests.support.waiting import free_port, wait_until

LINE = b'{"id":"1","index":"i"}\n'


class Clock:
    """Monotonic seconds that a test sets, and today."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    @staticmethod
    def gmtime() -> None:
        """Whatever `strftime` wants."""

    @staticmethod
    def strftime(_form: str, _moment: None) -> str:
        return "2026-11-22T"


class FakeNode:
    """Fluent Bit's files; `failures` are raised by the next attempts to open."""

    def __init__(self) -> None:
        self.failures: list[SidecarError] = []
        self.opened = threading.Event()

    def open(self, *, starting: bool) -> bool:  # noqa: ARG002 - as the node's
        if self.failures:
            raise self.failures.pop(0)
        was_open = self.opened.is_set()
        self.opened.set()
        return not was_open


class Shipping:
    """A delivery to an OpenSearch."""

    def __init__(self, folder: Path, url: str, clock: Clock, more: str = "") -> None:
        self.config = loads(f"cluster: c1\nopensearch: {{url: {url}{more}}}\n")
        self.clock = clock
        self.registry = CollectorRegistry()
        self.journal = Journal(folder / "events", cap=10**6)
        self.client = connect(self.config)
        self.node = FakeNode()
        self.stopping = threading.Event()
        self.prepared = threading.Event()
        metrics = EventMetrics(self.registry)
        self.confirmer = Confirmer(
            self.config, self.journal, Documents(self.client), metrics, grace=0, clock=clock.monotonic
        )
        self.delivery = Delivery(
            self.config, self.client, self.journal, confirmer=self.confirmer, node=cast("Node", self.node),
            metrics=metrics, registry=self.registry, stopping=self.stopping, prepared=self.prepared,
        )  # fmt: skip

    def put_templates(self) -> None:
        """What the leader does."""
        put_in_place(self.client, self.config)

    @contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """Some of the parts, each in a thread as the agent runs them; they end within a second."""
        parts = dict(self.delivery.parts)
        threads = [threading.Thread(target=parts[name], name=name) for name in names or parts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join(1)
            assert [thread.name for thread in threads if thread.is_alive()] == []

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"sidecar_{name}", labels)


Make = Callable[..., Shipping]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    clock = Clock()
    monkeypatch.setattr(delivery_module, "time", SimpleNamespace(
        monotonic=clock.monotonic, gmtime=clock.gmtime, strftime=clock.strftime
    ))  # fmt: skip
    monkeypatch.setattr(delivery_module, "_COMMIT_SECONDS", 0.005)
    monkeypatch.setattr(delivery_module, "Backoff", lambda **_more: Backoff(first=0.01, most=0.01))
    made: list[Shipping] = []

    def make(search: FakeOpenSearch | None, more: str = "") -> Shipping:
        url = search.url if search else f"http://127.0.0.1:{free_port()}"
        made.append(Shipping(tmp_path, url, clock, more))
        return made[-1]

    yield make
    for shipping in made:
        shipping.client.close()
        shipping.journal.close()


@pytest.fixture
def search() -> Iterator[FakeOpenSearch]:
    with FakeOpenSearch() as server:
        yield server


# --- the parts


def test_the_parts_bring_an_event_to_opensearch_once_the_templates_are_there(
    make: Make, search: FakeOpenSearch
) -> None:
    shipping = make(search)
    assert [name for name, _ in shipping.delivery.parts] == ["commit", "templates", "confirm"]
    shipping.journal.append([LINE])
    assert shipping.metric("templates_in_place") == 0
    with shipping.running():
        wait_until(lambda: len(search.requests) > 4, 4, "it looks for them")
        assert search.documents == {}
        shipping.put_templates()
        wait_until(lambda: search.documents, 4, "the event arrives")
        assert shipping.node.opened.wait(4)
    paths = [(request.method, request.path) for request in search.requests]
    first_event, last_template = paths.index(("POST", "/_mget")), max(
        place for place, (method, path) in enumerate(paths) if "_template/" in path and method == "PUT"
    )  # fmt: skip
    assert last_template < first_event
    assert search.documents == {("i", "1"): {"id": "1", "index": "i"}}
    assert shipping.metric("templates_in_place") == 1
    assert shipping.metric("fluent_bit_open_total", result="done") == 1


def test_what_is_appended_is_committed_soon(make: Make, search: FakeOpenSearch) -> None:
    shipping = make(search)
    with shipping.running("commit"):
        shipping.journal.append([LINE], position=Position("7", 1.0))
        wait_until(lambda: shipping.journal.position, 4, "the position is on disk")


def test_nothing_is_sent_while_it_can_not_be_told_whether_the_templates_are_there(
    make: Make, search: FakeOpenSearch
) -> None:
    shipping = make(search)
    shipping.put_templates()
    before = len(search.requests)
    search.script = [says(503, {}), says(403, {}), says(200, b"<html>")]
    shipping.journal.append([LINE])
    with shipping.running():
        wait_until(lambda: search.documents, 4, "the event arrives")
    first = search.requests[before : before + 4]
    assert [request.path for request in first] == ["/_component_template/fluent-sidecar-*"] * 4


def test_who_put_the_templates_itself_does_not_wait_to_look_again(
    make: Make, search: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "Backoff", lambda **_more: Backoff(first=3600, most=3600))
    shipping = make(search)
    with shipping.running("templates"):
        wait_until(lambda: search.requests, 4, "it looks for them")
        shipping.put_templates()
        shipping.prepared.set()
        assert shipping.node.opened.wait(4)


def test_templates_of_another_version_will_do_after_a_minute(make: Make, search: FakeOpenSearch) -> None:
    shipping = make(search)
    shipping.put_templates()
    name = next(iter(search.templates))
    search.templates[name] = search.templates[name] | {"_meta": search.templates[name]["_meta"] | {"hash": "old"}}
    with shipping.running("templates"):
        shipping.clock.now += 59
        seen = len(search.requests)
        wait_until(lambda: len(search.requests) > seen + 6, 4, "it looks again")
        assert not shipping.node.opened.is_set()
        shipping.clock.now += 2
        assert shipping.node.opened.wait(4)
    assert shipping.metric("templates_in_place") == 0


def test_a_template_that_lacks_is_waited_for_without_end(
    make: Make, search: FakeOpenSearch, caplog: pytest.LogCaptureFixture
) -> None:
    shipping = make(search)
    shipping.put_templates()
    search.templates.popitem()
    with shipping.running("templates"):
        shipping.clock.now += 10**6
        seen = len(search.requests)
        wait_until(lambda: len(search.requests) > seen + 6, 4, "it looks again")
        assert not shipping.node.opened.is_set()
    told = [record.getMessage() for record in caplog.records if "nothing is sent yet" in record.getMessage()]
    assert len(told) == 1
    assert told[0].endswith("lacks the index templates, or has older ones (the sidecar that leads puts them in place)")


def test_confirmation_does_not_wait_for_a_fluent_bit_that_does_not_reload(make: Make, search: FakeOpenSearch) -> None:
    shipping = make(search)
    shipping.put_templates()
    shipping.node.failures = [SidecarError("it does not reload")] * 10**6
    shipping.journal.append([LINE])
    with shipping.running():
        wait_until(lambda: search.documents, 4, "the event arrives")
        wait_until(lambda: (shipping.metric("fluent_bit_open_total", result="failed") or 0) > 2, 4, "it is tried again")
        shipping.node.failures = []
        assert shipping.node.opened.wait(4)


def test_templates_are_only_looked_for(make: Make, search: FakeOpenSearch) -> None:
    shipping = make(search, ", manage: false")
    with shipping.running("templates"):
        wait_until(lambda: len(search.requests) > 6, 4, "it looks again")
    assert {request.method for request in search.requests} == {"GET"}


def test_templates_that_nobody_puts_for_a_minute_are_a_want(make: Make, search: FakeOpenSearch) -> None:
    shipping = make(search)
    with shipping.running("templates"):
        wait_until(lambda: len(search.requests) > 2, 4, "they are found to lack")
        assert not shipping.delivery.starved
        shipping.clock.now += 61
        wait_until(lambda: shipping.delivery.starved, 4, "somebody must put them")
        shipping.put_templates()
        assert shipping.node.opened.wait(4)
        assert not shipping.delivery.starved


def test_templates_that_go_later_are_missed_and_hold_nothing_back(
    make: Make, search: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(delivery_module, "_FOLLOW_SECONDS", 0.01)
    shipping = make(search)
    shipping.put_templates()
    with shipping.running("templates"):
        assert shipping.node.opened.wait(4)
        shipping.clock.now += 31
        there = dict(search.templates)
        search.templates.popitem()
        shipping.clock.now += 31
        wait_until(lambda: shipping.metric("templates_in_place") == 0, 4, "it is noticed")
        assert shipping.delivery.lacking_at is not None
        assert shipping.delivery.able(), "what is open stays open"
        search.templates.update(there)
        shipping.clock.now += 11
        wait_until(lambda: shipping.metric("templates_in_place") == 1, 4, "they are there again")
        wait_until(lambda: shipping.delivery.lacking_at is None, 4, "nothing lacks")
        search.script = [says(503, {"error": "busy"})] * 2
        asked = len(search.requests)
        shipping.clock.now += 31
        wait_until(lambda: len(search.requests) > asked, 4, "a server that is busy is asked")
        assert shipping.metric("templates_in_place") == 1
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "are gone" in text]) == len([text for text in told if "again" in text]) == 1


def test_an_opensearch_that_is_away_wants_no_template(make: Make) -> None:
    shipping = make(None)
    with shipping.running("templates"):
        shipping.clock.now += 10**6
        wait_until(lambda: shipping.client.requests > 2, 4, "it is asked")
        assert not shipping.delivery.starved


def test_what_changes_later_reaches_fluent_bit_and_a_failure_ends_nothing(
    make: Make, search: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery_module, "_FOLLOW_SECONDS", 0.01)
    shipping = make(search)
    shipping.put_templates()
    with shipping.running("templates"):
        assert shipping.node.opened.wait(4)
        shipping.node.failures = [SidecarError("it does not reload")]
        wait_until(lambda: shipping.metric("fluent_bit_open_total", result="failed"), 4, "the failure is counted")
        shipping.node.opened.clear()  # as after a new password
        wait_until(lambda: shipping.metric("fluent_bit_open_total", result="done") == 2, 4, "it is taken over")
    assert "Fluent Bit goes on with what it had" in caplog.text


def test_a_fluent_bit_that_does_not_reload_is_asked_less_and_less_often(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery_module, "_FOLLOW_SECONDS", 0.01)
    shipping = make(None)
    monkeypatch.setattr(delivery_module, "Backoff", lambda **_more: Backoff(first=0.01, most=10.0))
    shipping.node.failures = [SidecarError("it does not reload")] * 4
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) > 6

    monkeypatch.setattr(shipping.stopping, "wait", wait)
    shipping.delivery._follow()
    assert waits[0] == waits[5] == waits[6] == 0.01
    assert 0.04 <= waits[4] <= 0.08, "the fourth failure's"
    assert caplog.text.count("next attempt in") == 4


# --- trouble


@pytest.fixture
def prepared(make: Make, search: FakeOpenSearch) -> Shipping:
    """One whose templates are in place."""
    shipping = make(search)
    shipping.put_templates()
    with shipping.running("templates"):
        assert shipping.node.opened.wait(4)
    shipping.stopping.clear()
    return shipping


def test_all_well_is_no_trouble_however_long(prepared: Shipping) -> None:
    prepared.clock.now += 10**6
    assert prepared.delivery.trouble() == ""
    assert prepared.delivery.able()


def test_a_journal_that_can_not_be_committed_is_trouble_after_10_seconds_and_until_it_can(
    prepared: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = threading.Semaphore(0)

    def fails() -> None:
        tries.release()
        raise JournalError("no disk")

    monkeypatch.setattr(prepared.journal, "commit", fails)
    with prepared.running("commit"):
        for _ in range(3):
            assert tries.acquire(timeout=4)
        assert prepared.delivery.trouble() == ""
        prepared.clock.now += 9.9
        assert prepared.delivery.trouble() == ""
        prepared.clock.now += 0.2
        assert prepared.delivery.trouble() == "the journal can't be written"
        assert not prepared.delivery.able()
        monkeypatch.undo()
        wait_until(lambda: prepared.delivery.trouble() == "", 4, "it can be written again")
        assert prepared.delivery.able()


def test_an_opensearch_that_takes_nothing_is_trouble_after_30_seconds_and_until_it_does(
    prepared: Shipping, search: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.events.confirm.Backoff", lambda **_more: Backoff(first=0.01, most=0.01))
    search.script = [says(503, {})] * 10**6
    prepared.journal.append([LINE])
    with prepared.running("confirm"):
        wait_until(lambda: len(search.script) < 10**6 - 3, 4, "it is tried")
        prepared.clock.now += 29.9
        assert prepared.delivery.trouble() == ""
        prepared.clock.now += 0.2
        assert prepared.delivery.trouble() == "OpenSearch takes nothing"
        assert not prepared.delivery.able()
        search.script = []
        wait_until(lambda: prepared.delivery.trouble() == "", 4, "the event arrives")
        assert search.documents
        assert prepared.delivery.able()


def test_without_templates_it_is_trouble_only_where_something_waits(make: Make) -> None:
    shipping = make(None)
    shipping.clock.now += 3600
    assert shipping.delivery.trouble() == "", "a follower has nothing to deliver"
    shipping.journal.append([LINE])
    assert shipping.delivery.trouble() == "OpenSearch takes nothing"


def test_without_templates_what_waits_is_told_by_the_metrics(make: Make) -> None:
    shipping = make(None)
    shipping.journal.append([LINE])
    shipping.clock.now += 77
    with shipping.running("confirm"):
        wait_until(lambda: shipping.metric("events_oldest_unconfirmed_seconds") == 77, 4, "the wait is told")
        assert shipping.metric("events_journal_bytes") == len(LINE)


# --- able


def test_one_without_templates_is_not_able_to_deliver(make: Make, search: FakeOpenSearch) -> None:
    assert not make(search).delivery.able()


@pytest.mark.parametrize("step", [says(503, {}), says(429, {}), says(401, {}), says(403, {}), says(200, b"<html>")])
def test_whether_it_is_able_is_asked_anew_each_time(prepared: Shipping, search: FakeOpenSearch, step: Script) -> None:
    assert prepared.delivery.able()
    search.script = [step]
    assert not prepared.delivery.able()
    assert prepared.delivery.able()
    body: Any = search.requests[-1].body
    assert b'"eks-kubernetes-events-2026.11.22"' in body
