"""The pods of this node, watched, in the file that Fluent Bit's filter reads."""

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.config.model import Config
from sidecar.errors import KubernetesError, ResourceExpired, SidecarError
from sidecar.kube import ApiServer, Watch, pages
from sidecar.kube.backoff import Backoff
from sidecar.logs.disk import replace_file
from sidecar.logs.metrics import LogMetrics
from sidecar.logs.pods import Row, invalid_annotation, rows, table
from sidecar.render.layout import Layout

log = logging.getLogger(__name__)

PODS_PATH = "/api/v1/pods"
NODE_NAME = "NODE_NAME"
_KEPT_SECONDS = 600.0
"""How long a deleted pod stays in the table at least: its last lines are read later."""
_MOST_GONE = 5000
_DEBOUNCE_SECONDS = 0.1
_PRUNE_SECONDS = 30.0
_READY_SECONDS = 15.0
_SHORT_SECONDS = 1.0
"""A watch that ends this soon is no watch: something in between cuts it, and is not to be hammered."""


def node_name(config: Config, environment: Mapping[str, str] = os.environ) -> str:
    """The name of this node, from the environment; empty where it is neither given nor needed.

    Raises:
        SidecarError: It is needed, because the pods of this node are asked for, and isn't given.
    """
    name = environment.get(NODE_NAME, "").strip()
    if not name and config.logs.enabled and config.logs.metadata == "api":
        raise SidecarError(
            f"{NODE_NAME} is not set, so that the pods of this node can't be asked for",
            hint=f"in a pod set {NODE_NAME} from spec.nodeName; elsewhere to the node's name, or set logs.metadata: "
            "path, or logs.enabled: false",
        )
    return name


@dataclass
class _Known:
    """A pod: its rows, its log folder, and since when it is gone."""

    rows: list[Row]
    folders: list[str]
    gone: float | None = None


class PodTable:
    """Keeps the table; `watch` and `keep_written` each want a thread, and `stop` ends both.

    Until the first list has succeeded, a table that is there is left as it is. `ready` is set once one was written, or
    after 15 seconds without an answer: lines without labels are better than none.
    """

    def __init__(self, config: Config, api: ApiServer, node: str, metrics: LogMetrics) -> None:
        self._config = config
        self._api = api
        self._node = node
        self._metrics = metrics
        self._path = Path(Layout.of(config).pods_table)
        self._lock = threading.Lock()
        self._pods: dict[str, _Known] = {}
        self._dirty = threading.Event()
        self._listed = False
        self._written: str | None = None
        self._generation = 0
        self._backoff = Backoff()
        self._version = ""
        self._stopping = threading.Event()
        self._watch: Watch | None = None
        self._selector = {"fieldSelector": f"spec.nodeName={node}"}
        self.ready = threading.Event()

    def stop(self) -> None:
        """End both threads soon."""
        self._stopping.set()
        self._dirty.set()
        watch = self._watch
        if watch is not None:
            watch.close()

    def watch(self) -> None:
        """List and watch until `stop`; every failure is repeated with a growing delay."""
        if self._config.logs.metadata == "path":
            self._listed = True
            self._dirty.set()
            self._stopping.wait()
            return
        while not self._stopping.is_set():
            try:
                self._version = self._version or self._list()
                self._follow()
            except ResourceExpired as error:
                log.info("the watch on pods does not reach back, listing again: %s", error)
                self._version = ""
                self._stopping.wait(self._backoff.failed())
            except KubernetesError as error:
                self._metrics.pod_errors.inc()
                delay = self._backoff.failed()
                log.warning("pods of node %s can't be watched, next attempt in %.1f s: %s", self._node, delay, error)
                self._stopping.wait(delay)

    def _list(self) -> str:
        found: dict[str, Any] = {}
        version = ""
        # From the server's cache: a list of one node's pods from its database would read those of all nodes.
        for page in pages(self._api, PODS_PATH, selector=self._selector, resource_version="0"):
            found |= {uid: item for item in page.items if (uid := _uid(item))}
            version = page.resource_version
        with self._lock:
            for uid in self._pods.keys() - found.keys():
                self._gone(uid)
        self._take(found.values())
        self._listed = True
        self._dirty.set()
        log.info("node %s has %d pods", self._node, len(found))
        return version

    def _follow(self) -> None:
        """One watch, from the last resourceVersion on."""
        began = time.monotonic()
        cause = "error"
        with Watch(self._api, PODS_PATH, self._version, selector=self._selector) as watch:
            self._watch = watch
            try:
                if self._stopping.is_set():
                    watch.close()
                for changes in watch:
                    self._backoff.succeeded()
                    for change in changes:
                        self._version = _version(change.item) or self._version
                        if change.type == "DELETED":
                            with self._lock:
                                self._gone(_uid(change.item))
                        elif change.type != "BOOKMARK":
                            self._take([change.item])
                cause = "stopped" if self._stopping.is_set() else "time"
            except ResourceExpired:
                cause = "expired"
                raise
            finally:
                self._watch = None
                self._metrics.pod_watch_ends.labels(cause).inc()
        if time.monotonic() - began < _SHORT_SECONDS:
            self._stopping.wait(self._backoff.failed())

    def _take(self, pods: Iterable[Any]) -> None:
        for pod in pods:
            uid, found = _uid(pod), rows(pod)
            if not uid or not found:
                continue
            with self._lock:
                before = self._pods.get(uid)
                if before and before.rows == found and before.gone is None:
                    continue
                self._pods[uid] = _Known(found, [f"{row.namespace}_{row.pod}_{row.key}" for row in found])
            if wrong := invalid_annotation(pod):
                log.warning("pod %s/%s: %s", found[0].namespace, found[0].pod, wrong)
            self._dirty.set()

    def _gone(self, uid: str) -> None:
        known = self._pods.get(uid)
        if known and known.gone is None:
            known.gone = time.monotonic()

    def keep_written(self) -> None:
        """Write the table whenever it has changed, until `stop`."""
        began = time.monotonic()
        while not self._stopping.is_set():
            changed = self._dirty.wait(_PRUNE_SECONDS if self.ready.is_set() else 1.0)
            self._stopping.wait(_DEBOUNCE_SECONDS if changed else 0)
            self._dirty.clear()
            if self._stopping.is_set():
                return
            self._prune()
            if self._listed:
                self._write()
            elif not self.ready.is_set() and time.monotonic() - began > _READY_SECONDS:
                log.warning("no list of the node's pods yet: log lines go out without labels until there is one")
                self.ready.set()

    def _write(self) -> None:
        with self._lock:
            found = [row for known in self._pods.values() for row in known.rows]
            self._metrics.pods.set(sum(known.gone is None for known in self._pods.values()))
        text = table(found, node=self._node, generation=0)
        if text == self._written and self._path.exists():
            return
        # Also after a restart a number that was not there before.
        self._generation = max(self._generation + 1, int(time.time() * 1000))
        try:
            replace_file(self._path, table(found, node=self._node, generation=self._generation))
        except OSError as error:
            log.warning("%s can't be written: %s", self._path, error.strerror)
            self._dirty.set()
            self._stopping.wait(1)
            return
        self._written = text
        self._metrics.table_writes.inc()
        self.ready.set()

    def _prune(self) -> None:
        """Forget pods that are long gone, and whose log folder is too."""
        logs, now = Path(self._config.paths.logs), time.monotonic()
        with self._lock:
            gone = sorted((known.gone, uid) for uid, known in self._pods.items() if known.gone is not None)
            for place, (since, uid) in enumerate(gone):
                old = now - since > _KEPT_SECONDS
                if place < len(gone) - _MOST_GONE or (
                    old and not any((logs / folder).is_dir() for folder in self._pods[uid].folders)
                ):
                    del self._pods[uid]


def _metadata(item: Any) -> dict[str, Any]:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _uid(item: Any) -> str:
    uid = _metadata(item).get("uid")
    return uid if isinstance(uid, str) else ""


def _version(item: Any) -> str:
    version = _metadata(item).get("resourceVersion")
    return version if isinstance(version, str) else ""
