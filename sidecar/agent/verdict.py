"""What became of a reload that Fluent Bit was asked for, judged by what it shows from then on.

Its own answer says nothing. A configuration that it refuses before it stops anything leaves the old one at work, and
the count of reloads as it is; one that a plugin refuses when it starts ends the process, a second later; and one that
lacks a plugin would go on without it. Measured with 5.1.1: its port is closed for some 30 ms in a reload that works.
"""

from collections.abc import Callable
from enum import StrEnum

from sidecar.agent.fluentbit import Glimpse

GONE_SECONDS = 0.7
"""How long its port may be closed before it is taken to be ending. Where it is, it needs another second to end."""
LOST_SECONDS = 10.0
"""How long its port may be closed before it is gone."""
PATIENCE_SECONDS = 3.0
"""How often it is asked whether it is still at it, while its count stays as it is."""
LONGEST_SECONDS = 60.0
"""How long it may take: what it stops waits for its last requests, of which each may take 30 s."""
_SETTLE_SECONDS = 3.0
"""How long a plugin may lack from the list of those that run."""


class Verdict(StrEnum):
    """What became of it; the values are those of the metric."""

    DONE = "done"
    """It runs with what it was to read."""
    ABSENT = "absent"
    """It does not run: it reads everything when it starts."""
    REFUSED = "refused"
    """It goes on with what it had."""
    DIED = "died"
    """It ended, and perhaps was started again."""
    BROKEN = "broken"
    """It runs, and plugins are missing."""
    SILENT = "silent"
    """It does not answer."""
    STOPPED = "stopped"
    """The sidecar was told to stop before it was clear."""

    @property
    def well(self) -> bool:
        """Whether Fluent Bit runs, or will run, with what it was to read, as far as can be told."""
        return self in {Verdict.DONE, Verdict.ABSENT}


class Judge:
    """Takes one look after the other, until there is a verdict.

    Args:
        before: The count of reloads at the time of the request.
        expected: The plugins that are to run.
        asked: When it was asked, in seconds, monotonic.

    Attributes:
        missing: Plugins that did not run when it was last looked for them.
    """

    def __init__(self, before: int, expected: frozenset[str], asked: float) -> None:
        self._before = before
        self._expected = expected
        self._asked = self._heard = self._checked = asked
        self._closed_since: float | None = None
        self._closed = False
        self._up_since: float | None = None
        self._shown_since: float | None = None
        self.missing: frozenset[str] = frozenset()

    def gone(self, now: float) -> bool:
        """Whether it seems to be ending: its port has been closed for longer than a reload takes."""
        return self._closed_since is not None and now - self._closed_since >= GONE_SECONDS

    def take(
        self, now: float, seen: Glimpse, plugins: Callable[[], frozenset[str] | None], idle: Callable[[], bool]
    ) -> Verdict | None:
        """Take in what it shows; None where that is no verdict yet.

        Args:
            now: Seconds, monotonic.
            seen: What it shows.
            plugins: Asks for the plugins that run.
            idle: Asks whether no reload is in progress.
        """
        if not seen.listening:
            self._closed_since = now if self._closed_since is None else self._closed_since
            self._closed, self._up_since = True, None
            return Verdict.DIED if now - self._closed_since >= LOST_SECONDS else None
        self._closed_since = None
        if seen.count is None:
            return Verdict.SILENT if now - self._heard >= LONGEST_SECONDS else None
        self._heard = now
        if seen.count > self._before:
            return self._up(now, plugins())
        if self._closed or seen.count < self._before:
            return Verdict.DIED  # it counts from 0 again: another process
        if now - self._checked >= PATIENCE_SECONDS:
            self._checked = now
            if idle():
                return Verdict.REFUSED
        return Verdict.SILENT if now - self._asked >= LONGEST_SECONDS else None

    def _up(self, now: float, running: frozenset[str] | None) -> Verdict | None:
        self._up_since = now if self._up_since is None else self._up_since
        if running is None:
            return Verdict.SILENT if now - self._up_since >= LONGEST_SECONDS else None
        self.missing = self._expected - running
        if not self.missing:
            return Verdict.DONE
        self._shown_since = now if self._shown_since is None else self._shown_since
        return Verdict.BROKEN if now - self._shown_since >= _SETTLE_SECONDS else None
