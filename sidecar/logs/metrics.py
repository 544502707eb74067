"""What is counted of pod logs."""

import threading
from collections.abc import Collection, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_PREFIX = "sidecar_log"
_LABELS = ("namespace", "pod", "container")
NO_CONTAINER = "-"
GONE_SECONDS = 900.0
"""How long the series of a container that is gone are shown: a few scrapes, and a look at a graph."""


class ContainerCounters(Collector):
    """Counters by container, whose series end some time after the container is gone.

    A key is `<namespace>/<pod>/<container>`, or `-` for what concerns no container: then the labels are empty.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}
        self._values: dict[str, dict[str, float]] = {}
        self._seen: dict[str, float] = {}

    def declare(self, name: str, text: str) -> None:
        """Say what a counter means."""
        self._texts[name] = text

    def add(self, name: str, key: str, value: float) -> None:
        """Count; an unknown name is counted too."""
        with self._lock:
            values = self._values.setdefault(name, {})
            values[key] = values.get(key, 0) + value

    def forget(self, living: Collection[str], now: float) -> None:
        """End the series of containers that have not been among the living for some time."""
        with self._lock:
            keys = {key for values in self._values.values() for key in values} - {NO_CONTAINER}
            self._seen = {key: now if key in living else self._seen.get(key, now) for key in keys}
            gone = {key for key, seen in self._seen.items() if now - seen > GONE_SECONDS}
            for values in self._values.values():
                for key in gone & values.keys():
                    del values[key]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The series as they are now; a counter without any is there too."""
        with self._lock:
            shown = {name: dict(self._values.get(name, {})) for name in {**self._texts, **self._values}}
        for name, values in sorted(shown.items()):
            family = CounterMetricFamily(
                f"{_PREFIX}_{name}", self._texts.get(name, "Counted by the filter."), labels=_LABELS
            )
            for key, value in sorted(values.items()):
                family.add_metric(_labels(key), value)
            yield family


def _labels(key: str) -> list[str]:
    parts = key.split("/", 2)
    return parts if len(parts) == len(_LABELS) else ["", "", ""]


class LogMetrics:
    """Prometheus metrics of pod logs, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", text, registry=registry)

        self.containers = ContainerCounters()
        self.containers.declare("bytes_lost", "Bytes of log files that went before they were read; at most so many.")
        registry.register(self.containers)
        self.all_bytes_lost = counter(
            "all_bytes_lost", "The same for all containers, also those that are gone, without replaced pods of ours."
        )
        self.records_evicted = counter("records_evicted", "Records that Fluent Bit dropped from its full disk buffer.")
        self.rewinds = counter("rewinds", "Times that all log files on the node were begun anew.", "cause")
        self.backfilled = counter(
            "backfilled_files", "Gzipped log files that were read, because they had not been before."
        )
        self.backfilling = gauge("backfilling_files", "Gzipped log files that are still to be read.")
        self.files = gauge("files", "Log files on the node, gzipped ones included.")
        self.unread = gauge("unread_bytes", "Bytes of plain log files that Fluent Bit has not read yet.")
        self.scan_seconds = gauge("scan_seconds", "What the last look at the log files took.")
        self.scan_errors = counter("scan_errors", "Looks at the log files that failed, and are repeated.")
        self.pods = gauge("pods", "Pods of this node that are known.")
        self.table_writes = counter("pod_table_writes", "Times that the table of pods was written.")
        self.pod_watch_ends = counter("pod_watch_ends", "Watches on pods that ended.", "cause")
        self.pod_errors = counter("pod_errors", "Failed attempts to list or watch pods, which are repeated.")
