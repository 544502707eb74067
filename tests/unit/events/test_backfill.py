"""The list: everything that the API server holds, less what OpenSearch has."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from prometheus_client import CollectorRegistry

from sidecar.config import loads
from sidecar.errors import JournalError, KubernetesError, KubernetesUnavailable, OpenSearchUnavailable, ResourceExpired
from sidecar.events import backfill as backfill_module
from sidecar.events.backfill import Backfill
from sidecar.events.intake import Intake
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.reader import Reader
from sidecar.events.record import Recorder
from sidecar.events.scope import Scope
from sidecar.kube import ApiServer, connect
from sidecar.kube.backoff import Backoff
from sidecar.kube.watching import Change
from tests.support.fakes.kubernetes import (
    FakeEvents,
    changes,
    event,
    failing,
    kubeconfig,
    line,
    listing,
    status_object,
    stream,
)
from tests.support.fakes.server import Script

RECORDER = Recorder(loads("cluster: c1\nopensearch: {url: http://localhost:9200}\n"))
END = {"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}}
STREAMS = "v1.35.0"


class Store:
    """An OpenSearch that has some ids; `down` says whether it doesn't answer, by how often it was asked."""

    def __init__(self, *ids: str, down: Callable[[int], bool] = lambda _asked: False) -> None:
        self.ids = ids
        self.down = down
        self.asked: list[list[tuple[str, str]]] = []

    def existing(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked.append(list(keys))
        if self.down(len(self.asked)):
            raise OpenSearchUnavailable("down")
        return [key in self.ids for _, key in keys]


class Listing:
    """A list of one server, into a journal of its own."""

    def __init__(self, folder: Path, api: ApiServer, store: Store, *, patience: float = 0, scope: Scope) -> None:
        self.registry = CollectorRegistry()
        self.journal = Journal(folder, cap=10**7)
        self.stopping = threading.Event()
        self.leading = True
        self.turns = 0
        self.over_at = -1
        metrics = EventMetrics(self.registry)
        intake = Intake(RECORDER, self.journal, metrics, leading=lambda: self.leading)
        self.backfill = Backfill(api, scope, intake, store, metrics, patience=patience, stopping=self.stopping)

    def run(self) -> bool:
        return self.backfill.run(self._over)

    def _over(self) -> bool:
        self.turns += 1
        return self.turns == self.over_at

    @property
    def journaled(self) -> list[str]:
        reader, found = Reader(self.journal), []
        while documents := reader.next().documents:
            found += [document.id.rpartition(".")[2] for document in documents]
            reader.done()
        return found

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"sidecar_events_{name}_total", labels) or 0


Make = Callable[..., Listing]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes a list of a server that is begun; everything ends with the test, and nobody waits long."""
    monkeypatch.setattr(backfill_module, "_ASK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(backfill_module, "Backoff", lambda: Backoff(first=0.01))
    with ExitStack() as stack:

        def make(server: FakeEvents, store: Store | None = None, **options: Any) -> Listing:
            stack.enter_context(server)
            api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
            stack.callback(api.close)
            scope = options.pop("scope", Scope())
            made = Listing(tmp_path / "journal", api, store or Store(), scope=scope, **options)
            stack.callback(made.journal.close)
            return made

        yield make


def tokens(server: FakeEvents) -> list[str | None]:
    return [query.get("continue") for query in server.asked(watch=False)]


# --- in pages


def test_page_by_page_what_opensearch_lacks_is_journaled(make: Make) -> None:
    pages = [listing([event(1), event(2)], 9, "b"), listing([event(3)], 9, "c"), listing([event(4), event(5)], 9)]
    store = Store("uid-e2.2", "uid-e3.3")
    run = make(server := FakeEvents(pages), store)
    assert run.run()
    assert run.journaled == ["1", "4", "5"]
    assert tokens(server) == [None, "b", "c"]
    index = "eks-kubernetes-events-2026.05.04"
    assert store.asked == [
        [(index, "uid-e1.1"), (index, "uid-e2.2")], [(index, "uid-e3.3")], [(index, "uid-e4.4"), (index, "uid-e5.5")]
    ]  # fmt: skip
    assert (run.count("received", source="list"), run.count("journaled")) == (5, 3)
    assert run.journal.position is None, "a list moves no position by itself"


def test_an_empty_cluster_is_listed_too(make: Make) -> None:
    run = make(FakeEvents([listing([], 9)]))
    assert run.run()
    assert run.journaled == []


def test_it_asks_for_what_is_in_scope(make: Make) -> None:
    scope = Scope("/api/v1/namespaces/pay/events", {"fieldSelector": "type!=Normal"})
    run = make(server := FakeEvents([listing([], 9, "b"), listing([], 9)]), scope=scope)
    assert run.run()
    asked = [request for request in server.requests if request.path != "/version"]
    assert {request.path for request in asked} == {"/api/v1/namespaces/pay/events"}
    assert [request.query["fieldSelector"] for request in asked] == ["type!=Normal"] * 2


def test_it_runs_again_from_the_beginning_when_it_is_called_again(make: Make) -> None:
    run = make(server := FakeEvents([listing([event(1)], 9, "b"), listing([event(2)], 9), listing([event(3)], 12)]))
    assert run.run()
    assert run.run()
    assert tokens(server) == [None, "b", None]
    assert run.journaled == ["1", "2", "3"]


def test_a_410_with_a_token_goes_on_at_a_later_state(make: Make) -> None:
    lists = [
        listing([event(1)], 9, "b"),
        failing(410, token="b2"),
        listing([event(2)], 20, "c"),
        listing([event(3)], 20),
    ]
    run = make(server := FakeEvents(lists))
    assert run.run()
    assert tokens(server) == [None, "b", "b2", "c"]
    assert run.journaled == ["1", "2", "3"]


def test_a_410_without_a_token_begins_again(make: Make) -> None:
    lists = [listing([event(1)], 9, "b"), failing(410), listing([event(1), event(2)], 20)]
    run = make(server := FakeEvents(lists), Store())
    assert run.run()
    assert tokens(server) == [None, "b", None]
    assert run.journaled == ["1", "1", "2"]


@pytest.mark.parametrize("step", [failing(500), failing(429), failing(403)])
def test_a_page_that_fails_is_asked_for_again_and_not_those_before(make: Make, step: Script) -> None:
    lists = [listing([event(1)], 9, "b"), step, step, listing([event(2)], 9)]
    run = make(server := FakeEvents(lists))
    assert run.run()
    assert tokens(server) == [None, "b", "b", "b"]
    assert run.journaled == ["1", "2"]
    assert run.count("errors", link="kubernetes") == 2


# --- as a stream


def streamed(*steps: Script) -> FakeEvents:
    return FakeEvents([listing([], 9)], steps, version=STREAMS)


def test_a_stream_is_taken_in_parts_of_bounded_size(make: Make) -> None:
    chunks = [line(event(number)) for number in range(1200)] + [line(END, "BOOKMARK")]
    store = Store("uid-e7.7")
    run = make(server := streamed(stream(b"".join(chunks[:600]), b"".join(chunks[600:]))), store)
    assert run.run()
    assert run.journaled == [str(number) for number in range(1200) if number != 7]
    assert server.asked(watch=False) == []
    assert len(store.asked) >= 2
    assert run.count("received", source="list") == 1200
    (query,) = server.asked(watch=True)
    assert query["sendInitialEvents"] == "true"


def test_the_end_of_a_streamed_list_ends_it_although_the_watch_goes_on(make: Make) -> None:
    run = make(streamed(stream(line(event(1)), line(END, "BOOKMARK"), then="hang")))
    assert run.run()
    assert run.journaled == ["1"]


def test_an_empty_streamed_list(make: Make) -> None:
    store = Store()
    run = make(streamed(stream(line(END, "BOOKMARK"))), store)
    assert run.run()
    assert (run.journaled, store.asked) == ([], [])


@pytest.mark.parametrize("then", ["cut", "end"])
def test_after_a_stream_without_its_end_it_lists_in_pages(make: Make, then: str) -> None:
    server = FakeEvents([listing([event(1)], 9)], [stream(line(event(1)), then=then)], version=STREAMS)
    run = make(server)
    assert run.run()
    assert run.journaled[-1] == "1"
    assert (len(server.asked(watch=True)), len(server.asked(watch=False))) == (1, 1)


@pytest.mark.parametrize("code", [400, 403, 422])
def test_a_server_that_refuses_to_stream_is_listed_in_pages_from_then_on(make: Make, code: int) -> None:
    server = FakeEvents([listing([event(1)], 9)], [failing(code, "sendInitialEvents is forbidden")], version=STREAMS)
    run = make(server)
    assert run.run()
    assert run.run()
    assert run.journaled == ["1", "1"]
    assert (len(server.asked(watch=True)), len(server.asked(watch=False))) == (1, 2)
    assert run.count("errors", link="kubernetes") == 0


def test_a_410_within_a_stream_begins_again(make: Make) -> None:
    gone = stream(line(event(1)) + line(status_object(410), "ERROR"))
    run = make(streamed(gone, stream(line(event(2)) + line(END, "BOOKMARK"))))
    assert run.run()
    assert run.journaled[-1] == "2"


def test_an_older_server_is_never_asked_to_stream(make: Make) -> None:
    run = make(server := FakeEvents([listing([event(1)], 9)], [changes()], version="v1.31.9"))
    assert run.run()
    assert server.asked(watch=True) == []


# --- OpenSearch can't tell


PAGES = [listing([event(1)], 9, "b"), listing([event(2)], 9, "c"), listing([event(3)], 9)]


def test_without_patience_all_is_journaled_and_opensearch_asked_once_a_list(make: Make) -> None:
    store = Store("uid-e1.1", down=lambda _asked: True)
    run = make(FakeEvents([*PAGES, *PAGES]), store)
    assert run.run()
    assert len(store.asked) == 1
    assert run.run()
    assert len(store.asked) == 2
    assert run.journaled == ["1", "2", "3"] * 2


def test_with_patience_it_waits_for_an_answer_and_journals_nothing_meanwhile(make: Make) -> None:
    store = Store("uid-e1.1", "uid-e3.3", down=lambda asked: asked < 5)
    run = make(server := FakeEvents(list(PAGES)), store, patience=60)
    run.over_at = 3
    assert not run.run()
    assert (len(tokens(server)), run.journaled) == (1, []), "ended while it waited"
    run.over_at = -1
    server.lists[:] = PAGES
    assert run.run()
    assert run.journaled == ["2"]


def test_patience_ends(make: Make) -> None:
    store = Store("uid-e1.1", down=lambda _asked: True)
    run = make(FakeEvents(list(PAGES)), store, patience=0.1)
    began = time.monotonic()
    assert run.run()
    assert 0.1 <= time.monotonic() - began < 2
    assert len(store.asked) > 2
    assert run.journaled == ["1", "2", "3"]


# --- its end


def test_a_list_that_is_over_asks_for_no_other_page(make: Make) -> None:
    run = make(server := FakeEvents(list(PAGES)))
    run.over_at = 2
    assert not run.run()
    assert tokens(server) == [None]
    assert run.journaled == ["1"]


def test_whoever_leads_no_longer_lists_no_further(make: Make) -> None:
    run = make(server := FakeEvents(list(PAGES)))
    run.leading = False
    assert not run.run()
    assert tokens(server) == [None]
    assert run.journaled == []


@pytest.mark.parametrize("step", [failing(500), failing(410)])
def test_it_stops_while_the_api_server_fails(make: Make, monkeypatch: pytest.MonkeyPatch, step: Script) -> None:
    monkeypatch.setattr(backfill_module, "Backoff", lambda: Backoff(first=30))
    run = make(FakeEvents([step]))
    threading.Timer(0.1, run.stopping.set).start()
    began = time.monotonic()
    assert not run.run()
    assert time.monotonic() - began < 2


def test_it_stops_while_it_waits_for_opensearch(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill_module, "_ASK_AGAIN_SECONDS", 30)
    run = make(FakeEvents(list(PAGES)), Store(down=lambda _asked: True), patience=60)
    threading.Timer(0.1, run.stopping.set).start()
    began = time.monotonic()
    assert not run.run()
    assert time.monotonic() - began < 2
    assert run.journaled == []


def test_one_that_is_stopped_before_it_begins_asks_nothing(make: Make) -> None:
    run = make(server := FakeEvents(list(PAGES)))
    run.stopping.set()
    assert not run.run()
    assert server.requests == []


def test_a_journal_that_fails_is_for_the_caller(make: Make) -> None:
    run = make(FakeEvents(list(PAGES)))
    run.journal._lost = True
    with pytest.raises(JournalError):
        run.run()


# --- whatever the server answers


class Model:
    """Pages and streams of a cluster that changes, from a server that fails at random."""

    url = "http://model"

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.streams = chance.random() < 0.5
        self.faults = chance.randrange(12)
        self.version = 100
        self.held = {f"e{number}": number for number in range(1, chance.randrange(2, 40))}
        self.always = set(self.held)

    def get(self, path: str, params: Mapping[str, str | int] | None = None, **_options: Any) -> dict[str, Any]:
        if path == "/version":
            return {"major": "1", "minor": "35" if self.streams else "31"}
        self._change()
        query = dict(params or {})
        state, _, after = str(query.get("continue", f"{self.version}/")).partition("/")
        self._fail(ResourceExpired("gone", token=f"{self.version}/{after}" if self.chance.random() < 0.5 else ""))
        names = sorted(name for name in self.held if name > after)
        size = self.chance.randrange(1, 8)
        token = f"{state}/{names[size - 1]}" if len(names) > size else ""
        items = [event(self.held[name], name) for name in names[:size]]
        return {"metadata": {"resourceVersion": state, "continue": token}, "items": items}

    def watch(self, *_arguments: Any, **_options: Any) -> Any:
        self._change()
        self._fail(KubernetesError("no streams here"))
        items = [line(event(version, name)) for name, version in self.held.items()]
        cut = self.chance.randrange(len(items) + 1) if self._faulty() else None
        data = [*items, line(END, "BOOKMARK")] if cut is None else items[:cut]
        return _Streamed(data)

    def _change(self) -> None:
        """Events come, go and change between two requests; those of `always` stay, in some version."""
        self.version += 1
        name = self.chance.choice([*self.always, "new"])
        self.held[f"{name}{self.version}" if name == "new" else name] = self.version

    def _faulty(self) -> bool:
        if self.faults and self.chance.random() < 0.5:
            self.faults -= 1
            return True
        return False

    def _fail(self, error: KubernetesError) -> None:
        if self._faulty():
            raise self.chance.choice([error, KubernetesUnavailable("busy")])


class _Streamed:
    def __init__(self, lines: list[bytes]) -> None:
        found = [orjson.loads(text) for text in lines]
        self._changes = [Change(item["type"], item["object"]) for item in found]

    def __enter__(self) -> Iterator[list[Change]]:
        return iter([self._changes])

    def __exit__(self, *_error: object) -> None:
        """It has no connection."""


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_server_answers_all_that_was_there_all_the_time_is_journaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    model = Model(chance)
    monkeypatch.setattr(backfill_module, "Backoff", lambda: Backoff(first=0))
    monkeypatch.setattr(backfill_module, "Watch", model.watch)
    before = dict(model.held)
    stored = {f"uid-{name}.{version}" for name, version in before.items() if chance.random() < 0.3}
    run = Listing(tmp_path, cast("ApiServer", model), Store(*stored), scope=Scope())
    assert run.run()
    ids = [document.id for document in Reader(run.journal, lines=10**6).next().documents]
    run.journal.close()
    seen: dict[str, int] = {}
    for key in [*ids, *stored]:
        name, _, version = key.removeprefix("uid-").partition(".")
        seen[name] = max(seen.get(name, 0), int(version))
    late = {name for name, version in before.items() if seen.get(name, -1) < version}
    assert late == set()
    assert not stored & set(ids)
