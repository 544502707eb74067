"""The API server's clock: nodes' own clocks differ, and may be set back."""

import time
from collections.abc import Callable
from email.utils import mktime_tz, parsedate_tz


class ServerClock:
    """Tells the server's time from the `Date` of its answers; this host's own until there was one.

    A `Date` is in whole seconds, so that the time is up to a second early, and never late.
    """

    def __init__(self, *, steady: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._steady = steady
        self._wall = wall
        self._ahead: float | None = None

    def observe(self, date: str | None) -> None:
        """Take the `Date` header of an answer that has just come."""
        parsed = parsedate_tz(date) if date else None
        if parsed is not None:
            self._ahead = mktime_tz(parsed) - self._steady()

    def time(self) -> float:
        """Unix seconds."""
        ahead = self._ahead
        return self._wall() if ahead is None else self._steady() + ahead
