"""Runs `sidecar` with a wall clock that is set back by an hour while a file exists: `shifted FILE ARGUMENT...`.

The monotonic clock goes on, as it does when an administrator or NTP sets the wall clock.
"""

import datetime as dt
import os
import sys
import time
from typing import Any

_SECONDS = 3600
_LOOK_EVERY = 0.05


class _Shift:
    """How far the clock is set back now; looks for the file now and then only, for clocks are read often."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._looked = -_LOOK_EVERY
        self._there = False

    def seconds(self) -> int:
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked, self._there = now, os.path.exists(self._file)  # noqa: PTH110 - asked often
        return _SECONDS if self._there else 0


def install(file: str) -> None:
    """Replace what reads the wall clock, before anything has taken a reference to it."""
    shift = _Shift(file)
    real_time, real_time_ns, real_gmtime, real_localtime = time.time, time.time_ns, time.gmtime, time.localtime
    time.time = lambda: real_time() - shift.seconds()
    time.time_ns = lambda: real_time_ns() - shift.seconds() * 10**9
    time.gmtime = lambda seconds=None: real_gmtime(time.time() if seconds is None else seconds)
    time.localtime = lambda seconds=None: real_localtime(time.time() if seconds is None else seconds)

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(time.time())

    dt.datetime = Shifted  # type: ignore[misc]  # every later `from datetime import datetime` gets this one


if __name__ == "__main__":
    install(sys.argv.pop(1))
    from sidecar.cli import main

    sys.argv[0] = "sidecar"
    main()
