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

from sidecar.errors import (
    JournalError,
    KubernetesError,
    KubernetesUnavailable,
    OpenSearchError,
    OpenSearchUnavailable,
    ResourceExpired,
    SidecarError,
)
from sidecar.events.backfill import Backfill
from sidecar.events.following import (
    Following,
    Gap,
    Position,
    begin,
    expired,
    headed,
    learned,
    listed,
    moved,
    number,
)
from sidecar.events.health import Health
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
"""So long before a watch ends, at most, the server is asked for its resourceVersion."""
_SHORTEST_SECONDS = 7
_REFUSED_SECONDS = 1.0
_LAST_EVENT_SECONDS = 2.0
_ENRICH_SECONDS = 0.5
_CALM_SECONDS = 60.0
_CLOCK_SECONDS = 1.0
"""The server's clock is told in whole seconds."""
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
        last_event: Asked where there is no position: when the last event that was delivered happened.
        gap_record: Makes the document of a gap.
        ttl: How long the server keeps Events.
        stopping: Ends `run` soon; set by `stop` too.

    Attributes:
        health: Whether it gets anywhere.
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
        last_event: Callable[[], Position | None] | None = None,
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
        self._last_event = last_event
        self._gap_record = gap_record
        self._ttl = ttl
        self._stopping = stopping
        self._watch: Watch | None = None
        self.health = Health()
        self._lock = threading.Lock()
        self._state = Following()
        self._term = 0  # a list of an earlier term is of no use
        self._lister: threading.Thread | None = None
        self._listing = False
        self._broken = False
        self._bug: Exception | None = None
        self._expiry = Backoff(first=1.0)
        self._expired = -_CALM_SECONDS
        self._fresh = self._silent_since = time.monotonic()
        self._cuts = 0  # watches in a row that broke off
        self._longest: int | None = None  # seconds that what is in between lets a silent watch live
        self._first_head: tuple[Position, float] | None = None

    def stop(self) -> None:
        """End `run` soon, also while it is reading."""
        self._stopping.set()
        self._cut()
        self._backfill.cut()

    @property
    def position_age(self) -> float:
        """Seconds since the position moved, or was seen not to have to."""
        return time.monotonic() - self._fresh

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
        if self._bug is not None:
            raise self._bug
        if self._broken:
            raise JournalError("journal: the list could not be written to it")

    def _begin(self) -> None:
        position = self._position()
        with self._lock:
            self._state, self._broken = begin(position), False
            self._term += 1

    def _failed(self, link: str, error: SidecarError) -> None:
        delay = self.health.failed(link)
        self._metrics.errors.labels(link).inc()
        log.warning("events can't be collected, next attempt in %.1f s: %s", delay, error)
        self._stopping.wait(delay)

    def _expire(self, error: ResourceExpired) -> None:
        log.info("the watch history does not reach back to resourceVersion %s: %s", self._version, error)
        with self._lock:
            self._state = expired(self._state)
            self._term += 1
        # At once the first time: versions that are replaced meanwhile are lost.
        calm = time.monotonic() - self._expired >= _CALM_SECONDS
        self._expired = time.monotonic()
        if calm:
            self._expiry.succeeded()
        else:
            self._stopping.wait(self._expiry.failed())

    @property
    def _version(self) -> str:
        at = self._state.at
        return at.resource_version if at else ""

    def _find_head(self) -> None:
        head = self._ask_head()
        until = self._api.time() + _CLOCK_SECONDS
        with self._lock:
            if self._state.at is None:
                self._first_head = head, until
                if self._last_event is None:
                    self._remember_first()
            self._state = headed(self._state, head, until=until, ttl=self._ttl)
        self._fresh = time.monotonic()
        log.info("watching from resourceVersion %s, the cluster is at %s", self._version, head.resource_version)

    def _remember_first(self) -> None:
        # After a crash within the first list the next start lists all again, and watches from here.
        if self._first_head is not None:
            self._intake.append([], self._first_head[0])

    def _learn_last_event(self) -> None:
        """Where nothing else tells from when on events may be missing, OpenSearch does; it is waited for, a while."""
        first, self._first_head = self._first_head, None
        if first is None or self._last_event is None:
            return
        began, patience = time.monotonic(), self._ttl.total_seconds() / 4
        while not self._stopping.is_set() and time.monotonic() - began < patience:
            try:
                last = self._last_event()
            except OpenSearchUnavailable as error:
                log.info("whether events were missed can't be told yet: %s", error)
                self._stopping.wait(_LAST_EVENT_SECONDS)
                continue
            except OpenSearchError as error:
                log.warning("whether events were missed can't be told: %s", error)
                break
            if last is not None:
                with self._lock:
                    self._state = learned(self._state, last, first[0], until=first[1], ttl=self._ttl)
            break
        self._intake.append([], first[0])

    def _ask_head(self) -> Position:
        moment = self._api.time()  # before the question: the answer is not older
        # Without the selector: for one that few Events match the server would read all.
        page = next(pages(self._api, self._scope.path, limit=1))
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
            self._learn_last_event()
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
        except Exception as error:  # noqa: BLE001 - the thread that runs all of this has to see it
            self._bug = error
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
        seconds = self._longest or random.randint(*_WATCH_SECONDS)  # noqa: S311 - spreads the load, keeps no secret
        probe: Probe | None = None
        ordered, cause = False, "error"
        try:
            with Watch(
                self._api, self._scope.path, self._version, selector=self._scope.selector, seconds=seconds
            ) as watch:
                self._watch = watch
                self.health.opened()
                self._metrics.watching.set(1)
                probe = Probe(self._ask_head, seconds - min(_PROBE_SECONDS, 0.4 * seconds))
                ordered = self._take_all(watch)
                cause = "time" if ordered else "stopped"
                ordered = ordered and watch.tells_its_end
                self._cuts = 0 if ordered else self._cuts
        except ResourceExpired:
            cause = "expired"
            raise
        except KubernetesUnavailable:
            self._learn_cut(time.monotonic() - self._silent_since, seconds)
            raise
        finally:
            self._watch = None
            self.health.closed()
            self._metrics.watching.set(0)
            self._metrics.watch_ends.labels(cause).inc()
            if probe is not None:
                probe.cancel()
            if time.monotonic() - began >= _SHORT_SECONDS and cause != "stopped":
                self.health.succeeded()
        head = probe.head(self._silent_since, time.monotonic()) if ordered and probe is not None else None
        if head is not None:
            self._take_head(head)
        if cause == "time" and time.monotonic() - began < _SHORT_SECONDS:
            self._stopping.wait(self.health.backoff.failed())

    def _learn_cut(self, silent: float, seconds: int) -> None:
        """Something in between ends what is silent for so long: be shorter, so that watches end in order."""
        self._cuts += 1
        if self._cuts > 1 and _SHORTEST_SECONDS <= silent < seconds:
            self._longest = max(_SHORTEST_SECONDS, int(silent * 0.7))
            log.info("a silent watch was cut after %.0f s; watches last %d s from now on", silent, self._longest)

    def _take_head(self, head: Position) -> None:
        """Go on from a state that the watch has shown all of."""
        if number(head.resource_version) < number(self._version):
            raise ResourceExpired(f"the cluster is at resourceVersion {head.resource_version}: it was set back")
        self._hand_on([], head)

    def _is_interrupted(self) -> bool:
        return self._stopping.is_set() or self._broken or self._bug is not None

    def _take_all(self, watch: Watch) -> bool:
        """Hand on what the watch shows, and whether that was all up to its end."""
        self._silent_since = time.monotonic()
        if self._is_interrupted():
            return False
        for changes in watch:
            if not self._take(changes):
                self._stopping.wait(_REFUSED_SECONDS)  # no longer leading, or stopping: whoever knows ends this
                return False
            self.health.succeeded()
            self._silent_since = time.monotonic()
            if self._is_interrupted():
                return False
        return not self._is_interrupted()

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
        moment = min(written_at(last), self._api.time() + _CLOCK_SECONDS)
        return self._hand_on(records, Position(last["resourceVersion"], moment) if last else None)

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
