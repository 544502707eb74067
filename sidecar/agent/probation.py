"""Whether Fluent Bit starts, and stays, with a configuration that it has not run with before.

A plugin that refuses what it was given ends the process before its port opens. From outside that looks like a container
that isn't started yet, but for one thing: the configuration was read.
"""

from sidecar.agent.fluentbit import Glimpse

STEADY_SECONDS = 5.0
"""For how long it must answer without a break."""
_APART_SECONDS = 0.5
"""Two reads of the file that are closer belong to one start."""
_AGAIN_SECONDS = 3.0
"""How long the second of two starts in vain may take to come up."""
_ONCE_SECONDS = 90.0
"""How long one start may take to come up."""
_MOST_ENDS = 2


class Probation:
    """Takes one look after the other, until it is clear.

    Attributes:
        well: True once Fluent Bit is steady, False once it clearly does not work; None before.
        reason: Why it does not.
    """

    def __init__(self) -> None:
        self.well: bool | None = None
        self.reason = ""
        self._reads = 0
        self._first_read = self._last_read = 0.0
        self._up_since: float | None = None
        self._down_since: float | None = None
        self._ends = 0

    def take(self, now: float, seen: Glimpse, *, read: bool) -> None:
        """Take in what is seen.

        Args:
            now: Seconds, monotonic.
            seen: What Fluent Bit shows.
            read: Whether the configuration was read since the last look.
        """
        if self.well is not None:
            return
        if read and (not self._reads or now - self._last_read >= _APART_SECONDS):
            self._first_read = now if not self._reads else self._first_read
            self._reads, self._last_read = self._reads + 1, now
        if seen.count is not None:
            self._is_up(now)
        elif not seen.listening:
            self._is_down(now)

    def _is_up(self, now: float) -> None:
        self._down_since = None
        self._up_since = now if self._up_since is None else self._up_since
        # What was read in vain before was an earlier start.
        self._reads = 0
        if now - self._up_since >= STEADY_SECONDS:
            self.well = True

    def _is_down(self, now: float) -> None:
        if self._up_since is not None:
            # A reload closes its port too, for a moment.
            self._down_since = now if self._down_since is None else self._down_since
            if now - self._down_since < 1.0:
                return
            self._up_since, self._ends = None, self._ends + 1
        if self._ends >= _MOST_ENDS:
            self._fail(f"Fluent Bit ended {self._ends} times within seconds of its start")
        elif self._reads > 1 and now - self._last_read >= _AGAIN_SECONDS:
            self._fail(f"Fluent Bit was started {self._reads} times and never came up")
        elif self._reads and now - self._first_read >= _ONCE_SECONDS:
            self._fail(f"Fluent Bit did not come up within {_ONCE_SECONDS:.0f} s of its start")

    def _fail(self, reason: str) -> None:
        self.well, self.reason = False, reason
