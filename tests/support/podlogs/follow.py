"""The part of `sidecar run` that follows the log files, alone: the rest needs an API server and OpenSearch."""

import threading
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from sidecar.agent.reloads import Reloads
from sidecar.config import Config
from sidecar.logs.buffer import BufferWatch
from sidecar.logs.metrics import LogMetrics
from sidecar.logs.tracking import FileTracker
from sidecar.render.layout import Layout


class Follower:
    """Follows the log files of one configuration, in threads of this process, until it is closed."""

    def __init__(self, config: Config) -> None:
        self._registry = CollectorRegistry()
        self._stopping = threading.Event()
        metrics = LogMetrics(self._registry)
        reloads = Reloads(config.fluentbit.port)
        chunks = Path(Layout.of(config).chunks)

        def rewind(cause: str, since: float) -> None:
            tracker.rewind(cause, since)

        buffer = BufferWatch(config.fluentbit.port, chunks, config.buffer.disk, metrics, rewind)
        tracker = FileTracker(
            config,
            metrics,
            reload=lambda: reloads.reload().well,
            up_seconds=buffer.up_seconds,
        )
        tracker.prepare()
        self._threads = [
            threading.Thread(target=partial(part.run, self._stopping), daemon=True) for part in (tracker, buffer)
        ]
        for thread in self._threads:
            thread.start()

    def value(self, name: str, **labels: str) -> float:
        """A metric; 0 where it isn't there."""
        return self._registry.get_sample_value(name, labels) or 0.0

    def lost(self, namespace: str, pod: str, container: str) -> float:
        """Bytes of a container that went before they were read."""
        return self.value("sidecar_log_bytes_lost_total", namespace=namespace, pod=pod, container=container)

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(5)
