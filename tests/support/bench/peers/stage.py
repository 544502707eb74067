"""Contestants side by side at one API server and one OpenSearch: looked after, killed, and waited for."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import urllib3

from tests.support.apiserver import ApiServer
from tests.support.bench.peers.contestant import Contestant
from tests.support.binaries import build
from tests.support.chaos.listener import Pipe
from tests.support.process import Process
from tests.support.search import Answers

_EVERY = 0.5


@dataclass(frozen=True)
class Place:
    """Where a contestant is started.

    Attributes:
        folder: Its own; there, and empty.
        url: OpenSearch, http.
        server: The API server.
        fluent_bit: The program.
        start: Takes a command and `name`, and perhaps `env`.
        peer: The contestant's own program, where it isn't Fluent Bit.
    """

    folder: Path
    url: str
    server: ApiServer
    fluent_bit: Path
    start: Callable[..., Process]
    peer: Path = Path()


@dataclass
class Lane:
    """One contestant's run.

    Attributes:
        answers: What OpenSearch holds of it.
        before: Documents that were there before the first write.
        count: Documents now.
        moved: When the count last changed (monotonic).
        cpu: Seconds that it had used before the first write.
    """

    contestant: Contestant
    answers: Answers
    before: int = 0
    count: int = 0
    moved: float = 0.0
    cpu: float = 0.0

    @property
    def cost(self) -> float:
        """CPU seconds from the first write to the latest look."""
        return round(self.contestant.usage.cpu - self.cpu, 2)

    @property
    def memory(self) -> float:
        """MiB at most."""
        return round(self.contestant.usage.memory, 1)

    def late(self, since: float) -> float:
        """Seconds from a moment until the last document came."""
        return round(max(0.0, self.moved - since), 1)


class Stage:
    """What a scenario has to do with; use it as a context manager.

    Args:
        folder: For everything; made.
        opensearch: Its URL.
        fluent_bit: The program.

    Attributes:
        server: An API server of its own, which may be killed.
        opensearch: The way to OpenSearch, which may be closed.
        lanes: The contestants, once they are started.
    """

    def __init__(self, folder: Path, opensearch: str, fluent_bit: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.lanes: list[Lane] = []
        self.stack = ExitStack()
        self._url = opensearch
        self._fluent_bit = fluent_bit
        try:
            self.server = self.stack.enter_context(ApiServer(build(lambda _: None), folder / "apiserver"))
            self.opensearch = self.stack.enter_context(Pipe(urlsplit(opensearch).port or 80))
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def enter(self, start: Callable[[Place], Contestant], peer: Path = Path()) -> Lane:
        """Start a contestant."""
        folder = self.folder / f"contestant-{len(self.lanes)}"
        folder.mkdir()

        def begin(command: list[Any], *, name: str, env: Any = None) -> Process:
            return self.stack.enter_context(Process(command, log=folder / f"{name}.log", env=env, name=name))

        url = f"http://127.0.0.1:{self.opensearch.port}"
        contestant = start(Place(folder, url, self.server, self._fluent_bit, begin, peer))
        lane = Lane(contestant, self.stack.enter_context(Answers(self._url, contestant.index)))
        self.lanes.append(lane)
        return lane

    def mark(self) -> None:
        """From now on it counts."""
        for lane in self.lanes:
            lane.contestant.look()
            lane.before = lane.count = lane.answers.count()
            lane.cpu = lane.contestant.usage.cpu

    def pause(self, seconds: float) -> None:
        """Let time pass, and look after all meanwhile."""
        end = time.monotonic() + seconds
        while True:
            for lane in self.lanes:
                lane.contestant.look()
                if (count := self._searchable(lane)) != lane.count:
                    lane.count, lane.moved = count, time.monotonic()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(_EVERY, left))

    def outage(self, scale: float) -> None:
        """OpenSearch refuses connections for a minute, with 15 s before and after; all of it `scale` times as short."""
        self.pause(15 / scale)
        self.opensearch.refuse()
        self.pause(60 / scale)
        self.opensearch.refuse(False)
        self.pause(15 / scale)

    def crash(self, seconds: float) -> None:
        """Kill every process of every contestant, and start them again after some seconds."""
        for lane in self.lanes:
            lane.contestant.kill()
        time.sleep(seconds)
        for lane in self.lanes:
            lane.contestant.start()

    def settle(self, owed: Sequence[int], patience: float, stall: float) -> None:
        """Wait until each has delivered so many documents since the mark.

        Args:
            owed: By lane.
            patience: Seconds after which it ends anyway.
            stall: ... or without anything new from those that have not.
        """
        began = time.monotonic()
        while time.monotonic() < began + patience:
            self.pause(_EVERY)
            if not any(
                lane.count - lane.before < number and time.monotonic() - max(lane.moved, began) < stall
                for lane, number in zip(self.lanes, owed, strict=True)
            ):
                return

    def calm(self, seconds: float, patience: float) -> None:
        """Wait until nobody has had a new document for some seconds, but no longer than `patience` seconds."""
        began = time.monotonic()
        while time.monotonic() < began + patience:
            self.pause(_EVERY)
            if time.monotonic() - max(began, *(lane.moved for lane in self.lanes)) >= seconds:
                return

    def _searchable(self, lane: Lane) -> int:
        """Documents that a search finds; nothing is refreshed by hand."""
        url = f"{self._url}/{lane.contestant.index}*/_count"
        return int(urllib3.request("GET", url, timeout=30).json().get("count", 0))
