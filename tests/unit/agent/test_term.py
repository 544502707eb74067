"""A term of leading: from where it goes on, and that nothing is written after its end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sidecar.agent.term import Term
from sidecar.config import loads
from sidecar.errors import OpenSearchError
from sidecar.events.following import Position, number
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.reader import Reader
from sidecar.kube import ApiServer, connect
from sidecar.opensearch import connect as connect_opensearch
from tests.support.fakes.kubernetes import FakeEvents, changes, event, kubeconfig, line, listing
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import Exchange, Script, says
from tests.support.waiting import wait_until

METRICS = EventMetrics(CollectorRegistry())
HEAD = "cluster: c1\nopensearch: {{url: {url}}}\n"


class Terms:
    """Makes terms over one journal, against fakes of both servers."""

    def __init__(self, folder: Path, server: FakeEvents, search: FakeOpenSearch, more: str = "") -> None:
        self.search = search
        self.config = loads(HEAD.format(url=search.url) + more)
        self.folder = folder
        self.journal = Journal(folder / "events", cap=10**7)
        self.api = connect(kubeconfig=kubeconfig(folder, server.url))
        self.metrics = EventMetrics(CollectorRegistry())
        self.client = connect_opensearch(self.config)
        self.leading = True
        self.bugs: list[Exception] = []

    def make(self, before: Position | None = None, *, idle: bool = False) -> Term:
        """A term; an idle one doesn't collect."""
        return Term(
            self.config, self.api, self.journal, self.client, self.metrics, knowledge=None,
            leading=lambda: self.leading, before=before, guarded=self._idle if idle else self._guarded,
        )  # fmt: skip

    @staticmethod
    def _idle(_name: str, _part: Callable[[], None]) -> None:
        """Nothing."""

    def _guarded(self, _name: str, part: Callable[[], None]) -> None:
        try:
            part()
        except Exception as error:  # noqa: BLE001 - the test's thread has to see it
            self.bugs.append(error)

    @property
    def journaled(self) -> list[str]:
        lines = b"".join(path.read_bytes() for path in self.journal.segments()).splitlines()
        return [orjson.loads(text)["id"] for text in lines]

    def confirmed(self) -> Position | None:
        return self.journal.confirmed

    def close(self) -> None:
        self.api.close()
        self.client.close()
        self.journal.close()
        assert self.bugs == []


@pytest.fixture
def terms(tmp_path: Path) -> Iterator[Callable[..., Terms]]:
    with ExitStack() as stack:

        def make(server: FakeEvents, **options: Any) -> Terms:
            search = stack.enter_context(FakeOpenSearch())
            made = Terms(tmp_path, stack.enter_context(server), search, **options)
            stack.callback(made.close)
            return made

        yield make


POSITIONS = st.none() | st.builds(
    Position, st.integers(0, 200).map(str) | st.sampled_from(["", "x", "-5", "9" * 30]), st.floats(1, 1.7e9)
)


class FakeJournal:
    """The little of a journal that matters before anything is collected."""

    size = 0
    position: Position | None = None

    def forget_positions(self) -> None:
        """There are none."""


@given(POSITIONS, POSITIONS)
def test_it_goes_on_from_the_later_of_its_own_journal_and_the_last_leader(
    own: Position | None, before: Position | None
) -> None:
    journal = FakeJournal()
    journal.position = own
    config = loads(HEAD.format(url="http://127.0.0.1:9"))  # nobody tells the newest Event
    api = cast("ApiServer", SimpleNamespace(time=lambda: 1.8e9))
    term = Term(
        config, api, cast("Journal", journal), connect_opensearch(config), METRICS, knowledge=None,
        leading=lambda: True, before=before, guarded=Terms._idle,
    )  # fmt: skip
    found = term._position()
    known = [position for position in (own, before) if position is not None]
    if not known:
        assert found is None
        return
    assert found in known
    assert found is not None
    assert all(number(found.resource_version) >= number(position.resource_version) for position in known)
    versions = {number(position.resource_version) for position in known}
    assert len(versions) > 1 or found.time == max(position.time for position in known)


@pytest.mark.parametrize(("own", "before", "asked"), [(None, "5", "5"), ("7", "5", "7"), ("5", "7", "7")])
def test_the_watch_begins_there(
    terms: Callable[..., Terms], tmp_path: Path, own: str | None, before: str, asked: str
) -> None:
    if own:
        (tmp_path / "events").mkdir()
        text = orjson.dumps({"resourceVersion": own, "time": time.time()})
        (tmp_path / "events" / "position.json").write_bytes(text)
    server = FakeEvents([listing([], 9)], [changes(event(8))])
    run = terms(server)
    term = run.make(Position(before, time.time()))
    wait_until(lambda: run.journaled, 4, "the event is journaled")
    assert server.asked(watch=True)[0]["resourceVersion"] == asked
    term.end()


def made_at(created: Any) -> dict[str, Any]:
    return {"hits": {"hits": [{"_source": {"kind": "Event", "metadata": {"creationTimestamp": created}}}]}}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (says(200, made_at("2026-05-04T10:00:00Z")), Position("", 1_777_888_800.0)),
        (says(200, made_at("soon")), None),
        (says(200, made_at(None)), None),
        (says(200, {"hits": {"hits": [{"_source": {"metadata": "x"}}]}}), None),
        (says(200, {"hits": {"hits": []}}), None),
    ],
)
def test_where_both_are_lost_the_newest_event_in_opensearch_tells_when(
    terms: Callable[..., Terms], answer: Script, found: Position | None
) -> None:
    run = terms(FakeEvents([listing([], 9)]))
    term = run.make(idle=True)
    run.search.script = [answer]
    assert term._position() is None
    assert term._last_event() == found
    (request,) = run.search.requests
    assert request.path == "/eks-kubernetes-events-*/_search"
    query = orjson.loads(request.body)["query"]["bool"]
    assert query == {"filter": {"term": {"cluster": "c1"}}, "must_not": {"term": {"kind": "EventGap"}}}


@pytest.mark.parametrize(
    "answer", [says(503, {}), says(403, {}), says(200, {}), says(200, {"hits": 7}), says(200, {"hits": {"hits": [{}]}})]
)
def test_an_opensearch_that_does_not_tell_is_no_answer(terms: Callable[..., Terms], answer: Script) -> None:
    run = terms(FakeEvents([listing([], 9)]))
    term = run.make(idle=True)
    run.search.script = [answer]
    with pytest.raises(OpenSearchError):
        term._last_event()


@pytest.mark.parametrize("time_", [float("nan"), float("inf"), -5.0, 1e30, 4e9])
def test_a_time_that_can_not_be_is_unknown(terms: Callable[..., Terms], time_: float) -> None:
    position = terms(FakeEvents([listing([], 9)])).make(Position("5", time_), idle=True)._position()
    assert position == Position("5", 0.0)


def test_what_was_confirmed_in_an_earlier_term_is_not_told_in_a_later_one(terms: Callable[..., Terms]) -> None:
    run = terms(FakeEvents([listing([], 9)]))
    run.make(idle=True)
    reader = Reader(run.journal)
    run.journal.append([b'{"id":"1","index":"i"}\n'], position=Position("5", 1.0))
    assert reader.next().documents
    run.journal.append([b'{"id":"2","index":"i"}\n'], position=Position("6", 1.0))
    reader.done()
    assert run.confirmed() == Position("5", 1.0)
    run.make(Position("700", 9.0), idle=True)
    assert run.confirmed() is None
    assert reader.next().documents
    reader.done()
    assert run.confirmed() is None, "nor what was still waiting then"


def test_a_list_waits_for_opensearch_where_events_wait_already(terms: Callable[..., Terms]) -> None:
    run = terms(FakeEvents([listing([], 9)], [changes()]), more="events: {apiTTL: 2h}\n")
    assert run.make(idle=True).collector._backfill._patience == 0
    run.journal.append([line(event(1))])
    assert run.make(idle=True).collector._backfill._patience == 1800


def test_what_is_not_to_go_out_is_left_out_by_the_server_and_here(terms: Callable[..., Terms]) -> None:
    server = FakeEvents(
        [listing([event(1), event(2, type="Warning", reason="Bx"), event(3, type="Warning")], 9)], [changes()]
    )
    run = terms(server, more="events: {include: {types: [Warning]}, exclude: {reasons: ['B*']}}\n")
    term = run.make()
    wait_until(lambda: run.journaled, 4, "the event is journaled")
    term.end()
    assert run.journaled == ["uid-e3.3"]
    queries = [*server.asked(watch=True), *server.asked(watch=False)]
    assert {query["fieldSelector"] for query in queries} == {"type=Warning"}


def test_what_opensearch_has_is_not_journaled_again(tmp_path: Path) -> None:
    server = FakeEvents([listing([event(1), event(2)], 9)], [changes()])
    with server, FakeOpenSearch() as search:
        search.documents["eks-kubernetes-events-2026.05.04", "uid-e1.1"] = {}
        run = Terms(tmp_path, server, search)
        term = run.make()
        wait_until(lambda: run.journaled, 4, "the event is journaled")
        term.end()
        assert run.journaled == ["uid-e2.2"]
        run.close()


def test_it_ends_soon_also_while_a_list_hangs_and_writes_nothing_after_it(terms: Callable[..., Terms]) -> None:
    answered = threading.Event()

    def late(exchange: Exchange) -> None:
        answered.wait(10)
        listing([event(3)], 9)(exchange)

    server = FakeEvents([late], [changes(event(10))])
    server.heads = [listing([], 9)]
    run = terms(server)
    term = run.make()
    wait_until(lambda: run.journaled == ["uid-e10.10"], 4, "the watch goes on beside it")
    began = time.monotonic()
    term.end()
    assert time.monotonic() - began < 2
    answered.set()
    term._thread.join(5)
    assert not term._thread.is_alive()
    assert run.journaled == ["uid-e10.10"]


def test_who_leads_no_longer_writes_nothing_although_nobody_has_ended_the_term_yet(
    terms: Callable[..., Terms],
) -> None:
    lead = threading.Event()

    def slow(exchange: Exchange) -> None:
        exchange.start_stream()
        exchange.chunk(line(event(10)))
        lead.wait(10)
        exchange.chunk(line(event(11)))
        exchange.hang()

    server = FakeEvents([listing([], 9)], [slow, changes()])
    run = terms(server)
    term = run.make()
    wait_until(lambda: run.journaled == ["uid-e10.10"], 4, "the first event is journaled")
    run.leading = False
    lead.set()
    wait_until(lambda: len(server.asked(watch=True)) == 2, 4, "the watch begins anew")
    assert server.asked(watch=True)[1]["resourceVersion"] == "10", "the second event was not taken for written"
    term.end()
    assert run.journaled == ["uid-e10.10"]


def test_one_term_after_another_in_the_same_process(terms: Callable[..., Terms]) -> None:
    server = FakeEvents([listing([], 9)], [changes(event(10)), changes(event(11))])
    server.heads = [listing([], 9), listing([], 20)]
    run = terms(server)
    first = run.make()
    wait_until(lambda: run.journaled == ["uid-e10.10"], 4, "the first event is journaled")
    first.end()
    run.journal.commit()
    second = run.make(Position("4", 1.0))
    wait_until(lambda: run.journaled == ["uid-e10.10", "uid-e11.11"], 4, "the second event is journaled")
    assert server.asked(watch=True)[1]["resourceVersion"] in {"9", "10"}, "9 where its list was not done"
    second.end()
