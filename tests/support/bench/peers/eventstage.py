"""Events that are written before the eyes of all contestants, and what came of them."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.bench.peers.contestant import document_id
from tests.support.bench.peers.events import ENTRIES
from tests.support.bench.peers.stage import Lane, Stage
from tests.support.chaos.load import Ledger, Load, Make
from tests.support.shapes import Shape, shape
from tests.support.waiting import unique_name

_LINGER = 3.0
"""Seconds for which it is waited for what comes twice."""
_WARM_SECONDS = 90.0
_FIELDS = tuple(f"{above}metadata.{name}" for above in ("", "object.") for name in ("uid", "resourceVersion"))


@dataclass(frozen=True)
class Parts:
    """The real parts, and the contestants' own programs by name: who isn't in it doesn't take part."""

    opensearch: str
    fluent_bit: Path
    programs: dict[str, Path]


@dataclass(frozen=True)
class Outcome:
    """What came of one in one scenario.

    Attributes:
        sent: Versions of Events that the API server took.
        promised: Of those, how many it says it passes on: all, or the first of each Event.
        missing: Of the promised, not found when it was looked for.
        versions_missing: The same of all versions.
        twice: Surplus documents of a version.
        rate: Writes a second that the API server took.
        speed: Versions found a second, from the first write until its last document came.
        late: Seconds from the last write until its last document came.
        cpu: CPU seconds for it, from the first write on.
        memory: MiB at most, since its start.
        ends: How often a process of it ended by itself.
    """

    name: str
    sent: int
    promised: int
    missing: int
    versions_missing: int
    twice: int
    rate: float
    speed: float
    late: float
    cpu: float
    memory: float
    ends: int


def common(index: int, namespace: str, at: Any) -> Shape:
    """Events as most are: of those of `shapes` all but the tenth that is longer than 1 KB."""
    return shape(index // 9 * 10 + index % 9, namespace, at)


class EventStage(Stage):
    """A stage with contestants that watch events.

    Args:
        folder: For everything; made.
        parts: What there is.
        names: The contestants.
        rate: Writes a second.
        make: What is written.
    """

    def __init__(self, folder: Path, parts: Parts, names: list[str], *, rate: float, make: Make = common) -> None:
        super().__init__(folder, parts.opensearch, parts.fluent_bit)
        try:
            self._updates = [ENTRIES[name].updates for name in names]
            for name in names:
                self.enter(ENTRIES[name].start, parts.programs[name])
            self.load = Load(self.server.kubeconfig, unique_name("peers"), rate=rate, make=make)
            self.stack.callback(self.load.halt)
            self._warm_up()
        except BaseException:
            self.stack.close()
            raise

    def _warm_up(self) -> None:
        """Write until each has delivered something: only then do all of them watch."""
        warm = Load(self.server.kubeconfig, unique_name("warm"), rate=4, workers=1, make=common)
        warm.start()
        end = time.monotonic() + _WARM_SECONDS
        while idle := [lane.contestant for lane in self.lanes if lane.answers.count() == 0]:
            assert time.monotonic() < end, "\n".join(f"nothing of {one.name}\n{one.tail()}" for one in idle)
            self.pause(0.5)
        warm.stop()
        self.settle([warm.ledger.written] * len(self.lanes), 10, 5)
        self.mark()

    def play(self, act: Callable[["EventStage"], None], *, patience: float, stall: float) -> list[Outcome]:
        """Write while `act` does what it does, wait, and count.

        Args:
            act: Ends when enough is written.
            patience: Seconds after the last write after which what has not come is missing.
            stall: ... and seconds without anything new from anyone that is still owed something.
        """
        began = time.monotonic()
        self.load.start()
        act(self)
        ledger = self.load.stop()
        ended = time.monotonic()
        owed = [ledger.written if updates else len(ledger.versions) for updates in self._updates]
        self.settle(owed, patience, stall)
        self.pause(_LINGER)
        judged = zip(self.lanes, self._updates, strict=True)
        return [_judge(lane, ledger, began, ended, updates=updates) for lane, updates in judged]


def _judge(lane: Lane, ledger: Ledger, began: float, ended: float, *, updates: bool) -> Outcome:
    lane.answers.count()  # which refreshes
    sources = (hit["_source"] for hit in lane.answers.documents(*_FIELDS))
    counts = Counter(key for source in sources if (key := document_id(source)))
    versions = ledger.ids
    found = versions & counts.keys()
    seen = {key.partition(".")[0] for key in found}
    versions_missing = len(versions) - len(found)
    return Outcome(
        name=lane.contestant.name,
        sent=len(versions),
        promised=len(versions) if updates else len(ledger.versions),
        missing=versions_missing if updates else len(ledger.versions.keys() - seen),
        versions_missing=versions_missing,
        twice=sum(counts[key] - 1 for key in found),
        rate=round(len(versions) / (ended - began), 1),
        speed=round(len(found) / (lane.moved - began), 1) if lane.moved > began else 0.0,
        late=lane.late(ended),
        cpu=lane.cost,
        memory=lane.memory,
        ends=lane.contestant.ends,
    )
