"""The rules of following, against a model of the API server that does its worst."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from sidecar.events.following import Following, Gap, Position, begin, expired, headed, listed, moved, number

TTL = timedelta(seconds=100)


def head(version: int, time: float = 0.0) -> Position:
    return Position(str(version), time)


def go(state: Following, version: int, time: float = 0.0) -> Following:
    return headed(state, head(version, time), until=time, ttl=TTL)


def test_without_a_position_the_watch_begins_at_the_head_and_all_is_listed() -> None:
    state = go(begin(None), 7, 50)
    assert (state.at, state.reachable, state.due, state.gap) == (head(7, 50), True, "start", None)
    assert state.safe is None
    assert listed(state).safe == head(7, 50)


def test_with_a_position_the_watch_begins_there_and_all_is_listed_too() -> None:
    state = go(begin(head(5, 10)), 7, 50)
    assert (state.at, state.reachable, state.due, state.gap) == (head(5, 10), True, "start", None)


@pytest.mark.parametrize("version", ["8", "", "x", "-1", "9" * 30])
def test_a_position_that_can_not_serve_is_a_gap_up_to_the_head(version: str) -> None:
    state = headed(begin(Position(version, 10)), head(7, 50), until=51, ttl=TTL)
    assert state.at == head(7, 50)
    assert state.gap == Gap(Position(version, 10), Position("7", 51), "history")


def test_what_took_longer_than_events_are_kept_is_an_outage() -> None:
    assert go(begin(Position("", 10)), 7, 110).gap == Gap(Position("", 10), head(7, 110), "history")
    assert go(begin(Position("", 10)), 7, 111).gap == Gap(Position("", 10), head(7, 111), "outage")


def test_a_410_asks_for_a_head_and_a_list_and_tells_a_gap_once_it_is_done() -> None:
    state = expired(moved(listed(go(begin(None), 7)), head(9, 20)))
    assert (state.reachable, state.due, state.safe) == (False, "expired", None)
    state = go(state, 30, 60)
    assert state.at == head(30, 60)
    assert state.gap == Gap(head(9, 20), head(30, 60), "history")
    assert listed(state).gap is None


def test_a_second_410_before_the_list_is_done_makes_the_gap_longer() -> None:
    state = go(expired(go(expired(listed(go(begin(None), 7, 1))), 30, 60)), 50, 90)
    assert state.gap == Gap(head(7, 1), head(50, 90), "history")


def test_a_410_in_a_cluster_in_which_nothing_has_happened_is_no_gap() -> None:
    state = go(expired(listed(go(begin(None), 7, 1))), 7, 2000)
    assert state.gap is None
    assert state.reachable


def test_positions_and_times_never_go_back() -> None:
    state = moved(moved(listed(go(begin(None), 7, 50)), head(9, 20)), head(8, 90))
    assert state.at == head(9, 50)


@pytest.mark.parametrize(("text", "value"), [("12", 12), ("", -1), ("٣", -1), ("1.5", -1), ("-3", -1), ("9" * 21, -1)])
def test_a_version_is_a_number_or_none(text: str, value: int) -> None:
    assert number(text) == value


@dataclass
class Server:
    """An API server: Events with versions, a history that is compacted, a clock."""

    version: int = 0
    oldest: int = 0  # a watch from before this is a 410
    now: float = 0.0
    events: dict[int, int] = field(default_factory=dict)  # the last version of each
    log: list[tuple[int, int, float]] = field(default_factory=list)  # (version, event, when)

    def write(self, *events: int) -> None:
        for event in events:
            self.version += 1
            self.events[event] = self.version
            self.log.append((self.version, event, self.now))

    def other(self) -> None:
        """Something else than an Event is written."""
        self.version += 1

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def head(self) -> Position:
        return Position(str(self.version), self.now)


@dataclass
class Collector:
    """The shell around the rules: what it has handed on is never lost, what it remembers is, by a crash."""

    server: Server
    handed_on: set[tuple[int, int]] = field(default_factory=set)  # (event, version)
    gaps: list[Gap] = field(default_factory=list)
    stored: Position | None = None
    state: Following = field(default_factory=Following)
    watching: int | None = None  # the version that the open watch has shown up to
    listing: list[int] | None = None  # events still to be listed
    first: int = 0  # the version of the very first start; nothing before it is owed but what is listed

    def crash(self) -> None:
        self.state, self.watching, self.listing = begin(self.stored), None, None

    def store(self) -> None:
        if self.state.safe is not None:
            self.stored = self.state.safe

    def ask_head(self) -> None:
        if not self.state.reachable:
            first = self.state.at is None
            self.state = headed(self.state, self.server.head(), until=self.server.now, ttl=TTL)
            self.listing = None
            if first:
                self.stored = self.state.at

    def open_watch(self) -> None:
        if self.state.reachable and self.watching is None:
            assert self.state.at is not None
            at = number(self.state.at.resource_version)
            if at < self.server.oldest:
                self.state, self.listing = expired(self.state), None
            else:
                self.watching = at

    def show(self, most: int) -> None:
        """The watch shows some changes."""
        if self.watching is None:
            return
        shown = [entry for entry in self.server.log if entry[0] > self.watching][:most]
        for version, event, when in shown:
            self.handed_on.add((event, version))
            self.state, self.watching = moved(self.state, Position(str(version), when)), version
        self.store()

    def cut(self) -> None:
        self.watching = None

    def tick(self, value: int) -> None:
        """Whatever comes next; the watch and the list take turns."""
        self.ask_head()
        self.open_watch()
        if value % 3:
            self.show(value // 2)
        if value % 2:
            self.list_some(value // 3)

    def compact(self, kept: int) -> None:
        self.server.oldest = max(self.server.oldest, self.server.version - kept)
        if self.watching is not None and self.watching < self.server.oldest:
            self.cut()

    def end_in_order(self) -> None:
        """The server ends the watch, after it was asked for its state."""
        if self.watching is not None:
            probe = self.server.head()
            self.show(10**6)
            self.state, self.watching = moved(self.state, probe), None
            self.store()

    def list_some(self, most: int) -> None:
        """Pages of a list, in the order of the keys; each shows the state of its own moment."""
        if self.state.due is None or not self.state.reachable:
            return
        if self.listing is None:
            self.listing = sorted(self.server.events)
        for event in self.listing[:most]:
            if event in self.server.events:
                self.handed_on.add((event, self.server.events[event]))
        # What is made meanwhile, at a place that was passed, the watch shows.
        self.listing = self.listing[most:]
        if not self.listing:
            gap, self.state, self.listing = self.state.gap, listed(self.state), None
            if gap:
                self.gaps.append(gap)
            self.store()


STEPS = ["write", "write", "tick", "tick", "tick", "other", "cut", "end", "compact", "crash", "expire", "wait"]
RUNS, LENGTH = 400, 120


def apply(collector: Collector, step: str, value: int) -> None:
    server = collector.server
    server.now += 1
    steps: dict[str, Any] = {
        "write": lambda: server.write(value, value // 2, value),
        "other": server.other,
        "tick": lambda: collector.tick(value),
        "cut": collector.cut,
        "end": collector.end_in_order,
        "compact": lambda: collector.compact(value // 4),
        "crash": collector.crash,
        "expire": lambda: server.events.pop(value, None),  # its hour is over
        "wait": lambda: server.wait(value * 20),
    }
    steps[step]()


def settle(collector: Collector) -> None:
    for _ in range(4):
        collector.ask_head()
        collector.open_watch()
    collector.show(10**6)
    collector.list_some(10**6)
    collector.show(10**6)


def check(collector: Collector) -> None:
    """Nothing is missing that the server still shows, or that could be watched; all else lies in a gap."""
    server = collector.server
    for event, version in server.events.items():
        assert (event, version) in collector.handed_on, f"the last version of {event}, {version}, is missing"
    began = min((number(gap.start.resource_version) for gap in collector.gaps), default=None)
    for version, event, when in server.log:
        if (event, version) in collector.handed_on or version <= collector.first:
            continue
        inside = [
            gap
            for gap in collector.gaps
            if gap.start.time <= when <= gap.end.time
            and number(gap.start.resource_version) < version <= number(gap.end.resource_version)
        ]
        assert inside, f"version {version} of {event} of {when} lies in no gap; they begin at {began}"


@pytest.mark.parametrize("seed", range(8))
def test_nothing_that_the_server_would_still_give_is_lost_and_what_is_lost_lies_in_a_gap(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(RUNS // 8):
        steps = [(chance.choice(STEPS), chance.randrange(10)) for _ in range(LENGTH)]
        survive(steps)


def survive(steps: list[tuple[str, int]]) -> None:
    collector = Collector(Server())
    for event in (1, 2, 3, 1):
        apply(collector, "write", event)
    collector.ask_head()
    collector.first = collector.server.version  # what was before the first start
    for step, value in steps:
        apply(collector, step, value)
    settle(collector)
    check(collector)


def test_the_runs_are_of_use() -> None:
    """Most of them crash, are compacted, and lose something that only a gap accounts for."""
    chance = random.Random(1)
    collector = Collector(Server())
    for _ in range(LENGTH * 20):
        apply(collector, chance.choice(STEPS), chance.randrange(10))
    settle(collector)
    lost = {(event, version) for version, event, _ in collector.server.log} - collector.handed_on
    assert len(collector.gaps) > 3
    assert len(lost) > 100


def test_the_model_catches_a_rule_that_forgets_the_gap() -> None:
    """A check that can't fail shows nothing: without the gap the same model complains."""
    collector = Collector(Server())
    collector.ask_head()
    settle(collector)
    chance = random.Random(1)
    for _ in range(6):
        apply(collector, "write", chance.randrange(2))
    collector.cut()
    collector.server.oldest = collector.server.version
    settle(collector)
    check(collector)
    assert collector.gaps
    collector.gaps.clear()
    with pytest.raises(AssertionError, match="lies in no gap"):
        check(collector)
