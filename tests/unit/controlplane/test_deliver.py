from collections.abc import Callable, Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.fixed import DEAD_LETTER
from sidecar.controlplane.deliver import Delivery
from sidecar.errors import OpenSearchError, OpenSearchUnavailable, UndeliveredError
from sidecar.opensearch import Document, Outcome, Verdict

STORED, THERE = Outcome(Verdict.STORED, 201), Outcome(Verdict.STORED, 409)
REFUSED = Outcome(Verdict.REFUSED, 400, "mapper_parsing_exception", "no")
BUSY = Outcome(Verdict.LATER, 429, "rejected_execution_exception", "queue is full")
ATTEMPT = 10.0


class Store:
    """Keeps documents; `judge` tells what becomes of one. Each request takes so many seconds of a clock of its own."""

    def __init__(self, judge: Callable[[Document, int], Outcome | OpenSearchError], takes: float = 0.1) -> None:
        self.judge, self.takes = judge, takes
        self.kept: dict[str, Document] = {}
        self.requests = 0
        self.now = 0.0

    def create(self, documents: Sequence[Document]) -> list[Outcome]:
        self.requests += 1
        self.now += self.takes
        outcomes = []
        for document in documents:
            outcome = self.judge(document, self.requests)
            if isinstance(outcome, OpenSearchError):
                raise outcome
            if outcome.verdict is Verdict.STORED:
                outcome = THERE if document.id in self.kept else STORED
                self.kept[document.id] = document
            outcomes.append(outcome)
        return outcomes

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def delivery(self, seconds: float = 60) -> Delivery:
        return Delivery(
            self, cluster="c", left=lambda: seconds - self.now, attempt=ATTEMPT, sleep=self.sleep
        )  # fmt: skip


def documents(count: int, size: int = 10) -> list[Document]:
    return [Document("i-2026.11.27", str(number), b"x" * size) for number in range(count)]


def test_all_are_stored_and_a_second_time_none() -> None:
    store = Store(lambda _document, _request: STORED)
    first, second = store.delivery().deliver(documents(5)), store.delivery().deliver(documents(5))
    assert (first.stored, first.there) == (5, 0)
    assert (second.stored, second.there) == (0, 5)


def test_what_can_not_be_taken_now_is_tried_again_alone() -> None:
    store = Store(lambda document, request: BUSY if document.id == "3" and request < 4 else STORED)
    result = store.delivery().deliver(documents(5))
    assert (result.stored, result.there, result.retried) == (5, 0, 3)


def test_an_outage_that_ends_in_time_is_waited_for() -> None:
    store = Store(lambda _document, request: OpenSearchUnavailable("down") if request < 5 else STORED)
    assert store.delivery().deliver(documents(3)).stored == 3


def test_when_the_time_is_over_what_is_missing_is_told() -> None:
    store = Store(lambda document, _request: BUSY if document.id in "12" else STORED)
    delivery = store.delivery(seconds=30)
    with pytest.raises(UndeliveredError, match="2 of 5 documents are not in OpenSearch: 429 rejected_execution"):
        delivery.deliver(documents(5))
    assert delivery.result.stored == 3
    assert store.now <= 30 - ATTEMPT + 5, "no attempt begins that might not end"


def test_no_attempt_is_made_without_time_for_it() -> None:
    store = Store(lambda _document, _request: STORED)
    with pytest.raises(UndeliveredError, match="5 of 5 documents are not in OpenSearch: no time is left"):
        store.delivery(seconds=5).deliver(documents(5))
    assert not store.requests


def test_a_slow_server_gets_as_many_batches_as_there_is_time_for() -> None:
    store = Store(lambda _document, _request: STORED, takes=8)
    delivery = store.delivery(seconds=30)
    with pytest.raises(UndeliveredError, match="no time is left"):
        delivery.deliver(documents(8, size=2**22))
    assert 0 < delivery.result.stored < 8
    assert store.now < 30


def test_what_is_refused_is_kept_with_its_reason() -> None:
    store = Store(lambda document, _: REFUSED if document.index != DEAD_LETTER and int(document.id) % 2 else STORED)
    result = store.delivery().deliver(documents(6))
    assert (result.stored, result.dead_lettered) == (3, 3)
    letters = [document for document in store.kept.values() if document.index == DEAD_LETTER]
    assert len(letters) == 3
    assert all(b"mapper_parsing_exception" in letter.source for letter in letters)
    again = store.delivery().deliver(documents(6))
    assert (again.there, again.dead_lettered) == (3, 3)
    assert len(store.kept) == 6


def test_what_can_not_be_kept_either_comes_back() -> None:
    store = Store(lambda document, _: BUSY if document.index == DEAD_LETTER else REFUSED)
    with pytest.raises(UndeliveredError, match=r"1 of 1 documents .* a dead letter can.t be kept"):
        store.delivery().deliver(documents(1))


def test_a_server_that_refuses_us_is_not_waited_for() -> None:
    store = Store(lambda _document, _request: OpenSearchError("403"))
    with pytest.raises(OpenSearchError, match="403"):
        store.delivery().deliver(documents(2))
    assert store.requests == 1


OUTCOMES = st.sampled_from([STORED, THERE, REFUSED, BUSY, OpenSearchUnavailable("down")])


@given(st.lists(st.lists(OUTCOMES, min_size=8, max_size=8), min_size=1, max_size=30), st.integers(0, 8))
def test_whatever_happens_each_is_stored_or_kept_or_told(
    weather: list[list[Outcome | OpenSearchError]], count: int
) -> None:
    def judge(document: Document, request: int) -> Outcome | OpenSearchError:
        today = weather[request % len(weather)]
        return today[int(document.id[0], 16) % 8] if document.index != DEAD_LETTER else today[0]

    store = Store(judge)
    delivery = store.delivery(seconds=40)
    missing = 0
    try:
        delivery.deliver(documents(count))
    except UndeliveredError as error:
        missing = int(str(error).split()[0])
    kept = {
        orjson.loads(document.source)["id"] if document.index == DEAD_LETTER else document.id
        for document in store.kept.values()
    }
    assert count - missing == delivery.result.done <= len(kept)
