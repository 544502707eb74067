"""Watches Fluent Bit's disk buffer: what it dropped to make room is read again from the log files, once there is room.

Fluent Bit counts as dropped what it evicts, but not what it evicts of the chunks that it found at its start: that shows
in chunk files that go although nothing is delivered. Nor does it count new lines for which it can't make room, because
all that it has is being sent: so a buffer that was full is enough to read again.
"""

import http.client
import logging
import re
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sidecar.logs.metrics import LogMetrics

log = logging.getLogger(__name__)

OUTPUT = "logs"
"""Alias of the output that pod logs go to."""
_EVERY_SECONDS = 2.0
_TIMEOUT = 2.0
_FEW_CHUNKS = 8
_CALM_SAMPLES = 3
_NEARLY_FULL = 0.8
_ROOM = 4 * 1024 * 1024
"""A buffer with less room than this is full: two chunks."""
_SPACING = (600.0, 86400.0)
"""Seconds between two rewinds, at first and at most: more than fits in the buffer would only be evicted again."""
_LINE = re.compile(r'^(fluentbit_\w+)\{[^}]*?(?:name="([^"]*)")?\} (\S+)|^(fluentbit_\w+) (\S+)', re.MULTILINE)
# A proxy of the environment (HTTP_PROXY) is for what is elsewhere.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Sample:
    """What Fluent Bit says of itself, since its start or reload.

    Attributes:
        uptime: Seconds.
        dropped: Records of pod logs that were dropped.
        errors: Chunks of pod logs that were given up for another reason; their records are counted as dropped too.
        delivered: Records that any output delivered.
        chunks: Chunks on disk.
    """

    uptime: float
    dropped: float
    errors: float
    delivered: float
    chunks: float


@dataclass(frozen=True)
class Held:
    """The chunk files: their names, and what they take."""

    names: frozenset[str] = frozenset()
    bytes: int = 0


def parse(text: str) -> Sample | None:
    """What Fluent Bit's metrics say (Prometheus' text format); None where they lack what is needed."""
    sums: dict[str, float] = {}
    for labelled, name, value, plain, plain_value in _LINE.findall(text):
        metric = labelled or plain
        key = f"{metric}:{OUTPUT}" if name == OUTPUT and metric.startswith("fluentbit_output_") else metric
        try:
            number = float(value or plain_value)
        except ValueError:
            continue
        for entry in {key, metric}:
            sums[entry] = sums.get(entry, 0.0) + number
    if "fluentbit_uptime" not in sums or "fluentbit_storage_fs_chunks" not in sums:
        return None
    errors = ("fluentbit_output_errors_total", "fluentbit_output_retries_failed_total")
    return Sample(
        uptime=sums["fluentbit_uptime"],
        dropped=sums.get(f"fluentbit_output_dropped_records_total:{OUTPUT}", 0.0),
        errors=sum(sums.get(f"{name}:{OUTPUT}", 0.0) for name in errors),
        delivered=sums.get("fluentbit_output_proc_records_total", 0.0),
        chunks=sums["fluentbit_storage_fs_chunks"],
    )


class Evictions:
    """Decides when to rewind, from one sample after the other.

    Args:
        limit: What the buffer may take, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: Sample | None = None
        self._held = Held()
        self._found: frozenset[str] = frozenset()
        self._since: float | None = None
        self._calm = 0
        self._drained = 0.0
        self._not_before = 0.0
        self._spacing = _SPACING[0]
        self.evicted = 0.0
        """Records evicted so far, where Fluent Bit counts them."""

    def take(self, sample: Sample, held: Held, now: float) -> float | None:
        """Take in a sample, and the chunk files at that time.

        Returns:
            None, or that positions are to be rewound now, and since when (Unix seconds) what was read may be gone.
        """
        last = self._last
        if last is None or _began_anew(last, sample):
            # What it found at its start can only go undelivered where there was no room for it.
            full = self._held.bytes >= _NEARLY_FULL * self._limit
            self._found = self._held.names if last is not None and full else frozenset()
            last = Sample(0, 0, 0, 0, 0)
        if sample.delivered:
            self._found = frozenset()
        dropped = sample.dropped - last.dropped if sample.errors == last.errors else 0.0
        self.evicted += dropped
        if dropped or self._found - held.names or held.bytes > self._limit - _ROOM:
            self._found &= held.names
            self._since = self._drained if self._since is None else self._since
            self._calm = 0
        delivers = sample.delivered > last.delivered or not sample.chunks
        self._calm = self._calm + 1 if sample.chunks <= _FEW_CHUNKS and delivers and not dropped else 0
        self._last, self._held = sample, held
        return self._when_calm(now)

    def _when_calm(self, now: float) -> float | None:
        if self._calm < _CALM_SAMPLES:
            return None
        since, self._since = self._since, None
        if since is None:
            self._drained = now
            if now - self._not_before > _SPACING[1]:
                self._spacing = _SPACING[0]
            return None
        if now < self._not_before:
            self._since = since
            return None
        self._not_before = now + self._spacing
        self._spacing = min(2 * self._spacing, _SPACING[1])
        return since


def _began_anew(last: Sample, sample: Sample) -> bool:
    """Whether Fluent Bit has started or reloaded in between."""
    return sample.uptime < last.uptime or sample.dropped < last.dropped or sample.delivered < last.delivered


class BufferWatch:
    """Asks Fluent Bit every two seconds; give `run` a thread.

    Args:
        port: Fluent Bit's, on the loopback address.
        chunks: Folder of its chunks.
        limit: What the buffer may take, in bytes.
        metrics: What is counted.
        rewind: Called with the cause and a time: what was read since then may be gone.
    """

    def __init__(
        self, port: int, chunks: Path, limit: int, metrics: LogMetrics, rewind: Callable[[str, float], None]
    ) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v2/metrics/prometheus"
        self._chunks = chunks
        self._metrics = metrics
        self._rewind = rewind
        self._evictions = Evictions(limit)
        self._counted = 0.0
        self._up: float | None = None

    def up_seconds(self) -> float:
        """For how long Fluent Bit has been answering without a break."""
        up = self._up
        return time.monotonic() - up if up is not None else 0.0

    def run(self, stopping: threading.Event) -> None:
        """Watch until `stopping` is set."""
        while not stopping.wait(_EVERY_SECONDS):
            self.step()

    def step(self) -> None:
        """Ask once; an answer that doesn't come is asked for again the next time."""
        sample = self._sample()
        if sample is None:
            self._up = None
            return
        self._up = time.monotonic() if self._up is None else self._up
        since = self._evictions.take(sample, self._hold(), time.time())
        if self._evictions.evicted > self._counted:
            if not self._counted:
                log.warning("Fluent Bit's disk buffer is full: it drops the oldest records, which are read again later")
            self._metrics.records_evicted.inc(self._evictions.evicted - self._counted)
            self._counted = self._evictions.evicted
        if since is not None:
            try:
                self._rewind("evicted", since)
            except OSError as error:
                log.warning("what was dropped is not read again: %s", error)

    def _sample(self) -> Sample | None:
        try:
            with _OPENER.open(self._url, timeout=_TIMEOUT) as answer:
                return parse(answer.read().decode(errors="replace"))
        except (OSError, http.client.HTTPException):
            return None

    def _hold(self) -> Held:
        names, size = [], 0
        for path in self._chunks.glob("*/*.flb"):
            try:
                size += path.stat().st_size
            except OSError:
                continue
            names.append(path.name)
        return Held(frozenset(names), size)
