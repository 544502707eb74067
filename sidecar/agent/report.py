"""A line a minute that says what happened to the events."""

import logging
import threading

from prometheus_client import CollectorRegistry

log = logging.getLogger(__name__)

_SECONDS = 60.0
_COUNTED = ("received", "journaled", "confirmed", "resent", "dead_lettered", "gaps")


class Report:
    """Logs while there is something to tell; `run` wants a thread."""

    def __init__(self, registry: CollectorRegistry, *, stopping: threading.Event, seconds: float = _SECONDS) -> None:
        self._registry = registry
        self._stopping = stopping
        self._seconds = seconds

    def run(self) -> None:
        """Log every minute until `stopping`."""
        before = self._read()
        while not self._stopping.wait(self._seconds):
            now = self._read()
            if text := line(before, now):
                log.info("%s", text)
            before = now

    def _read(self) -> dict[str, float]:
        """The sums of the metrics over their labels, by name."""
        found: dict[str, float] = {}
        for metric in self._registry.collect():
            for sample in metric.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found


def line(before: dict[str, float], now: dict[str, float]) -> str:
    """What to tell of a minute; empty for a follower with nothing to do.

    Args:
        before: The metrics at its beginning, by name.
        now: At its end.
    """
    counts = {
        name: int(now.get(key, 0) - before.get(key, 0)) for name in _COUNTED if (key := f"sidecar_events_{name}_total")
    }
    oldest = now.get("sidecar_events_oldest_unconfirmed_seconds", 0.0)
    leading = now.get("sidecar_leader", 0.0) > 0
    if not (leading or any(counts.values()) or oldest):
        return ""
    told = ", ".join(f"{count} {name.replace('_', '-')}" for name, count in counts.items())
    waiting = f"the oldest unconfirmed for {oldest:.0f} s, " if oldest >= 1 else ""
    journal = now.get("sidecar_events_journal_bytes", 0.0) / 2**20
    quiet = now.get("sidecar_events_position_age_seconds", 0.0)
    watch = f"the watch showed something {quiet:.0f} s ago" if leading else "not leading"
    return f"events in the last minute: {told}; {waiting}{journal:.1f} MiB of journal, {watch}"
