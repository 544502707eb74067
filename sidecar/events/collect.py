"""Collection: every Event that the API server lists, and every change that it shows, goes to the journal.

A watch runs from the place that `sidecar.events.following` names; a list of everything runs beside it, at the start and
after a 410. This module asks and hands on; what an answer means is decided there.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from sidecar.errors import JournalError, KubernetesError, ResourceExpired, SidecarError
from sidecar.events.backfill import Backfill
from sidecar.events.following import Following, Gap, Position, begin, expired, headed, listed, moved
from sidecar.events.intake import Intake
from sidecar.events.metrics import EventMetrics
from sidecar.events.probe import Probe
from sidecar.events.record import Record, written_at
from sidecar.events.scope import Scope
from sidecar.kube import ApiServer, Watch, pages
from sidecar.kube.backoff import Backoff

log = logging.getLogger(__name__)

_WATCH_SECONDS = (50, 70)
"""How long the server holds a watch. Events have no bookmarks: an ordered end and a fresh resourceVersion stand for
them, and a minute keeps the position younger than the 5 minutes of the server's history."""
_PROBE_SECONDS = 10.0
"""So long before a watch ends the server is asked for its resourceVersion."""
_REFUSED_SECONDS = 0.2
_ENRICH_SECONDS = 0.5
_AGAIN_SECONDS = 10.0
_SHORT_SECONDS = 1.0
"""A watch that ends this soon is no watch: something in between cuts it, and is not to be hammered."""


class Collector:
    """Lists and watches, for one term of leading; `run` wants a thread, `stop` may be called from any.

    Args:
        api: The API server.
        scope: What of its Events.
        intake: Where they go.
        backfill: Makes the list.
        metrics: Counted here.
        position: From where to go on; asked again after the journal failed.
        gap_record: Makes the document of a gap.
        ttl: How long the server keeps Events.
        stopping: Ends `run` soon; set by `stop` too.
    """

    def __init__(
        self,
        api: ApiServer,
        scope: Scope,
        intake: Intake,
        backfill: Backfill,
        metrics: EventMetrics,
        *,
        position: Callable[[], Position | None],
        gap_record: Callable[[Gap], Record],
        ttl: timedelta,
        stopping: threading.Event,
    ) -> None:
        self._api = api
        self._scope = scope
        self._intake = intake
        self._backfill = backfill
        self._metrics = metrics
        self._position = position
        self._gap_record = gap_record
        self._ttl = ttl
        self._stopping = stopping
        self._watch: Watch | None = None
        self._backoff = Backoff()
        self._lock = threading.Lock()
        self._state = Following()
        self._term = 0  # a list of an earlier term is of no use
        self._lister: threading.Thread | None = None
        self._listing = False
        self._broken = False
        self._expired = -_AGAIN_SECONDS
        self._fresh = self._silent_since = time.monotonic()
        self._well = time.monotonic()

    def stop(self) -> None:
        """End `run` soon, also while it is reading."""
        self._stopping.set()
        self._cut()

    @property
    def position_age(self) -> float:
        """Seconds since the position moved, or was seen not to have to."""
        return time.monotonic() - self._fresh

    @property
    def failing_for(self) -> float:
        """Seconds since the API server last answered as it should; 0 while it does."""
        return 0.0 if self._backoff.failures == 0 else time.monotonic() - self._well

    def run(self) -> None:
        """Collect until `stop`; every failure is repeated with a growing delay."""
        self._begin()
        while not self._stopping.is_set():
            try:
                self._check_list()
                if not self._state.reachable:
                    self._find_head()
                self._list_if_due()
                self._follow()
            except ResourceExpired as error:
                self._expire(error)
            except KubernetesError as error:
                self._failed("kubernetes", error)
            except JournalError as error:
                # What was not written, or is gone, is read again from where all was safe.
                self._begin()
                self._failed("journal", error)
        if self._lister is not None:
            self._lister.join()

    def _check_list(self) -> None:
        if self._broken:
            raise JournalError("journal: the list could not be written to it")

    def _begin(self) -> None:
        position = self._position()
        with self._lock:
            self._state, self._broken = begin(position), False
            self._term += 1

    def _failed(self, link: str, error: SidecarError) -> None:
        delay = self._backoff.failed()
        self._metrics.errors.labels(link).inc()
        log.warning("events can't be collected, next attempt in %.1f s: %s", delay, error)
        self._stopping.wait(delay)

    def _expire(self, error: ResourceExpired) -> None:
        log.info("the watch history does not reach back to resourceVersion %s: %s", self._version, error)
        with self._lock:
            self._state = expired(self._state)
            self._term += 1
        # At once the first time: versions that are replaced meanwhile are lost.
        if time.monotonic() - self._expired < _AGAIN_SECONDS:
            self._stopping.wait(self._backoff.failed())
        self._expired = time.monotonic()

    @property
    def _version(self) -> str:
        at = self._state.at
        return at.resource_version if at else ""

    def _find_head(self) -> None:
        head = self._ask_head()
        with self._lock:
            first = self._state.at is None
            self._state = headed(self._state, head, until=self._api.time(), ttl=self._ttl)
            if first:
                # After a crash within the first list the next start lists all again, and watches from here.
                self._intake.append([], head)
        self._fresh = time.monotonic()
        log.info("watching from resourceVersion %s, the cluster is at %s", self._version, head.resource_version)

    def _ask_head(self) -> Position:
        moment = self._api.time()  # before the question: the answer is not older
        page = next(pages(self._api, self._scope.path, limit=1, selector=self._scope.selector))
        return Position(page.resource_version, moment)

    def _list_if_due(self) -> None:
        """Have everything listed, beside the watch."""
        with self._lock:
            if self._state.due is None or self._listing:
                return
            self._listing = True
        self._lister = threading.Thread(target=self._list, name="list", daemon=True)
        self._lister.start()

    def _list(self) -> None:
        """List until a list was done that began after the last head."""
        try:
            while (turn := self._turn()) is not None:
                term, due = turn
                if self._backfill.run(lambda: self._term != term):  # noqa: B023 - called within the turn
                    self._metrics.lists.labels(due).inc()
                    self._finish(term)
                else:
                    self._stopping.wait(_REFUSED_SECONDS)
        except JournalError as error:
            log.warning("%s", error)
            self._listing, self._broken = False, True
            self._cut()

    def _turn(self) -> tuple[int, str] | None:
        """What the list that is due belongs to; None where none is, and the thread ends."""
        with self._lock:
            if self._stopping.is_set() or self._state.due is None or not self._state.reachable:
                self._listing = False
                return None
            return self._term, self._state.due

    def _finish(self, term: int) -> None:
        with self._lock:
            if term != self._term:
                return
            gap, state = self._state.gap, listed(self._state)
            if not self._intake.append([self._gap_record(gap)] if gap else [], state.safe):
                return  # who leads again lists again
            self._state = state
        if gap:
            self._metrics.gaps.labels(gap.cause).inc()
            log.warning("events may be missing, which an EventGap says: %s", gap)

    def _follow(self) -> None:
        """One watch, from the last resourceVersion on."""
        began = time.monotonic()
        selector = self._scope.selector
        seconds = random.randint(*_WATCH_SECONDS)  # noqa: S311 - spreads the load, keeps no secret
        with Watch(self._api, self._scope.path, self._version, selector=selector, seconds=seconds) as watch:
            self._watch = watch
            self._metrics.watching.set(1)
            cause = "error"
            probe = Probe(self._ask_head, watch.seconds - _PROBE_SECONDS)
            try:
                cause = "time" if self._take_all(watch) else "stopped"
            except ResourceExpired:
                cause = "expired"
                raise
            finally:
                probe.cancel()
                self._watch = None
                self._metrics.watching.set(0)
                self._metrics.watch_ends.labels(cause).inc()
        if cause == "time" and (head := probe.head(self._silent_since, time.monotonic())) is not None:
            self._hand_on([], head)
        if cause == "time" and time.monotonic() - began < _SHORT_SECONDS:
            self._stopping.wait(self._backoff.failed())
        else:
            self._succeeded()

    def _succeeded(self) -> None:
        self._backoff.succeeded()
        self._well = time.monotonic()

    def _take_all(self, watch: Watch) -> bool:
        """Hand on what the watch shows, and whether that was all up to its end."""
        self._silent_since = time.monotonic()
        if self._stopping.is_set() or self._broken:
            return False
        for changes in watch:
            if not self._take(changes):
                self._stopping.wait(_REFUSED_SECONDS)  # no longer leading, or stopping: whoever knows ends this
                return False
            self._succeeded()
            self._silent_since = time.monotonic()
            if self._stopping.is_set() or self._broken:
                return False
        return not self._stopping.is_set() and not self._broken

    def _take(self, changes: Iterable[Any]) -> bool:
        """Journal what a watch showed."""
        last: dict[str, Any] = {}
        shown = []
        for change in changes:
            metadata = change.item.get("metadata") if isinstance(change.item, dict) else None
            if isinstance(metadata, dict) and isinstance(metadata.get("resourceVersion"), str):
                last = metadata
            # A deleted Event (its hour is over) is no new version of it.
            if change.type in {"ADDED", "MODIFIED"}:
                shown.append(change.item)
        self._metrics.received.labels("watch").inc(len(shown))
        records = self._intake.records(shown, budget=_ENRICH_SECONDS)
        # Its own time, not the clock's: what comes after it may have been on its way for long.
        return self._hand_on(records, Position(last["resourceVersion"], written_at(last)) if last else None)

    def _hand_on(self, records: list[Record], position: Position | None) -> bool:
        with self._lock:
            state = moved(self._state, position) if position else self._state
            if not self._intake.append(records, state.safe if position else None):
                return False
            self._state = state
        self._fresh = time.monotonic()
        return True

    def _cut(self) -> None:
        watch = self._watch
        if watch is not None:
            watch.close()
