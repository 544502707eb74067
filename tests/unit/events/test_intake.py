"""What is wanted of what the API server shows, into the journal."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from sidecar.config import loads
from sidecar.errors import JournalError
from sidecar.events.following import Position
from sidecar.events.intake import Intake
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Involved, Recorder
from tests.support.fakes.kubernetes import event

RECORDER = Recorder(loads("cluster: c1\nopensearch: {url: http://localhost:9200}\n"))


class Knows:
    """Knowledge of the objects of some Events; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[Any], float]] = []

    def look_up(self, events: Sequence[Any], *, budget: float) -> Sequence[Involved | None]:
        self.asked.append((list(events), budget))
        return [Involved({"app": item["metadata"]["name"]}) if item["count"] > 1 else None for item in events]


class Taking:
    """An intake into a journal of its own."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.registry = CollectorRegistry()
        self.journal = Journal(folder, cap=options.pop("cap", 10**6))
        self.leading = True
        self.intake = Intake(
            RECORDER, self.journal, EventMetrics(self.registry), leading=lambda: self.leading, **options
        )

    @property
    def documents(self) -> list[Any]:
        lines = b"".join(path.read_bytes() for path in self.journal.segments()).splitlines()
        return [orjson.loads(line) for line in lines]

    def take(self, *items: Any, position: Position | None = None) -> bool:
        return self.intake.append(self.intake.records(items, budget=1), position)

    def count(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"sidecar_events_{name}_total")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Taking]]:
    made: list[Taking] = []

    def make(**options: Any) -> Taking:
        made.append(Taking(tmp_path / str(len(made)), **options))
        return made[-1]

    yield make
    for taking in made:
        taking.journal.close()


def test_what_is_shown_is_journaled_in_order_with_the_position_that_it_reaches(make: Callable[..., Taking]) -> None:
    taking = make()
    assert taking.take(event(3), event(1), event(2), position=Position("3", 5.0))
    assert [document["id"] for document in taking.documents] == ["uid-e3.3", "uid-e1.1", "uid-e2.2"]
    taking.journal.commit()
    assert taking.journal.position == Position("3", 5.0)
    assert taking.count("journaled") == 3


def test_what_is_not_chosen_is_counted_and_neither_asked_about_nor_journaled(make: Callable[..., Taking]) -> None:
    knows = Knows()
    taking = make(chosen=lambda item: item["count"] != 7, knowledge=knows)
    assert taking.take(event(1), event(2, count=7), event(3, count=7))
    assert [document["id"] for document in taking.documents] == ["uid-e1.1"]
    assert (taking.count("left_out"), taking.count("journaled")) == (2, 1)
    assert [len(items) for items, _ in knows.asked] == [1]


def test_each_event_gets_what_is_known_of_its_own_object(make: Callable[..., Taking]) -> None:
    knows = Knows()
    taking = make(knowledge=knows)
    records = taking.intake.records([event(1, count=1), event(2), event(3)], budget=0.25)
    found = [orjson.loads(record.line)["involvedObject"].get("labels") for record in records]
    assert found == [None, {"app": "e2"}, {"app": "e3"}]
    assert [budget for _, budget in knows.asked] == [0.25]
    assert taking.documents == [], "nothing is written before it is to be"


def test_whoever_does_not_lead_writes_nothing_and_moves_no_position(make: Callable[..., Taking]) -> None:
    taking = make()
    taking.leading = False
    assert not taking.take(event(1), position=Position("1", 1.0))
    taking.journal.commit()
    assert (taking.documents, taking.journal.position, taking.count("journaled")) == ([], None, 0)
    taking.leading = True
    assert taking.take(event(1), position=Position("1", 1.0))
    assert taking.count("journaled") == 1


def test_who_waits_for_room_in_the_journal_can_be_stopped_and_has_written_nothing(make: Callable[..., Taking]) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 1

    taking = make(cap=8000, stop=stop)
    while taking.journal.size < 7000:
        assert taking.take(event(1, message="x" * 500))
    before = taking.documents
    assert not taking.take(event(2, message="x" * 1500), position=Position("2", 1.0))
    assert taking.documents == before
    assert taking.count("journaled") == len(before)
    taking.journal.commit()
    assert taking.journal.position is None
    assert len(asked) == 2


def test_a_journal_that_can_not_be_written_is_an_error_and_nothing_is_counted(make: Callable[..., Taking]) -> None:
    taking = make()
    taking.journal._lost = True
    with pytest.raises(JournalError):
        taking.take(event(1))
    assert taking.count("journaled") == 0


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, {"metadata": None}])
def test_an_odd_event_is_a_record_like_any_other(make: Callable[..., Taking], odd: Any) -> None:
    taking = make()
    assert taking.take(odd, event(1))
    assert len({document["id"] for document in taking.documents}) == 2
