"""The API server's clock: nodes' own clocks differ, and may be set back."""

import time
from collections.abc import Callable
from email.utils import mktime_tz, parsedate_tz

_FIRST, _LAST = 1_577_836_800, 4_102_444_800  # 2020 and 2100: what is outside is no date


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
        try:
            parsed = parsedate_tz(date) if date else None
            told = mktime_tz(parsed) if parsed else 0
        except (ValueError, OverflowError, TypeError, IndexError):
            return
        if _FIRST <= told <= _LAST:
            self._ahead = told - self._steady()

    def time(self) -> float:
        """Unix seconds."""
        ahead = self._ahead
        return self._wall() if ahead is None else self._steady() + ahead
