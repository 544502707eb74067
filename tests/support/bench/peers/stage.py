"""Contestants side by side at one API server and one OpenSearch, what is written meanwhile, and what came of it."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import urllib3

from tests.support.apiserver import ApiServer
from tests.support.bench.peers.contestant import Contestant, document_id
from tests.support.bench.peers.events import ENTRIES, Place
from tests.support.binaries import build
from tests.support.chaos.listener import Pipe
from tests.support.chaos.load import Ledger, Load, Make
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.shapes import Shape, shape
from tests.support.waiting import unique_name

_EVERY = 0.5
_LINGER = 3.0
"""Seconds for which it is waited for what comes twice."""
_WARM_SECONDS = 90.0


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
        speed: Versions found a second, from the first write until its last document came.
        late: Seconds from the last write until its last document came.
        cpu: CPU seconds for it, from before the first write.
        memory: MiB at most, since its start.
        ends: How often a process of it ended by itself.
    """

    name: str
    sent: int
    promised: int
    missing: int
    versions_missing: int
    twice: int
    speed: float
    late: float
    cpu: float
    memory: float
    ends: int


@dataclass
class _Lane:
    """One contestant's run.

    Attributes:
        before: Documents that were there before the first write.
        count: Documents now.
        moved: When the count last changed (monotonic).
    """

    contestant: Contestant
    updates: bool
    answers: Answers
    before: int = 0
    count: int = 0
    moved: float = 0.0
    cpu: float = 0.0


def common(index: int, namespace: str, at: Any) -> Shape:
    """Events as most are: of those of `shapes` all but the tenth that is longer than 1 KB."""
    return shape(index // 9 * 10 + index % 9, namespace, at)


@dataclass
class Stage:
    """All that a scenario has to do with; use it as a context manager.

    Args:
        folder: For everything; made.
        parts: What there is.
        names: The contestants.
        rate: Writes a second.
        make: What is written.
    """

    folder: Path
    parts: Parts
    names: list[str]
    rate: float
    make: Make = common
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        self.folder.mkdir(parents=True)
        self.server = self._stack.enter_context(ApiServer(build(lambda _: None), self.folder / "apiserver"))
        self.opensearch = self._stack.enter_context(Pipe(urlsplit(self.parts.opensearch).port or 9200))
        self._lanes = [self._start(number, name) for number, name in enumerate(self.names)]
        self.load = Load(self.server.kubeconfig, unique_name("peers"), rate=self.rate, make=self.make)
        self._stack.callback(self.load.halt)
        self._warm_up()

    def _start(self, number: int, name: str) -> _Lane:
        folder = self.folder / f"contestant-{number}"
        folder.mkdir()

        def start(command: list[Any], *, name: str, env: Any = None) -> Process:
            return self._stack.enter_context(Process(command, log=folder / f"{name}.log", env=env, name=name))

        url = f"http://127.0.0.1:{self.opensearch.port}"
        program = self.parts.programs.get(name, Path())
        entry = ENTRIES[name]
        contestant = entry.start(Place(folder, url, self.server, self.parts.fluent_bit, start, program))
        answers = self._stack.enter_context(Answers(self.parts.opensearch, contestant.index))
        return _Lane(contestant, entry.updates, answers)

    def _warm_up(self) -> None:
        """Write until each has delivered something: only then do all of them watch."""
        warm = Load(self.server.kubeconfig, unique_name("warm"), rate=4, workers=1, make=common)
        warm.start()
        end = time.monotonic() + _WARM_SECONDS
        while any(lane.answers.count() == 0 for lane in self._lanes):
            idle = [lane.contestant for lane in self._lanes if lane.count == 0]
            assert time.monotonic() < end, "\n".join(f"nothing of {one.name}\n{one.tail()}" for one in idle)
            self.pause(_EVERY)
        warm.stop()
        self._settle([warm.ledger.written] * len(self._lanes), 10, 5)
        for lane in self._lanes:
            lane.before = lane.answers.count()
            lane.contestant.look()
            lane.cpu = lane.contestant.usage.cpu

    def pause(self, seconds: float) -> None:
        """Let time pass, and look after all meanwhile."""
        end = time.monotonic() + seconds
        while True:
            for lane in self._lanes:
                lane.contestant.look()
                if (count := self._count(lane)) != lane.count:
                    lane.count, lane.moved = count, time.monotonic()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(_EVERY, left))

    def crash(self, seconds: float) -> None:
        """Kill every process of every contestant, and start them again after some seconds."""
        for lane in self._lanes:
            lane.contestant.kill()
        time.sleep(seconds)
        for lane in self._lanes:
            lane.contestant.start()

    def play(self, act: Callable[["Stage"], None], *, patience: float, stall: float) -> list[Outcome]:
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
        owed = [ledger.written if lane.updates else len(ledger.versions) for lane in self._lanes]
        self._settle(owed, patience, stall)
        self.pause(_LINGER)
        return [self._judge(lane, ledger, began, ended) for lane in self._lanes]

    def _settle(self, owed: list[int], patience: float, stall: float) -> None:
        end, began = time.monotonic() + patience, time.monotonic()
        while time.monotonic() < end:
            self.pause(_EVERY)
            waits = [
                lane
                for lane, number in zip(self._lanes, owed, strict=True)
                if lane.count - lane.before < number and time.monotonic() - max(lane.moved, began) < stall
            ]
            if not waits:
                return

    def _judge(self, lane: _Lane, ledger: Ledger, began: float, ended: float) -> Outcome:
        lane.answers.count()
        sources = (hit["_source"] for hit in lane.answers.documents())
        counts = Counter(key for source in sources if (key := document_id(source)))
        versions = ledger.ids
        found = versions & counts.keys()
        seen = {key.partition(".")[0] for key in found}
        usage = lane.contestant.usage
        missing = len(versions) - len(found)
        return Outcome(
            name=lane.contestant.name,
            sent=len(versions),
            promised=len(versions) if lane.updates else len(ledger.versions),
            missing=missing if lane.updates else len(ledger.versions.keys() - seen),
            versions_missing=missing,
            twice=sum(counts[key] - 1 for key in found),
            speed=round(len(found) / (lane.moved - began), 1) if lane.moved > began else 0.0,
            late=round(max(0.0, lane.moved - ended), 1),
            cpu=round(usage.cpu - lane.cpu, 2),
            memory=round(usage.memory, 1),
            ends=lane.contestant.ends,
        )

    def _count(self, lane: _Lane) -> int:
        """As it can be searched; nothing is refreshed by hand."""
        url = f"{self.parts.opensearch}/{lane.contestant.index}*/_count"
        return int(urllib3.request("GET", url, timeout=30).json().get("count", 0))
