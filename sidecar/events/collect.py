"""Collection: every Event that the API server lists, and every change that it shows, goes to the journal.

A list is always emitted, also after a 410: what OpenSearch has already is left out, the rest is journaled. Between two
runs the position in the journal tells from where to watch, so that versions in between aren't lost.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from sidecar.errors import JournalError, KubernetesError, OpenSearchError, ResourceExpired, SidecarError
from sidecar.events.journal import Journal, Position
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Record, Recorder
from sidecar.kube import ApiServer, Watch, pages
from sidecar.kube.backoff import Backoff

log = logging.getLogger(__name__)

EVENTS_PATH = "/api/v1/events"
_HISTORY_SECONDS = 15 * 60
"""A position older than this is certainly compacted away: etcd keeps 5 to 10 minutes."""
_MAX_DIGITS = 20
_AGAIN_SECONDS = 10.0
_PROBE_SECONDS = 15.0
"""So long before a watch ends the server is asked for its resourceVersion."""
_SHORT_SECONDS = 1.0
"""A watch that ends this soon is no watch: something in between cuts it, and is not to be hammered."""


class Lookup(Protocol):
    """What collection asks of OpenSearch; `sidecar.opensearch.Documents` answers."""

    def existing(self, keys: Sequence[tuple[str, str]]) -> list[bool]: ...  # noqa: D102 - see Documents


class Collector:
    """Lists and watches; use it from one thread, and `stop` it from any."""

    def __init__(
        self,
        api: ApiServer,
        recorder: Recorder,
        journal: Journal,
        lookup: Lookup,
        metrics: EventMetrics,
        *,
        chosen: Callable[[Any], bool] = lambda _event: True,
    ) -> None:
        self._api = api
        self._chosen = chosen
        self._recorder = recorder
        self._journal = journal
        self._lookup = lookup
        self._metrics = metrics
        self._stopping = threading.Event()
        self._watch: Watch | None = None
        self._backoff = Backoff()
        self._version = ""
        self._cause = "start"
        self._expired = -_AGAIN_SECONDS
        self.synced = threading.Event()
        """Set once a list has been journaled."""

    def stop(self) -> None:
        """End `run` soon, also while it is reading."""
        self._stopping.set()
        watch = self._watch
        if watch is not None:
            watch.close()

    def run(self) -> None:
        """Collect until `stop`; every failure is repeated with a growing delay."""
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._version = self._list()
                self._follow()
            except ResourceExpired as error:
                log.info("the watch history does not reach back, listing again: %s", error)
                self._version = ""
                # A list that took too long is no list: the position of the last run is still to be tried.
                self._cause = "expired" if self.synced.is_set() else self._cause
                # At once the first time: versions that are replaced meanwhile are lost.
                if time.monotonic() - self._expired < _AGAIN_SECONDS:
                    self._pause(self._backoff.failed())
                self._expired = time.monotonic()
            except KubernetesError as error:
                self._failed("kubernetes", error)
            except JournalError as error:
                # What was not written, or is gone, is read again from where all was safe.
                self._version, self._cause = "", "start"
                self._failed("journal", error)

    def _failed(self, link: str, error: SidecarError) -> None:
        delay = self._backoff.failed()
        self._metrics.errors.labels(link).inc()
        log.warning("events can't be collected, next attempt in %.1f s: %s", delay, error)
        self._pause(delay)

    def _list(self) -> str:
        """Journal everything that is listed and not in OpenSearch; the resourceVersion to watch from."""
        listed = missing = 0
        version = ""
        lookup = True
        position = self._journal.position
        for page in pages(self._api, EVENTS_PATH):
            records = self._records(page.items)
            absent = self._absent(records) if lookup else None
            if absent is None:
                # Unknown is as good as absent: an id that is there already is not written again. And a server that does
                # not answer must not hold up every page: the list would expire.
                lookup, absent = False, records
            listed, missing, version = listed + len(page.items), missing + len(absent), page.resource_version
            self._metrics.received.labels("list").inc(len(page.items))
            # A crash before the first list has ended: the next start lists all again, and then watches from here. All
            # pages of a list have the same resourceVersion.
            first = page.resource_version if position is None else None
            self._append(absent, first)
            if self._stopping.is_set():
                return ""
        self._metrics.lists.labels(self._cause).inc()
        log.info("listed %d events, %d of them new", listed, missing)
        self.synced.set()
        if self._cause == "start" and (earlier := _earlier(position, version)):
            return earlier
        self._append([], version)
        return version

    def _follow(self) -> None:
        """One watch, from the last resourceVersion on."""
        if not self._version:
            return  # stopped within the list
        began = time.monotonic()
        with Watch(self._api, EVENTS_PATH, self._version) as watch:
            self._watch = watch
            self._metrics.watching.set(1)
            cause = "error"
            probe = _Probe(self._api, watch.seconds - _PROBE_SECONDS)
            try:
                if not self._stopping.is_set():
                    self._take_all(watch)
                cause = "stopped" if self._stopping.is_set() else "time"
            except ResourceExpired:
                cause = "expired"
                raise
            finally:
                probe.cancel()
                self._watch = None
                self._metrics.watching.set(0)
                self._metrics.watch_ends.labels(cause).inc()
        if cause == "time":
            self._move_on(probe.version)
        if time.monotonic() - began < _SHORT_SECONDS:
            self._pause(self._backoff.failed())
        else:
            self._backoff.succeeded()

    def _move_on(self, probed: str) -> None:
        """After a quiet watch that the server ended in order, go on from the state that it had shown all of.

        The stream brought everything up to its end, and the server had seconds to send what is older than the probe.
        Without this the resourceVersion of a quiet cluster would be compacted away, and each watch end in a list.
        """
        if _number(probed) > _number(self._version):
            self._version = probed
            self._append([], probed)

    def _take_all(self, watch: Watch) -> None:
        for changes in watch:
            self._version = self._take(changes) or self._version
            self._backoff.succeeded()
            if self._stopping.is_set():
                return

    def _take(self, changes: Iterable[Any]) -> str:
        """Journal what a watch showed; its last resourceVersion."""
        version = ""
        shown = []
        for change in changes:
            metadata = change.item.get("metadata") if isinstance(change.item, dict) else None
            found = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
            version = found if found and isinstance(found, str) else version
            # A deleted Event (its hour is over) is no new version of it.
            if change.type in {"ADDED", "MODIFIED"}:
                shown.append(change.item)
        self._metrics.received.labels("watch").inc(len(shown))
        return version if self._append(self._records(shown), version or None) else ""

    def _records(self, items: Sequence[Any]) -> list[Record]:
        """The records of the Events that are to go out."""
        records = [self._recorder.record(item) for item in items if self._chosen(item)]
        self._metrics.left_out.inc(len(items) - len(records))
        return records

    def _append(self, records: Sequence[Record], version: str | None) -> bool:
        done = self._journal.append(
            [record.line for record in records], resource_version=version, stop=self._stopping.is_set
        )
        self._metrics.journaled.inc(len(records) if done else 0)
        return done

    def _absent(self, records: list[Record]) -> list[Record] | None:
        """Those that OpenSearch doesn't have; None where it can't tell."""
        try:
            flags = self._lookup.existing([(record.index, record.id) for record in records])
        except OpenSearchError as error:
            log.info("journaling the whole list, because OpenSearch can't tell what it has: %s", error)
            return None
        return [record for record, there in zip(records, flags, strict=True) if not there]

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)


def _earlier(position: Position | None, listed: str) -> str:
    """The position of the last run, from where to watch while the history may reach it; else empty."""
    if not position or time.time() - position.time > _HISTORY_SECONDS:
        return ""
    # One beyond the list's is of another cluster, or of one that was restored: a watch would wait silently for it.
    if not 0 <= _number(position.resource_version) <= _number(listed):
        return ""
    log.info("watching from resourceVersion %s, where the last run ended", position.resource_version)
    return position.resource_version


class _Probe:
    """Asks once, after some seconds, for the resourceVersion of the cluster; `version` is empty until then."""

    def __init__(self, api: ApiServer, seconds: float) -> None:
        self._api = api
        self.version = ""
        self._timer = threading.Timer(seconds, self._ask)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Don't ask any more."""
        self._timer.cancel()

    def _ask(self) -> None:
        try:
            self.version = next(pages(self._api, EVENTS_PATH, limit=1)).resource_version
        except KubernetesError as error:
            log.debug("no fresh resourceVersion: %s", error)


def _number(version: str) -> int:
    """A resourceVersion as the number that it is (KEP-5504); -1 where it isn't one."""
    return int(version) if version.isascii() and version.isdigit() and len(version) <= _MAX_DIGITS else -1
