"""Which positions are confirmed, by how far the journal is. Pure bookkeeping, of bounded size."""

from collections import deque
from pathlib import Path
from typing import NamedTuple

from sidecar.events.following import Position

_MOST = 4096


class _Mark(NamedTuple):
    """What is confirmed once all up to a place in the journal is."""

    segment: Path
    offset: int
    position: Position


class Marks:
    """Positions at places of the journal, in its order. Not safe for several threads.

    Attributes:
        confirmed: The last position of which all is confirmed; None while there is none.
    """

    def __init__(self) -> None:
        self._marks: deque[_Mark] = deque()
        self.confirmed: Position | None = None

    def set(self, segment: Path, offset: int, position: Position) -> None:
        """Once all up to here is confirmed, `position` is; called in the order of the journal."""
        mark = _Mark(segment, offset, position)
        if self._marks and self._marks[-1][:2] == mark[:2]:
            self._marks.pop()
        elif len(self._marks) >= _MOST:  # an outage: every other one says enough
            self._marks = deque(list(self._marks)[::2])
        self._marks.append(mark)

    def reached(self, segment: Path, offset: int) -> None:
        """All lines of earlier segments, and of this one up to `offset`, are confirmed."""
        while self._marks and self._marks[0][:2] <= (segment, offset):
            self.confirmed = self._marks.popleft().position

    def drop(self) -> None:
        """Forget what is yet to be confirmed."""
        self._marks.clear()
