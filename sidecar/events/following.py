"""Where collection stands, and what comes next. Pure: answers of the API server go in, the next state comes out.

The watch covers everything after the place that it begins at; a list, made once that place is known, covers what is
before it. Versions between a place that the history no longer reaches and the list may be lost: that is a gap.

    begin -> (head) -> watch from `at` --changes, probes--> `at` moves
               ^                      --410--> `at` is out of reach, a list is due
               +----------------------------------'

`safe` moves only while no list is due: whoever begins from it again lists everything again too.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

_MAX_DIGITS = 20
_AHEAD_SECONDS = 60.0
"""So much may clocks of API servers differ."""

Cause = Literal["start", "expired"]


@dataclass(frozen=True, slots=True)
class Position:
    """A state of the API server: its resourceVersion, and a time (Unix seconds, its clock) when it was not older."""

    resource_version: str
    time: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Between these two, versions of Events may be missing (`history`), or whole Events (`outage`)."""

    start: Position
    end: Position
    cause: Literal["history", "outage"]

    def __str__(self) -> str:
        """For the log."""
        versions = f"{self.start.resource_version or 'unknown'} to {self.end.resource_version}"
        return f"resourceVersion {versions}, {self.end.time - self.start.time:.0f} s, {self.cause}"


@dataclass(frozen=True, slots=True)
class Following:
    """A state.

    Attributes:
        at: All up to here was handed on, lies in `gap`, or is in the list that is due. None: nothing yet.
        reachable: Whether a watch from `at` is to be tried; else a head is to be asked for first.
        lost: Whether what is between `at` and the head can't be watched any more.
        due: Why a list is due; None where none is.
        gap: What is to be told once the list is done.
    """

    at: Position | None = None
    reachable: bool = False
    lost: bool = False
    due: Cause | None = "start"
    gap: Gap | None = None

    @property
    def safe(self) -> Position | None:
        """From where collection may begin again after a crash; None while that has not moved."""
        return self.at if self.reachable and self.due is None else None


def begin(position: Position | None) -> Following:
    """The first state.

    Args:
        position: Up to where everything is safe already, by oneself or an earlier leader; a version that is empty says
            only when that was.
    """
    return Following(at=position)


def headed(state: Following, head: Position, *, until: float, ttl: timedelta) -> Following:
    """The API server told its present state: where to watch from.

    Args:
        state: One that isn't `reachable`.
        head: The server's state, asked for after `state` was reached.
        until: When the answer was there; what happened later is after `head`.
        ttl: How long the server keeps an Event.
    """
    at = state.at
    if at is None:
        return replace(state, at=head, reachable=True)
    # A version beyond the head's is of another cluster, or of one that was restored: a watch would wait silently.
    if not state.lost and 0 <= number(at.resource_version) <= number(head.resource_version):
        return replace(state, reachable=True)
    if at.resource_version == head.resource_version:  # compacted, and yet nothing has happened since
        return replace(state, reachable=True, lost=False)
    start = state.gap.start if state.gap else at
    return replace(state, at=head, reachable=True, lost=False, gap=gap_between(start, head, until=until, ttl=ttl))


def gap_between(start: Position, head: Position, *, until: float, ttl: timedelta) -> Gap:
    """What may be missing up to a head that was told at `until`.

    A start without a time, or ahead of the server's, is taken for as long ago as the server keeps an Event.
    """
    end = Position(head.resource_version, until)
    kept = ttl.total_seconds()
    if not 0 < start.time <= until:
        return Gap(Position(start.resource_version, max(until - kept, 0.0)), end, "outage")
    return Gap(start, end, "outage" if until - start.time > kept else "history")


def learned(state: Following, last: Position, head: Position, *, until: float, ttl: timedelta) -> Following:
    """What came last before this start became known, while the list is still due."""
    return replace(state, gap=gap_between(last, head, until=until, ttl=ttl)) if state.due and not state.gap else state


def moved(state: Following, position: Position) -> Following:
    """Changes up to `position` were handed on; or an ordered end of the watch showed that there are no others."""
    if state.at is None or number(position.resource_version) < number(state.at.resource_version):
        return state
    return replace(state, at=Position(position.resource_version, max(position.time, state.at.time)))


def expired(state: Following) -> Following:
    """410: the history does not reach back to `at`."""
    return replace(state, reachable=False, lost=True, due=state.due or "expired")


def listed(state: Following) -> Following:
    """A list that began after the last head is done, and all of it was handed on; `gap` is to be told now."""
    return replace(state, due=None, gap=None)


def sound(position: Position, now: float) -> Position:
    """A position that somebody wrote down; its time is 0, which is unknown, where it can't be true."""
    return position if 0 < position.time <= now + _AHEAD_SECONDS else Position(position.resource_version, 0.0)


def number(version: str) -> int:
    """A resourceVersion as the number that it is (KEP-5504); -1 where it isn't one."""
    return int(version) if version.isascii() and version.isdigit() and len(version) <= _MAX_DIGITS else -1
