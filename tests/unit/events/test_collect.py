import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import orjson
import pytest
from prometheus_client import CollectorRegistry

from sidecar.config import loads
from sidecar.errors import OpenSearchUnavailable
from sidecar.events import backfill, collect, probe
from sidecar.events.following import Position
from sidecar.events.journal import Journal
from sidecar.events.probe import Probe
from sidecar.kube import body, connect
from sidecar.kube.backoff import Backoff
from tests.support.collecting import make_collector
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
from tests.support.fakes.server import Exchange, Script, says
from tests.support.waiting import wait_until

CONFIG = loads("cluster: c1\nopensearch: {url: http://localhost:9200}\n")


class Known:
    """What OpenSearch has already, by id; `down` makes it unreachable."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)
        self.down = False
        self.asked = 0

    def existing(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked += 1
        if self.down:
            raise OpenSearchUnavailable("down")
        return [key in self.ids for _, key in keys]


class Collecting:
    """A collector that runs in a thread against a fake API server, from entering to leaving."""

    def __init__(self, folder: Path, server: FakeEvents, known: Known | None = None, *, cap: int = 10**7) -> None:
        self.registry = CollectorRegistry()
        self.folder = folder / "events"
        self.server = server
        self.journal = Journal(self.folder, cap=cap)
        self.api = connect(kubeconfig=kubeconfig(folder, server.url))
        self.leading = True
        self.collector = make_collector(
            CONFIG, self.api, self.journal, self.registry, lookup=known or Known(), leading=lambda: self.leading
        )
        self.collector.health.backoff = Backoff(first=0.1)  # a fifth of the real one, to spare the time of the tests
        self.bug: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.collector.run()
        except BaseException as error:  # noqa: BLE001 - the test's thread has to see it
            self.bug = error

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        began = time.monotonic()
        self.collector.stop()
        self.thread.join(5)
        seconds = time.monotonic() - began
        self.server.__exit__(None, None, None)
        self.api.close()
        self.journal.close()
        assert self.bug is None, repr(self.bug)
        assert seconds < 1, "stop ends it within a second"

    @property
    def documents(self) -> list[Any]:
        """What is in the journal, in its order."""
        lines = b"".join(path.read_bytes() for path in sorted(self.folder.glob("*.jsonl"))).splitlines()
        return [orjson.loads(text) for text in lines]

    @property
    def gaps(self) -> list[Any]:
        return [document["gap"] for document in self.documents if document["kind"] == "EventGap"]

    @property
    def journaled(self) -> list[str]:
        """The resourceVersions of the Events in the journal, in its order."""
        events = (document for document in self.documents if document["kind"] != "EventGap")
        return [str((event.get("metadata") or {}).get("resourceVersion")) for event in events]

    def wait(self, *versions: int) -> None:
        """Wait for these, in whatever order the watch and the list came to it."""
        wanted = sorted(map(str, versions))
        wait_until(
            lambda: sorted(self.journaled) == wanted, 4, lambda: f"{wanted} in the journal, there is {self.journaled}"
        )

    def wait_position(self, version: str) -> None:
        def there() -> bool:
            self.journal.commit()
            return bool(self.journal.position and self.journal.position.resource_version == version)

        wait_until(there, 4, lambda: f"position {version}, it is {self.journal.position}")

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"sidecar_events_{name}", labels) or 0


def position(folder: Path, version: str, *, age: float = 1) -> None:
    (folder / "events").mkdir()
    text = orjson.dumps({"resourceVersion": version, "time": time.time() - age})
    (folder / "events" / "position.json").write_bytes(text)


def test_what_is_listed_and_then_watched_is_journaled(tmp_path: Path) -> None:
    lists = [listing([event(3), event(4)], 9, "more"), listing([event(5)], 9)]
    with Collecting(tmp_path, FakeEvents(lists, [changes(event(10), event(11))])) as run:
        run.wait(3, 4, 5, 10, 11)
        run.wait_position("11")
        assert run.server.asked(watch=True)[0]["resourceVersion"] == "9"
        assert run.count("watching") == 1
    assert run.count("received_total", source="list") == 3
    assert run.count("received_total", source="watch") == 2
    assert run.count("journaled_total") == 5
    assert run.count("lists_total", cause="start") == 1
    assert run.count("watch_ends_total", cause="stopped") == 1
    assert run.count("watching") == 0


def test_what_opensearch_has_is_not_journaled_again(tmp_path: Path) -> None:
    lists = [listing([event(3), event(4), event(5)], 9)]
    with Collecting(tmp_path, FakeEvents(lists, [stream()]), Known("uid-e3.3", "uid-e5.5")) as run:
        run.wait(4)
        run.wait_position("9")


def test_while_opensearch_is_unreachable_the_whole_list_is_journaled(tmp_path: Path) -> None:
    known = Known("uid-e3.3")
    known.down = True
    with Collecting(tmp_path, FakeEvents([listing([event(3), event(4)], 9)], [stream()]), known) as run:
        run.wait(3, 4)


def test_a_crash_within_the_first_list_does_not_lose_the_history_since(tmp_path: Path) -> None:
    server = FakeEvents([listing([event(1)], 3, "more"), lambda exchange: exchange.hang()], [changes()])
    server.heads = [listing([], 3)]
    with Collecting(tmp_path, server) as collecting:
        collecting.wait(1)
        collecting.wait_position("3")
        server._over.set()
    server = FakeEvents([listing([event(9)], 9)], [changes(event(4), event(9))])
    with Collecting(tmp_path, server) as collecting:
        collecting.wait(1, 9, 4, 9)
    assert server.asked(watch=True)[0]["resourceVersion"] == "3"


def test_whoever_leads_no_longer_writes_nothing(tmp_path: Path) -> None:
    with Collecting(tmp_path, FakeEvents([listing([event(3)], 9)], [changes(event(10)), stream()])) as run:
        run.wait(3, 10)
        run.leading = False
        run.server.watches[:] = [changes(event(11), then="end"), stream()]
        run.collector._cut()
        wait_until(lambda: len(run.server.asked(watch=True)) >= 3, 4, "another watch")
        time.sleep(0.05)
        assert sorted(run.journaled) == ["10", "3"]
        assert run.collector._version == "10"


def test_a_list_waits_for_opensearch_where_the_journal_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "_ASK_AGAIN_SECONDS", 0.05)
    known = Known("uid-e3.3")
    known.down = True
    run = Collecting(tmp_path, FakeEvents([listing([event(3), event(4)], 9)], [changes(event(10))]), known)
    run.collector._backfill._patience = 60
    with run:
        run.wait(10)
        wait_until(lambda: known.asked > 2, 4, "it asks again")
        assert run.journaled == ["10"], "the watch goes on"
        known.down = False
        run.wait(10, 4)


def test_an_opensearch_that_does_not_answer_is_asked_once_a_list(tmp_path: Path) -> None:
    known = Known()
    known.down = True
    server = FakeEvents(
        [listing([event(1)], 3, "more"), listing([event(2)], 3, "yet more"), listing([event(3)], 3)], [changes()]
    )
    with Collecting(tmp_path, server, known) as collecting:
        collecting.wait(1, 2, 3)
    assert known.asked == 1


def test_a_quiet_watch_that_ends_in_order_goes_on_from_a_fresh_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "_WATCH_SECONDS", (1, 1))
    monkeypatch.setattr(collect, "_PROBE_SECONDS", 0.4)
    monkeypatch.setattr(probe, "_LATE_SECONDS", 0.2)

    def quiet(exchange: Exchange) -> None:
        exchange.start_stream()
        time.sleep(1.0)
        exchange.end_stream()

    server = FakeEvents([listing([], 5)], [quiet, changes(event(901))])
    server.heads = [listing([], 5), listing([], 900)]
    with Collecting(tmp_path, server) as collecting:
        collecting.wait(901)
        collecting.wait_position("901")
    assert [query["resourceVersion"] for query in server.asked(watch=True)][:2] == ["5", "900"]
    assert len(server.asked(watch=False)) == 1


@pytest.mark.parametrize(
    ("since", "ended", "trusted"), [(0, 3.1, True), (1.5, 3.1, False), (0, 2.9, False), (0, 1.4, False)]
)
def test_a_fresh_version_counts_if_the_watch_was_silent_around_it(since: float, ended: float, *, trusted: bool) -> None:
    asked = Probe(lambda: Position("9", 0), 3600)
    asked.cancel()
    assert asked.head(since, ended) is None
    asked._head, asked._asked, asked._answered = Position("9", 0), 1.0, 1.1
    assert (asked.head(since, ended) is not None) is trusted


def test_who_stood_still_while_the_watch_ended_trusts_no_fresh_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch ended before the question, and nobody looked: what came in between is watched again."""
    monkeypatch.setattr(collect, "_WATCH_SECONDS", (1, 1))
    monkeypatch.setattr(collect, "_PROBE_SECONDS", 0.4)
    monkeypatch.setattr(probe, "_LATE_SECONDS", 0.2)
    server = FakeEvents([listing([], 5)], [changes(event(6), then="end"), changes(event(7))])
    server.heads = [listing([], 5), listing([], 900)]
    run = Collecting(tmp_path, server)
    take = run.collector._take

    def slow(found: Any) -> bool:
        time.sleep(0.9)  # in which the watch ends, and the question is asked
        return take(found)

    monkeypatch.setattr(run.collector, "_take", slow)
    with run:
        run.wait(6, 7)
    assert [query["resourceVersion"] for query in server.asked(watch=True)][:2] == ["5", "6"]


def test_a_watch_that_breaks_off_trusts_no_fresh_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "_WATCH_SECONDS", (1, 1))
    monkeypatch.setattr(collect, "_PROBE_SECONDS", 0.4)

    def broken(exchange: Exchange) -> None:
        exchange.start_stream()
        time.sleep(1.0)
        exchange.cut()

    server = FakeEvents([listing([], 5)], [broken, changes(event(6))])
    server.heads = [listing([], 5), listing([], 900)]
    with Collecting(tmp_path, server) as collecting:
        collecting.wait(6)
    assert [query["resourceVersion"] for query in server.asked(watch=True)][:2] == ["5", "5"]


def test_after_a_lost_segment_it_lists_and_watches_again_from_where_all_was_safe(tmp_path: Path) -> None:
    server = FakeEvents([listing([], 5)], [changes(event(6)), changes(event(6), event(7))])
    with Collecting(tmp_path, server) as collecting:
        collecting.wait(6)
        collecting.wait_position("6")
        collecting.journal._lost = True
        collecting.collector._watch.close()  # type: ignore[union-attr]
        collecting.wait(6, 6, 7)
    assert len(server.asked(watch=False)) == 2


def _later(step: Script) -> Script:
    """The step, once the first list is done for sure."""

    def late(exchange: Exchange) -> None:
        time.sleep(0.2)
        step(exchange)

    return late


@pytest.mark.parametrize(
    "gone",
    [
        failing(410),
        stream(line(status_object(410), "ERROR")),
        stream(line(event(10)) + line(status_object(410), "ERROR")),
    ],
)
def test_after_a_410_what_is_listed_and_missing_is_journaled(tmp_path: Path, gone: Script) -> None:
    known = Known("uid-e3.3")
    lists = [listing([event(3)], 9), listing([event(3), event(20)], 30)]
    server = FakeEvents(lists, [_later(gone), changes(event(31))])
    server.heads = [listing([], 9), listing([], 30)]
    with Collecting(tmp_path, server, known) as run:
        wait_until(lambda: {"20", "31"} <= set(run.journaled), 4, lambda: f"there is {run.journaled}")
        run.wait_position("31")
        (gap,) = run.gaps
    assert run.count("lists_total", cause="expired") == 1
    assert run.count("gaps_total", cause="history") == 1
    assert (gap["fromResourceVersion"] in {"9", "10"}, gap["toResourceVersion"], gap["cause"]) == (
        True,
        "30",
        "history",
    )
    assert [query["resourceVersion"] for query in run.server.asked(watch=True)] == ["9", "30"]


def test_versions_that_came_before_a_410_are_kept(tmp_path: Path) -> None:
    gone = stream(line(event(10)) + line(event(11, "e10")) + line(status_object(410), "ERROR"))
    with Collecting(tmp_path, FakeEvents([listing([], 9)], [gone, stream()])) as run:
        wait_until(lambda: run.journaled == ["10", "11"], 4, lambda: f"there is {run.journaled}")


def test_a_list_that_expires_in_the_middle_begins_again(tmp_path: Path) -> None:
    lists = [listing([event(3)], 9, "old"), failing(410), listing([event(3), event(4)], 12)]
    with Collecting(tmp_path, FakeEvents(lists, [stream()])) as run:
        run.wait(3, 3, 4)
        run.wait_position("9")  # where the watch goes on from; the list is only newer


def test_a_list_that_expires_goes_on_where_the_server_offers_it(tmp_path: Path) -> None:
    lists = [listing([event(3)], 9, "old"), failing(410, token="new"), listing([event(4)], 12)]
    with Collecting(tmp_path, FakeEvents(lists, [stream()])) as run:
        run.wait(3, 4)
        run.wait_position("9")
        assert [query.get("continue") for query in run.server.asked(watch=False)] == [None, "old", "new"]


END = {"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}}


def test_a_list_is_streamed_where_the_server_can(tmp_path: Path) -> None:
    server = FakeEvents([listing([], 9)], version="v1.34.1-eks-1234")
    streamed = stream(line(event(3)) + line(event(4)) + line(END, "BOOKMARK"))

    def watch(exchange: Exchange) -> None:
        (streamed if "sendInitialEvents" in exchange.request.query else changes(event(10)))(exchange)

    server.watches = [watch]
    with Collecting(tmp_path, server) as run:
        run.wait(3, 4, 10)
        run.wait_position("10")
    assert server.asked(watch=False) == []
    assert run.count("received_total", source="list") == 2


def test_a_streamed_list_that_breaks_off_begins_again_in_pages(tmp_path: Path) -> None:
    server = FakeEvents([listing([event(3), event(4)], 9)], version="v1.35.0")

    def watch(exchange: Exchange) -> None:
        streams = "sendInitialEvents" in exchange.request.query
        (stream(line(event(3)), then="cut") if streams else stream())(exchange)

    server.watches = [watch]
    with Collecting(tmp_path, server) as run:
        run.wait(3, 4)


def test_where_streaming_is_switched_off_it_lists_in_pages(tmp_path: Path) -> None:
    server = FakeEvents([listing([event(3)], 9)], version="v1.35.0")
    refused = failing(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")

    def watch(exchange: Exchange) -> None:
        (refused if "sendInitialEvents" in exchange.request.query else stream())(exchange)

    server.watches = [watch]
    with Collecting(tmp_path, server) as run:
        run.wait(3)


def test_from_a_stored_position_the_history_is_replayed(tmp_path: Path) -> None:
    position(tmp_path, "5")
    known = Known("uid-e4.4")
    lists = [listing([event(4), event(8, "e6")], 9)]
    with Collecting(tmp_path, FakeEvents(lists, [changes(event(6), event(8, "e6"))]), known) as run:
        run.wait(8, 6, 8)
        run.wait_position("8")
        assert run.gaps == []
        assert run.server.asked(watch=True)[0]["resourceVersion"] == "5"


def test_until_the_history_is_replayed_the_position_stays(tmp_path: Path) -> None:
    position(tmp_path, "5")
    with Collecting(tmp_path, FakeEvents([listing([event(8)], 9)], [stream()])) as run:
        wait_until(lambda: run.server.asked(watch=True), 4, "the watch")
        run.journal.commit()
        stored = run.journal.position
        assert stored is not None
        assert stored.resource_version == "5"


@pytest.mark.parametrize(("version", "age"), [("10", 1), ("999999", 7200), ("", 1), ("x", 1), ("-1", 1)])
def test_a_position_that_can_not_serve_is_a_gap(tmp_path: Path, version: str, age: float) -> None:
    position(tmp_path, version, age=age)
    with Collecting(tmp_path, FakeEvents([listing([event(4)], 9)], [stream()])) as run:
        wait_until(lambda: run.server.asked(watch=True), 4, "the watch")
        assert run.server.asked(watch=True)[0]["resourceVersion"] == "9"
        run.wait_position("9")
        wait_until(lambda: run.gaps, 4, "the gap is told")
        assert [gap["cause"] for gap in run.gaps] == ["outage" if age > 3600 else "history"]


def test_a_history_that_is_gone_is_a_list_and_not_an_endless_try(tmp_path: Path) -> None:
    position(tmp_path, "5")
    with Collecting(tmp_path, FakeEvents([listing([event(4)], 9)], [failing(410), changes(event(10))])) as run:
        run.wait_position("10")
        assert [(gap["fromResourceVersion"], gap["toResourceVersion"]) for gap in run.gaps] == [("5", "9")]
    assert [query["resourceVersion"] for query in run.server.asked(watch=True)] == ["5", "9"]


def test_a_watch_that_ends_goes_on_from_the_last_version_seen(tmp_path: Path) -> None:
    watches = [
        changes(event(10), then="end"),
        stream(line(event(11), "DELETED"), line({"metadata": {"resourceVersion": "12"}}, "BOOKMARK"), then="cut"),
        stream(),
    ]
    with Collecting(tmp_path, FakeEvents([listing([], 9)], watches)) as run:
        wait_until(lambda: len(run.server.asked(watch=True)) == 3, 4, "three watches")
        run.wait_position("12")
    assert [query["resourceVersion"] for query in run.server.asked(watch=True)] == ["9", "10", "12"]
    assert run.journaled == ["10"], "a deleted Event is no version of it"
    assert len(run.server.asked(watch=False)) == 1


ODD: list[Any] = [None, 5, "x", [], {}, {"metadata": None}, {"metadata": "x"}, {"metadata": ["x"]},
                  {"metadata": {"resourceVersion": 7}}, {"metadata": {"resourceVersion": {}}}]  # fmt: skip


def test_odd_items_are_kept_and_move_no_version(tmp_path: Path) -> None:
    lists = [listing(ODD, 9)]
    with Collecting(tmp_path, FakeEvents(lists, [changes(*ODD, then="end"), stream()])) as run:
        wait_until(lambda: len(run.server.asked(watch=True)) == 2, 4, "the second watch")
        wait_until(lambda: len(run.journaled) == 2 * len(ODD), 4, "all are journaled")
    assert [query["resourceVersion"] for query in run.server.asked(watch=True)] == ["9", "9"]


@pytest.mark.parametrize(
    "step",
    [failing(401), failing(403), failing(500), failing(503), says(200, b"<html>"), says(200, {}), Exchange.cut,
     says(200, {"metadata": {}, "items": []}), says(200, {"metadata": {"resourceVersion": ""}, "items": []})],
)  # fmt: skip
def test_a_list_that_fails_is_repeated_but_not_hammered(tmp_path: Path, step: Script) -> None:
    with Collecting(tmp_path, FakeEvents([step], [stream()])) as run:
        wait_until(lambda: len(run.server.requests) >= 2, 2, "a second try")
        time.sleep(0.1)
        assert len(run.server.requests) <= 4
        run.server.heads[:] = [listing([], 9)]
        run.server.lists[:] = [listing([event(3)], 9)]
        run.wait(3)
    assert run.count("errors_total", link="kubernetes") >= 2


@pytest.mark.parametrize(
    "step",
    [stream(then="end"), stream(then="cut"), failing(403), failing(500), failing(410), stream(b"garbage\n")],
)
def test_a_watch_that_ends_at_once_does_not_hammer(tmp_path: Path, step: Script) -> None:
    with Collecting(tmp_path, FakeEvents([listing([], 9)], [step])) as run:
        time.sleep(0.3)
        assert 1 <= len(run.server.asked(watch=True)) <= 4
        run.server.watches[:] = [changes(event(10))]
        run.wait(10)


def test_a_full_journal_pauses_and_goes_on_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_PIECE", 2000)
    events = [event(number, message="x" * 1000) for number in range(10, 40)]
    with Collecting(tmp_path, FakeEvents([listing([], 9)], [changes(*events)]), cap=10_000) as run:
        wait_until(lambda: run.journal.size > 7000, 4, "a full journal")
        time.sleep(0.1)
        assert run.journal.size <= 10_000
        seen: list[str] = []

        def all_seen() -> bool:
            for segment in run.journal.segments():
                if not run.journal.is_open(segment):
                    seen.extend(orjson.loads(text)["id"] for text in segment.read_bytes().splitlines())
                    run.journal.delete(segment)
            return len(seen) + len(run.journaled) == len(events)

        wait_until(all_seen, 6, lambda: f"all, {len(seen)} so far")
        assert run.journal.size <= 10_000


def test_stop_ends_it_while_the_journal_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_PIECE", 2000)
    events = [event(number, message="x" * 1000) for number in range(10, 40)]
    with Collecting(tmp_path, FakeEvents([listing([], 9)], [changes(*events)]), cap=10_000) as run:
        wait_until(lambda: run.journal.size > 7000, 4, "a full journal")
    assert 0 < len(run.journaled) < 30
    stored = run.journal.position
    assert stored is not None
    assert stored.resource_version == run.journaled[-1], "the position is where the lines end"


def test_stop_before_start_does_nothing(tmp_path: Path) -> None:
    with FakeEvents([listing([event(3)], 9)], [stream()]) as server:
        journal = Journal(tmp_path / "events", cap=10**6)
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        collector = make_collector(CONFIG, api, journal, CollectorRegistry())
        collector.stop()
        collector.run()
        journal.close()
        assert server.requests == []


def test_what_is_cut_while_silent_lasts_shorter_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "_SHORTEST_SECONDS", 0.1)
    monkeypatch.setattr(collect, "_WATCH_SECONDS", (30, 30))
    with Collecting(tmp_path, FakeEvents([listing([], 9)], [stream()])) as run:
        wait_until(lambda: run.collector._watch is not None, 4, "a watch")
        run.collector._learn_cut(20.0, 30)
        assert run.collector._longest is None, "once is no habit"
        run.collector._learn_cut(20.0, 30)
        run.collector._cut()
        wait_until(lambda: len(run.server.asked(watch=True)) == 2, 4, "another")
    assert [query["timeoutSeconds"] for query in run.server.asked(watch=True)] == ["30", "14"]


def test_a_cluster_that_was_set_back_is_watched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "_WATCH_SECONDS", (1, 1))
    monkeypatch.setattr(collect, "_PROBE_SECONDS", 0.4)
    monkeypatch.setattr(probe, "_LATE_SECONDS", 0.2)

    def quiet(exchange: Exchange) -> None:
        exchange.start_stream()
        time.sleep(1.0)
        exchange.end_stream()

    server = FakeEvents([listing([], 1000), listing([event(60)], 60)], [quiet, changes(event(61))])
    server.heads = [listing([], 1000), listing([], 60)]
    with Collecting(tmp_path, server) as run:
        run.wait(60, 61)
        wait_until(lambda: run.gaps, 4, "the gap is told")
    assert [query["resourceVersion"] for query in server.asked(watch=True)][:2] == ["1000", "60"]


def test_a_bug_of_the_list_is_one_of_the_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Collecting(tmp_path, FakeEvents([listing([], 9)], [stream()]))

    def buggy(_over: object) -> bool:
        raise KeyError

    monkeypatch.setattr(run.collector._backfill, "run", buggy)
    with pytest.raises(AssertionError, match="KeyError"), run:
        wait_until(lambda: not run.thread.is_alive(), 4, "it ends")


def test_trouble_is_told_of_links_that_fail_and_not_of_a_watch_that_is_quiet(tmp_path: Path) -> None:
    with Collecting(tmp_path, FakeEvents([listing([], 9)], [failing(500), stream()])) as run:
        wait_until(lambda: run.collector.health.failing[1] > 0.05, 4, "it fails")
        assert run.collector.health.failing[0] == "kubernetes"
        wait_until(lambda: run.collector._watch is not None, 4, "a watch")
        run.collector.health._opened = time.monotonic() - 10
        assert run.collector.health.failing[1] == 0
