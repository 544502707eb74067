import itertools
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sidecar.config import loads
from sidecar.errors import JournalError, OpenSearchError, OpenSearchUnavailable
from sidecar.events import aside
from sidecar.events.confirm import Confirmer
from sidecar.events.following import Position
from sidecar.events.journal import SEGMENT_BYTES, Journal
from sidecar.events.metrics import EventMetrics
from sidecar.opensearch import Document, Outcome, Verdict
from sidecar.opensearch.deadletter import dead_letter
from sidecar.opensearch.documents import Found, Presence
from sidecar.render.indices import DEAD_LETTER
from tests.support.waiting import wait_until

CONFIG = loads("cluster: c1\nopensearch: {url: http://localhost:9200}\n")
STORED, LATER = Outcome(Verdict.STORED, 201), Outcome(Verdict.LATER, 429, "busy", "queue is full")
REFUSED = Outcome(Verdict.REFUSED, 400, "mapper_parsing_exception", "field [x] is odd")


class FakeStore:
    """Keeps documents; `answers` tells the outcome of a create, by the document, where it is not to be stored."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], bytes] = {}
        self.answer: Callable[[Document], Outcome] = lambda _document: STORED
        self.down: OpenSearchError | None = None
        self.dark: set[str] = set()  # indices that can't tell
        self.looked = self.created = 0

    def ship(self, *keys: str) -> None:
        """What Fluent Bit does."""
        for key in keys:
            self.documents["i", key] = b""

    def look(self, keys: Sequence[tuple[str, str]]) -> list[Found]:
        self.looked += 1
        if self.down:
            raise self.down
        return [self._look(key) for key in keys]

    def _look(self, key: tuple[str, str]) -> Found:
        if key[0] in self.dark:
            return Found(Presence.UNKNOWN, "no_shard_available_action_exception", "red")
        return Found(Presence.THERE if key in self.documents else Presence.ABSENT)

    def create(self, documents: Sequence[Document]) -> list[Outcome]:
        self.created += 1
        if self.down:
            raise self.down
        return [self._create(document) for document in documents]

    def _create(self, document: Document) -> Outcome:
        outcome = self.answer(document)
        if outcome.verdict is Verdict.STORED:
            self.documents.setdefault((document.index, document.id), document.source)
        return outcome

    def ids(self, index: str = "i") -> list[str]:
        found = [(key, source) for (name, key), source in self.documents.items() if name == index]
        return sorted(orjson.loads(source)["id"] if index == DEAD_LETTER else key for key, source in found)


class Way:
    """A journal, a store, a clock, and the confirmer between them."""

    def __init__(self, folder: Path, *, grace: float = 10, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.registry = CollectorRegistry()
        self.journal = Journal(folder, cap=10**6, segment_bytes=segment_bytes)
        self.store = FakeStore()
        self.now = 1000.0
        self.confirmer = Confirmer(
            CONFIG, self.journal, self.store, EventMetrics(self.registry), grace=grace, clock=lambda: self.now
        )

    def append(self, *ids: str) -> None:
        self.journal.append([orjson.dumps({"id": key, "index": "i"}) + b"\n" for key in ids])

    def step(self) -> float:
        return self.confirmer.step()

    def count(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(f"sidecar_events_{name}", labels)
        assert value is not None
        return value


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    way = Way(tmp_path)
    yield way
    way.journal.close()


def test_what_fluent_bit_shipped_is_confirmed_and_never_sent(way: Way) -> None:
    way.append("1", "2")
    assert way.step() > 0
    way.store.ship("1")
    way.now += 5
    assert way.step() > 0
    way.store.ship("2")
    way.now += 60
    assert way.step() == 0
    assert way.step() > 0
    assert way.store.created == 0
    assert way.count("confirmed_total") == 2
    assert way.count("resent_total") == 0


def test_what_is_missing_is_sent_after_the_grace_time_and_not_before(way: Way) -> None:
    way.append("1", "2")
    way.step()
    way.store.ship("1")
    way.now += 9.9
    way.step()
    assert way.store.ids() == ["1"]
    way.now += 0.2
    assert way.step() == 0
    assert way.store.ids() == ["1", "2"]
    assert way.store.documents["i", "2"] == b'{"id":"2","index":"i"}\n'
    assert (way.count("confirmed_total"), way.count("resent_total")) == (2, 1)


def lose(way: Way) -> None:
    """A first batch that Fluent Bit doesn't ship."""
    way.append("lost")
    way.step()
    way.now += 11
    way.step()
    assert way.store.ids() == ["lost"]


def test_once_a_minute_fluent_bit_is_given_time_again(way: Way) -> None:
    lose(way)
    way.now += 61
    way.append("2")
    assert way.step() > 0
    assert way.store.ids() == ["lost"]
    way.store.ship("2")
    assert way.step() == 0
    way.append("3")
    assert way.step() > 0, "it is back: the next batch has time too"
    assert way.count("resent_total") == 1


def test_once_fluent_bit_is_gone_later_batches_are_sent_at_once(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    lose(way)
    way.append("2")
    assert way.step() == 0
    assert way.store.ids() == ["2", "lost"]
    assert "did not arrive through Fluent Bit" in caplog.text


def test_when_fluent_bit_comes_back_it_gets_its_grace_time_again(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lose(way)
    way.append("2")
    way.store.ship("2")
    way.step()
    assert "through Fluent Bit again" in caplog.text
    way.append("3")
    assert way.step() > 0
    assert "3" not in way.store.ids()


def test_what_came_from_here_is_not_taken_for_fluent_bits(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lose(way)
    way.append("2")
    way.store.answer = raise_after(way.store, OpenSearchUnavailable("the answer was lost"))
    with pytest.raises(OpenSearchUnavailable):
        way.step()
    assert way.store.ids() == ["2", "lost"]
    way.step()
    assert "again" not in caplog.text
    way.store.answer = lambda _document: STORED
    way.append("3")
    way.step()
    assert way.store.ids() == ["2", "3", "lost"]


def raise_after(store: FakeStore, error: Exception) -> Callable[[Document], Outcome]:
    def answer(document: Document) -> Outcome:
        store.ship(document.id)
        raise error

    return answer


def test_without_fluent_bit_everything_is_sent_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    way = Way(tmp_path, grace=0)
    way.append("1")
    assert way.step() == 0
    assert way.store.ids() == ["1"]
    assert "Fluent Bit" not in caplog.text
    way.journal.close()


def test_what_is_for_later_stays_and_the_rest_is_stored(way: Way) -> None:
    way.append("1", "2", "3")
    way.step()
    way.now += 11
    way.store.answer = lambda document: LATER if document.id == "2" else STORED
    with pytest.raises(OpenSearchError, match="429 busy: queue is full"):
        way.step()
    assert way.store.ids() == ["1", "3"]
    way.store.answer = lambda _document: STORED
    assert way.step() == 0
    assert way.store.ids() == ["1", "2", "3"]
    assert way.count("confirmed_total") == 3


def test_what_is_refused_is_kept_as_text_with_the_reason(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    way.append("1", "2")
    way.step()
    way.now += 11
    way.store.answer = lambda document: REFUSED if (document.index, document.id) == ("i", "1") else STORED
    assert way.step() == 0
    assert way.store.ids() == ["2"]
    letter = orjson.loads(next(source for (index, _), source in way.store.documents.items() if index == DEAD_LETTER))
    assert letter.pop("@timestamp").endswith("Z")
    assert letter == {
        "id": "1",
        "cluster": "c1",
        "target": {"index": "i"},
        "error": {"status": 400, "type": "mapper_parsing_exception", "reason": "field [x] is odd"},
        "document": '{"id":"1","index":"i"}',
    }
    assert way.count("dead_lettered_total") == 1
    assert way.count("confirmed_total") == 1
    assert "field [x] is odd" in caplog.text


@pytest.mark.parametrize("outcome", [LATER, REFUSED])
def test_what_can_not_be_buried_stays_and_the_store_is_not_hammered(way: Way, outcome: Outcome) -> None:
    way.append("1", "2")
    way.step()
    way.now += 11
    way.store.answer = lambda document: {"2": STORED}.get(document.id, REFUSED if document.index == "i" else outcome)
    with pytest.raises(OpenSearchError, match="1 refused events can't be kept in fluent-sidecar-dead-letter"):
        way.step()
    assert way.store.ids() == ["2"]
    assert way.count("dead_lettered_total") == 0
    way.store.answer = lambda document: REFUSED if document.index == "i" else STORED
    assert way.step() == 0
    assert way.store.ids(DEAD_LETTER) == ["1"]


BLOCK = Outcome(Verdict.LATER, 403, "cluster_block_exception", "index [old] blocked")
RED = Outcome(Verdict.LATER, 503, "unavailable_shards_exception", "[old][0] primary shard is not active")
CLOSED = Outcome(Verdict.LATER, 400, "index_closed_exception", "closed")
FULL = Outcome(Verdict.LATER, 429, "cluster_block_exception", "flood-stage")


def put(way: Way, key: str, index: str, position: int = 0) -> None:
    place = Position(str(position), 0.0) if position else None
    way.journal.append([orjson.dumps({"id": key, "index": index}) + b"\n"], position=place)


def confirmed(way: Way) -> int:
    """The number of the position that is confirmed; 0 where none is."""
    position = way.journal.confirmed
    return int(position.resource_version) if position else 0


def pass_seconds(way: Way, seconds: int, every: int = 5) -> None:
    """Let time pass, with a step now and then; whether OpenSearch takes anything does not matter."""
    for _ in range(seconds // every):
        way.now += every
        with suppress(OpenSearchError):
            way.step()


@pytest.mark.parametrize("outcome", [BLOCK, RED, CLOSED], ids=["blocked", "red", "closed"])
def test_an_index_of_no_use_holds_up_no_other_and_waits_for_five_minutes_only(tmp_path: Path, outcome: Outcome) -> None:
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: outcome if document.index == "old" else STORED
    way.store.dark = set() if outcome is BLOCK else {"old"}
    put(way, "1", "old", 1)
    put(way, "2", "i", 2)
    assert way.step() == 0
    assert way.store.ids() == ["2"], "the same batch"
    put(way, "3", "i", 3)
    assert way.step() == 0
    assert way.store.ids() == ["2", "3"], "later batches"
    assert confirmed(way) == 0, "not past what is set aside"
    pass_seconds(way, 295)
    assert way.store.ids(DEAD_LETTER) == []
    pass_seconds(way, 30)
    assert way.store.ids(DEAD_LETTER) == ["1"]
    assert confirmed(way) == 3
    letter = orjson.loads(next(source for (index, _), source in way.store.documents.items() if index == DEAD_LETTER))
    assert letter["error"] == {"status": outcome.status, "type": outcome.type, "reason": outcome.reason}
    put(way, "4", "old", 4)
    pass_seconds(way, 30)
    assert way.store.ids(DEAD_LETTER) == ["1", "4"], "while it lasts nothing waits for it again"
    way.journal.close()


def test_an_index_that_comes_back_gets_what_was_set_aside(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: RED if document.index == "old" else STORED
    for number in range(5):
        put(way, str(number), "old")
    put(way, "9", "i", 9)
    assert way.step() == 0
    pass_seconds(way, 100)
    way.store.answer = lambda _document: STORED
    pass_seconds(way, 45)
    assert way.store.ids("old") == ["0", "1", "2", "3", "4"]
    assert way.store.ids(DEAD_LETTER) == []
    assert confirmed(way) == 9
    assert way.count("confirmed_total") == 6
    way.journal.close()


def test_while_no_index_takes_anything_all_waits_without_end(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: BLOCK if document.index != DEAD_LETTER else STORED
    put(way, "1", "old")
    put(way, "2", "i")
    for _ in range(300):
        way.now += 10
        with pytest.raises(OpenSearchError, match=r"takes no events now: 403 .*sidecar doctor` says"):
            way.step()
    assert way.store.ids(DEAD_LETTER) == []
    way.store.answer = lambda _document: STORED
    pass_seconds(way, 45)
    assert (way.store.ids("old"), way.store.ids()) == (["1"], ["2"])
    way.journal.close()


def test_what_came_before_the_others_was_told_apart_only_by_going_on(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: RED if document.index == "old" else STORED
    put(way, "1", "old")
    with pytest.raises(OpenSearchError, match="unavailable_shards_exception"):
        way.step()
    put(way, "2", "i")
    assert way.step() == 0, "another index takes documents: it is the first one's own trouble"
    way.journal.close()


def test_of_one_request_the_taken_and_the_failed_are_of_one_time(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0)
    way.confirmer._aside._clock = time.monotonic  # one that goes on within a step
    way.store.answer = lambda document: RED if document.index == "old" else STORED
    put(way, "1", "old")
    put(way, "2", "i")
    assert way.step() == 0, "no outage"
    way.journal.close()


def test_what_fluent_bit_delivered_while_another_index_failed_tells_of_no_outage_for_a_while(way: Way) -> None:
    way.store.answer = lambda document: RED if document.index == "old" else STORED
    way.store.dark = {"old"}
    put(way, "1", "old")
    put(way, "2", "i")
    way.step()
    way.store.ship("2")
    way.now += 2
    way.step()
    way.now += 10
    assert way.step() == 0
    for _ in range(20):
        way.now += 10
        assert way.step() > 0
    pass_seconds(way, 200)
    with pytest.raises(OpenSearchError, match="takes no events now"):
        way.step()


@pytest.mark.parametrize("outcome", [LATER, FULL], ids=["busy", "full disk"])
def test_an_overload_is_never_an_index_fault(tmp_path: Path, outcome: Outcome) -> None:
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: outcome if document.index == "old" else STORED
    put(way, "1", "old", 1)
    for number in range(2, 9):
        put(way, str(number), "i", number)
        pass_seconds(way, 100)
    assert way.store.ids(DEAD_LETTER) == []
    assert confirmed(way) == 0
    way.store.answer = lambda _document: STORED
    pass_seconds(way, 45)
    assert way.store.ids("old") == ["1"]
    assert confirmed(way) == 8
    way.journal.close()


def test_a_short_trouble_is_forgotten(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: BLOCK if document.index == "old" else STORED
    put(way, "1", "old")
    put(way, "2", "i")
    way.step()
    way.store.ship()
    way.store.documents["old", "1"] = b""
    way.store.answer = lambda _document: STORED
    pass_seconds(way, 25)
    way.now += 8 * 3600
    way.store.answer = lambda document: BLOCK if document.index == "old" else STORED
    put(way, "3", "old")
    put(way, "4", "i")
    pass_seconds(way, 200)
    assert way.store.ids(DEAD_LETTER) == []
    assert way.store.ids() == ["2", "4"]
    way.journal.close()


def test_a_trouble_of_long_ago_is_not_added_to(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: BLOCK if document.index == "old" else STORED
    put(way, "1", "old")
    put(way, "2", "i")
    way.step()
    way.store.down = OpenSearchUnavailable("down")
    pass_seconds(way, 1000)
    way.store.down = None
    pass_seconds(way, 25)
    put(way, "3", "i")
    pass_seconds(way, 225)
    assert way.store.ids(DEAD_LETTER) == []
    pass_seconds(way, 100)
    assert way.store.ids(DEAD_LETTER) == ["1"]
    way.journal.close()


def test_only_so_much_is_set_aside_and_then_the_journal_is_not_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "_MOST_DOCUMENTS", 3)
    way = Way(tmp_path, grace=0)
    way.store.answer = lambda document: RED if document.index == "old" else STORED
    for number in range(5):
        put(way, f"o{number}", "old", number + 1)
        put(way, f"i{number}", "i")
        pass_seconds(way, 5)
    assert len(way.confirmer._aside) == 3
    assert len(way.store.ids()) == 3, "no more is read"
    pass_seconds(way, 700)
    assert way.store.ids(DEAD_LETTER) == [f"o{number}" for number in range(5)]
    assert way.store.ids() == [f"i{number}" for number in range(5)]
    way.journal.close()


def test_a_crash_with_documents_set_aside_loses_none(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0, segment_bytes=30)
    way.store.answer = lambda document: RED if document.index == "old" else STORED
    put(way, "1", "old", 1)
    for number in range(2, 6):
        put(way, str(number), "i", number)
        pass_seconds(way, 10)
    assert way.store.ids() == ["2", "3", "4", "5"]
    way.journal.close()
    again = Way(tmp_path, grace=0)
    again.store.documents = way.store.documents
    pass_seconds(again, 60)
    assert again.store.ids("old") == ["1"]
    assert [path for path in again.journal.segments() if not again.journal.is_open(path)] == []
    again.journal.close()


def test_what_an_index_can_not_tell_is_not_taken_for_fluent_bits_failure(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    way.store.dark = {"i"}
    way.append("1")
    way.step()
    way.now += 11
    assert way.step() == 0
    assert "did not arrive" not in caplog.text


def test_a_letter_that_is_there_already_is_not_counted_again(way: Way) -> None:
    there = Outcome(Verdict.STORED, 409)
    way.append("1")
    way.step()
    way.now += 11
    way.store.answer = lambda document: REFUSED if document.index == "i" else there
    assert way.step() == 0
    assert way.count("dead_lettered_total") == 0


def test_a_letter_holds_any_text() -> None:
    document = Document("i", "1", b'\xff\xfe{"id"\n')
    letter = dead_letter(document, Outcome(Verdict.REFUSED, 400, "t\ud800", "r\n"), cluster="c")
    assert b"\n" not in letter.source
    assert orjson.loads(letter.source)["document"] == '��{"id"'


def test_while_opensearch_is_down_nothing_is_forgotten(way: Way) -> None:
    way.append("1")
    way.store.down = OpenSearchUnavailable("down")
    for _ in range(5):
        way.now += 100
        with pytest.raises(OpenSearchUnavailable):
            way.step()
    way.append("2")
    way.store.down = None
    assert way.step() == 0
    way.step()
    way.now += 11
    way.step()
    assert way.store.ids() == ["1", "2"]


def test_a_restart_looks_at_what_was_not_done_again(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.append("1", "2")
    way.step()
    way.journal.close()
    again = Way(tmp_path)
    again.store.ship("1")
    again.step()
    again.now += 11
    again.step()
    assert again.store.ids() == ["1", "2"]
    again.journal.close()


def test_unreadable_lines_are_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / f"{1:016d}.jsonl").write_bytes(b"{\n{\n")
    way = Way(tmp_path)
    assert way.step() == 0
    assert way.count("unreadable_lines_total") == 2
    assert "2 lines of the journal" in caplog.text
    assert way.step() > 0
    way.journal.close()


class Running:
    """`Confirmer.run` in a thread."""

    def __init__(self, way: Way) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=way.confirmer.run, args=(self.stop,))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        self.thread.join(1)
        assert not self.thread.is_alive(), "it ends within a second"


def test_run_confirms_what_comes_and_says_how_old_the_oldest_is(tmp_path: Path) -> None:
    way = Way(tmp_path, grace=0)
    with Running(way):
        for number in range(3):
            way.append(str(number))
            wait_until(lambda number=number: str(number) in way.store.ids(), 2, "an event")  # type: ignore[misc]
    assert way.count("oldest_unconfirmed_seconds") == 0
    assert way.count("journal_bytes") == way.journal.size
    way.journal.close()


def test_run_backs_off_while_opensearch_is_down_and_goes_on_after(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    way = Way(tmp_path, grace=0)
    way.store.down = OpenSearchUnavailable("down", hint="start it")
    way.append("1")
    with Running(way):
        time.sleep(0.3)
        way.now += 30
        assert way.store.looked <= 2
        wait_until(lambda: way.count("oldest_unconfirmed_seconds") == 30, 3, "the age")
        way.store.down = None
        wait_until(lambda: way.store.ids() == ["1"], 5, "the event")
    assert way.count("errors_total", link="opensearch") >= 1
    assert "down (start it)" in caplog.text
    way.journal.close()


def test_run_stops_also_while_the_journal_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way, tries = Way(tmp_path), []

    def fail() -> Any:
        tries.append(1)
        raise JournalError("broken")

    monkeypatch.setattr(way.confirmer._reader, "next", fail)
    with Running(way):
        wait_until(lambda: len(tries) > 2, 5, "three attempts")
        way.append("1")
        time.sleep(0.05)
        assert len(tries) == 3, "lines that come are no reason to try at once"
    assert way.count("errors_total", link="journal") == len(tries)
    way.journal.close()


ANSWER = st.sampled_from(["store", "store", "refuse", "later", "red", "red"])
STEP = st.tuples(
    st.sampled_from(["up", "up", "down", "lost answer", "crash"]),
    st.lists(st.integers(0, 14), max_size=4),  # what Fluent Bit ships meanwhile
    # What a create answers for each of three indices, over and over.
    st.tuples(*[st.lists(ANSWER, min_size=1, max_size=3)] * 3),
    st.sets(st.integers(0, 2)),  # the indices that can't tell
    st.booleans(),  # whether dead letters are taken
    st.integers(0, 120),  # seconds that pass
)


class World:
    """A confirmer with a history of its store's moods, and what is known to be safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.way = Way(folder, segment_bytes=60)
        self.appended: list[str] = []
        self.may_be_buried: set[str] = set()

    def append(self, number: int) -> None:
        for _ in range(number):
            key = str(len(self.appended))
            self.appended.append(key)
            put(self.way, key, index_of(key), len(self.appended))

    def ship(self, keys: list[int]) -> None:
        for key in map(str, keys):
            if key in self.appended:
                self.way.store.documents.setdefault((index_of(key), key), b"")

    def crash(self) -> None:
        store, now = self.way.store, self.way.now
        self.way.journal.close()
        self.way = Way(self.folder, segment_bytes=60)
        self.way.store = self.way.confirmer._store = store
        self.way.now = now

    def behave(self, state: str, answers: Sequence[list[str]], dark: set[int], *, letters: bool) -> None:
        turns = {f"i{number}": itertools.cycle(kinds) for number, kinds in enumerate(answers)}
        self.way.store.down = OpenSearchUnavailable("down") if state == "down" else None
        self.way.store.dark = {f"i{number}" for number in dark}

        def answer(document: Document) -> Outcome:
            if document.index == DEAD_LETTER:
                return STORED if letters else LATER
            kind = next(turns[document.index])
            if kind in {"refuse", "red"}:
                self.may_be_buried.add(document.id)
                return REFUSED if kind == "refuse" else RED
            if kind == "store" and state == "lost answer":
                self.way.store.documents.setdefault((document.index, document.id), b"")
                raise OpenSearchUnavailable("the answer was lost")
            return STORED if kind == "store" else LATER

        self.way.store.answer = answer

    def safe(self) -> set[str]:
        kept = {key for (index, key) in self.way.store.documents if index != DEAD_LETTER}
        return {*kept, *self.way.store.ids(DEAD_LETTER)}

    def check(self) -> None:
        safe = self.safe()
        on_disk = b"".join(segment.read_bytes() for segment in self.way.journal.segments())
        assert set(self.appended) - {orjson.loads(line)["id"] for line in on_disk.splitlines()} <= safe
        assert set(self.appended[: confirmed(self.way)]) <= safe
        assert set(self.way.store.ids(DEAD_LETTER)) <= self.may_be_buried, "nothing is buried that was not refused"


def index_of(key: str) -> str:
    return f"i{int(key) % 3}"


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.lists(STEP, max_size=12))
def test_whatever_the_store_answers_no_event_is_let_go_that_it_lacks(appends: list[int], steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for number, (state, shipped, answers, dark, letters, seconds) in enumerate(steps):
            if number < len(appends):
                world.append(appends[number])
            if state == "crash":
                world.crash()
            world.ship(shipped)
            world.behave(state, answers, dark, letters=letters)
            for _ in range(4):
                world.way.now += seconds / 4
                with suppress(OpenSearchError):
                    world.way.step()
                world.check()
        world.behave("up", [["store"]] * 3, set(), letters=True)
        for _ in range(40):
            world.way.now += 20
            with suppress(OpenSearchError):
                world.way.step()
            world.check()
        assert world.safe() == set(world.appended)
        left = [path for path in world.way.journal.segments() if not world.way.journal.is_open(path)]
        assert not left, "all that is closed is done with"
        world.way.journal.close()
