"""What `sidecar run` does for pod logs on its node, in one piece."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from sidecar.config.model import Config
from sidecar.kube import ApiServer
from sidecar.logs.buffer import BufferWatch
from sidecar.logs.metrics import LogMetrics
from sidecar.logs.podtable import PodTable, node_name
from sidecar.logs.tracking import FileTracker
from sidecar.render.layout import Layout


class PodLogs:
    """The table of pods, the account of files, and the watch on Fluent Bit's buffer.

    Args:
        config: pipeline.yaml, with `logs.enabled`.
        api: The API server; not asked with `logs.metadata: path`.
        registry: For the metrics.
        stopping: Ends all parts; call `stop` too.
        reload: Reloads Fluent Bit if it is running; False where that failed.

    Raises:
        SidecarError: The node's name is needed and not given.
    """

    def __init__(
        self,
        config: Config,
        api: ApiServer,
        registry: CollectorRegistry,
        *,
        stopping: threading.Event,
        reload: Callable[[], bool],
    ) -> None:
        node = node_name(config)
        metrics = LogMetrics(registry)
        self._stopping = stopping
        self._table = PodTable(config, api, node, metrics)
        chunks = Path(Layout.of(config).chunks)
        self._buffer = BufferWatch(config.fluentbit.port, chunks, config.buffer.disk, metrics, self._rewind)
        self._tracker = FileTracker(config, metrics, reload=reload, up_seconds=self._buffer.up_seconds)

    def prepare(self) -> None:
        """Call it before Fluent Bit can start.

        Raises:
            SidecarError: Something below paths.state can't be written.
        """
        self._tracker.prepare()

    def ready(self) -> bool:
        """Whether what Fluent Bit's filter needs is in place."""
        return self._table.ready.is_set()

    @property
    def parts(self) -> list[tuple[str, Callable[[], None]]]:
        """What wants a thread each, by name."""
        return [
            ("pods", self._table.watch),
            ("pods-table", self._table.keep_written),
            ("files", partial(self._tracker.run, self._stopping)),
            ("buffer", partial(self._buffer.run, self._stopping)),
        ]

    def stop(self) -> None:
        """End the watch on pods, also while it is reading."""
        self._table.stop()

    def _rewind(self, cause: str, since: float) -> None:
        self._tracker.rewind(cause, since)
