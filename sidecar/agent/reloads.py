"""Every reload of Fluent Bit goes through here: one at a time, watched to its end, and counted."""

import logging
import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.verdict import LONGEST_SECONDS, Judge, Verdict

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_HALT_SECONDS = 1.0
"""How long Fluent Bit may take to find that it refuses what it read."""
_SAID = {
    Verdict.REFUSED: "it refuses what it was to read, and goes on with what it had",
    Verdict.DIED: "it ended",
    Verdict.SILENT: "it does not answer",
    Verdict.STOPPED: "the sidecar stops before that is clear",
}


class Reloads:
    """Reloads the Fluent Bit of this pod.

    Args:
        port: Of its HTTP server.
        registry: For the metric.
        stopping: Ends the waiting.

    Attributes:
        lock: Held while it reloads; who changes what it reads, and reloads it, holds it over both.
        expected: The plugins that are to run.
        reason: What was wrong with the last reload that did not work.
    """

    def __init__(
        self, port: int, *, registry: CollectorRegistry | None = None, stopping: threading.Event | None = None
    ) -> None:
        self.fluent_bit = FluentBit(port)
        self.lock = threading.RLock()
        self.expected: frozenset[str] = frozenset()
        self.reason = ""
        self._stopping = stopping or threading.Event()
        self._counted = Counter(
            "sidecar_reloads", "Reloads of Fluent Bit, by what came of them.", ["result"], registry=registry
        )

    def reload(self, *, fall_back: Callable[[], None] | None = None) -> Verdict:
        """Reload, and wait until it has or hasn't.

        Args:
            fall_back: Called at most once, when it seems to be ending: puts back what it is to read when it is started
                again, which may be at once.
        """
        with self.lock:
            verdict = self._reload(fall_back)
            if verdict is not Verdict.ABSENT:
                self._counted.labels(verdict.value).inc()
            if not verdict.well:
                log.warning("Fluent Bit was to reload: %s", self.reason)
            return verdict

    def _reload(self, fall_back: Callable[[], None] | None) -> Verdict:
        before = self._ask()
        if isinstance(before, Verdict):
            self.reason = _SAID.get(before, "")
            return before

        def idle() -> bool:
            # It takes the request: then the one before has ended. In vain, unless this one, which a busy Fluent Bit
            # may have taken for the first, is counted.
            if self.fluent_bit.ask_to_reload() is not True:
                return False
            self._stopping.wait(_HALT_SECONDS)
            count = self.fluent_bit.reload_count()
            return count is not None and count <= before

        judge = Judge(before, self.expected, time.monotonic())
        verdict = None
        while verdict is None:
            if fall_back is not None and judge.gone(time.monotonic()):
                fall_back()
                fall_back = None
            stopped = self._stopping.wait(_LOOK_SECONDS)
            now = time.monotonic()
            verdict = (
                Verdict.STOPPED if stopped else judge.take(now, self.fluent_bit.look(), self.fluent_bit.plugins, idle)
            )
        broken = f"it runs without {', '.join(sorted(judge.missing))}"
        self.reason = broken if verdict is Verdict.BROKEN else _SAID.get(verdict, "")
        return verdict

    def _ask(self) -> int | Verdict:
        """Have it begin, after one that is in progress; its count before, or why it doesn't."""
        end = time.monotonic() + LONGEST_SECONDS
        while True:
            seen = self.fluent_bit.look()
            if not seen.listening:
                return Verdict.ABSENT
            begun = None if seen.count is None else self.fluent_bit.ask_to_reload()
            if begun and seen.count is not None:
                return seen.count
            if begun is None or time.monotonic() >= end:
                return Verdict.SILENT
            if self._stopping.wait(_LOOK_SECONDS):
                return Verdict.STOPPED
