"""Asking the API server for metadata: few requests, at a limited rate, in the background; whoever waits sets the limit.

An answer that is late is kept like any other. A server that fails, throttles or forbids is left alone for a while.
"""

import logging
import queue
import threading
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, Protocol

from sidecar.errors import KubernetesError, ResourceExpired, ResourceMissing
from sidecar.events.known import Known, Target
from sidecar.kube import ApiServer
from sidecar.kube.metadata import Resource, get_metadata, list_metadata
from sidecar.kube.pacing import Breaker, TokenBucket

log = logging.getLogger(__name__)

_THREADS = 4
_READ_SECONDS = 5.0
_LIST_FROM = 8
"""So many objects of one collection, for each page that it is known to have, are better listed."""
_LIST_PAGES = 4
_RESUME_SECONDS = 30.0
_FORBIDDEN_SECONDS = 600.0
_THROTTLED_SECONDS, _MOST_THROTTLED_SECONDS = 1.0, 30.0
_REFRESH_AGAIN_SECONDS = 60.0
_MOST_COLLECTIONS = 4096
_FORBIDDEN, _TOO_MANY = 403, 429

Cause = Literal["budget", "forbidden", "error"]
"""Why nothing was asked or answered: too late or too many, no permission, a server that fails."""
_Collection = tuple[Resource, str]


class Count(Protocol):
    """A counter, such as Prometheus has."""

    def inc(self, amount: float = 1) -> None:
        """Add to it."""


class Counts(Protocol):
    """Counters with labels, such as Prometheus has."""

    def labels(self, *values: str) -> Count:
        """The one with these values."""


@dataclass(eq=False)
class _Job:
    """A request, or a few for the pages of a list; `failure` says why it answered nothing, once it is `done`."""

    resource: Resource
    namespace: str
    targets: list[Target]
    whole: bool
    start: float
    sent: float | None = None
    overdue: bool = False
    failure: Cause | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def key(self) -> Hashable:
        return (self.resource, self.namespace) if self.whole else self.targets[0].key


class Asker:
    """Asks for objects, and tells `known`; `lock` guards that and everything here."""

    def __init__(
        self,
        api: ApiServer,
        known: Known,
        lock: threading.Lock,
        requests: Counts,
        *,
        clock: Callable[[], float],
        rate: float,
        burst: float,
        overdue_seconds: float,
    ) -> None:
        self._api = api
        self._known = known
        self._lock = lock
        self._requests = requests
        self._clock = clock
        self._bucket = TokenBucket(rate=rate, burst=burst)
        self._breaker = Breaker()
        self._overdue = overdue_seconds
        self._throttled = float("-inf")
        self._forbidden: dict[Resource, float] = {}
        self._warned: set[Resource] = set()
        self._jobs: dict[Hashable, _Job] = {}
        self._pages: dict[_Collection, int] = {}
        self._tokens: dict[_Collection, tuple[str, float]] = {}
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def close(self) -> None:
        """Ask no more; who waits goes on at once. A request that hangs is left to its time-out."""
        with self._lock:
            self._closed.set()
            jobs, self._jobs = list(self._jobs.values()), {}
            threads, self._threads = self._threads, []
        for job in jobs:
            job.failure = "error"
            job.done.set()
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join(0.1)

    def ask(self, targets: Collection[Target], seconds: float, *, one_by_one: bool) -> dict[Hashable, Cause]:
        """Ask for objects, and wait for the answers, which `known` has then.

        Args:
            targets: Objects that aren't known.
            seconds: The longest to wait, also for one's turn.
            one_by_one: Don't list.

        Returns:
            For those without an answer why, by their key.
        """
        deadline = self._clock() + seconds
        causes: dict[Hashable, Cause] = {}
        with self._lock:
            jobs = self._begin(targets, seconds, one_by_one, causes)
        for job in jobs:
            # One that is late already is not waited for again.
            late = job.sent is not None and self._clock() - job.sent > max(self._overdue, seconds)
            if late or not job.done.wait(max(0.0, deadline - self._clock())) or job.failure:
                causes |= dict.fromkeys((target.key for target in job.targets), job.failure or "budget")
        with self._lock:
            self._notice_overdue()
        return causes

    def refresh(self, targets: Iterable[Target]) -> None:
        """Ask again for objects that are known, if there is time to spare; nobody waits."""
        with self._lock:
            now = self._clock()
            for targets_of in _grouped(targets).values():
                if not self._bucket.spare(now):
                    return
                for target in targets_of:
                    if (entry := self._known.find(target.key)) is not None:
                        entry.due = now + _REFRESH_AGAIN_SECONDS
                self._begin(targets_of, 0.0, one_by_one=False, causes={})

    def _begin(
        self, targets: Collection[Target], seconds: float, one_by_one: bool, causes: dict[Hashable, Cause]
    ) -> list[_Job]:
        """The jobs that will answer, those that others have begun among them; `causes` gets what can't be asked."""
        now = self._clock()
        self._notice_overdue()
        jobs: dict[int, _Job] = {}
        # The longest first: a list answers more than as many requests for one.
        for members in sorted(_grouped(targets).values(), key=len, reverse=True):
            cause = self._refused(members[0].resource, now)
            if cause is None:
                for job in self._jobs_for(members, now, seconds, one_by_one):
                    jobs[id(job)] = job
                continue
            causes |= dict.fromkeys((target.key for target in members), cause)
        asked = {target.key for job in jobs.values() for target in job.targets}
        for target in targets:
            if target.key not in asked:
                causes.setdefault(target.key, "budget")
        return list(jobs.values())

    def _refused(self, resource: Resource, now: float) -> Cause | None:
        if self._closed.is_set() or self._breaker.open(now):
            return "error"
        if now < self._throttled:
            return "budget"
        return "forbidden" if now < self._forbidden.get(resource, now) else None

    def _jobs_for(self, members: list[Target], now: float, seconds: float, one_by_one: bool) -> Iterable[_Job]:
        collection = members[0].collection
        least = _LIST_FROM * self._pages.get(collection, 1)
        whole = not one_by_one and len(members) >= least
        for targets in [members] if whole else [[target] for target in members]:
            key = collection if whole else targets[0].key
            job = self._jobs.get(key)
            if job is None:
                delay = self._bucket.take(now, within=seconds)
                if delay is None:
                    return
                job = self._jobs[key] = _Job(*collection, targets, whole, now + delay)
                self._queue.put(job)
                self._ensure_threads()
            elif whole:
                job = _Job(*collection, targets, whole, now, job.sent, done=job.done)  # waits with the other
            yield job

    def _ensure_threads(self) -> None:
        # Daemons: a server that hangs must not hold up the end of the process.
        if len(self._threads) < min(_THREADS, len(self._jobs)):
            thread = threading.Thread(target=self._work, name=f"metadata-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _notice_overdue(self) -> None:
        """A request that hangs is a failure before its time-out says so."""
        now = self._clock()
        for job in self._jobs.values():
            if job.sent is not None and not job.overdue and now - job.sent >= self._overdue:
                job.overdue = True
                self._failed(now, f"no answer within {self._overdue:g} s")

    def _failed(self, now: float, why: object) -> None:
        if self._breaker.failed(now):
            log.warning("events go without labels and workload for a while: %s", why)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                self._do(job)
            except Exception:
                job.failure = "error"
                log.exception("metadata of %s can't be used", job.resource.name)
            finally:
                with self._lock:
                    if self._jobs.get(job.key) is job:
                        del self._jobs[job.key]
                job.done.set()

    def _do(self, job: _Job) -> None:
        if not self._turn(job, job.start):
            return
        try:
            if job.whole:
                self._list(job)
            else:
                self._get(job)
        except ResourceMissing as error:
            # Of a list: the server doesn't serve the resource at all.
            self._answered(job, "missing")
            log.debug("%s", error)
            with self._lock:
                for target in job.targets:
                    self._known.missing(target, now=self._clock())
        except KubernetesError as error:
            self._refuse(job, error)

    def _turn(self, job: _Job, start: float) -> bool:
        """Wait until it is time for a request; False where it isn't to be sent any more."""
        if self._closed.wait(max(0.0, start - self._clock())):
            return False
        with self._lock:
            job.failure = self._refused(job.resource, self._clock())
            job.sent, job.overdue = self._clock(), False
        return job.failure is None

    def _get(self, job: _Job) -> None:
        (target,) = job.targets
        metadata = get_metadata(self._api, target.resource, target.namespace, target.name, seconds=_READ_SECONDS)
        self._answered(job, "ok")
        with self._lock:
            self._known.store(target.kind, target.namespace, metadata, target, now=self._clock())

    def _list(self, job: _Job) -> None:
        """Up to four pages of the collection; the next list soon after goes on where this one stopped."""
        collection = (job.resource, job.namespace)
        token = self._resumed(collection)
        whole, ended = not token, False
        kind = job.targets[0].kind
        awaited: dict[str, list[Target]] = {}  # a name may have been of several
        for target in job.targets:
            awaited.setdefault(target.name, []).append(target)
        for number in range(_LIST_PAGES):
            if number and not self._next_turn(job):
                break
            try:
                page = list_metadata(self._api, job.resource, job.namespace, token=token, seconds=_READ_SECONDS)
            except ResourceExpired as error:
                self._answered(job, "expired")
                token, whole = error.token, not error.token
                continue
            self._answered(job, "ok")
            for metadata in page.items:
                targets = awaited.pop(str(metadata.get("name")), [])
                with self._lock:  # for one at a time: look-ups go on meanwhile
                    self._known.store(kind, job.namespace, metadata, *targets, now=self._clock())
            token = page.token
            if not token:
                ended = True
                break
        with self._lock:
            self._remember(collection, token, pages=number + 1 if whole and ended else _LIST_PAGES)
            if whole and ended:
                for target in chain.from_iterable(awaited.values()):
                    self._known.missing(target, now=self._clock())

    def _next_turn(self, job: _Job) -> bool:
        with self._lock:
            delay = self._bucket.take(self._clock(), within=_READ_SECONDS)
        return delay is not None and self._turn(job, self._clock() + delay)

    def _resumed(self, collection: _Collection) -> str:
        with self._lock:
            token, since = self._tokens.pop(collection, ("", 0.0))
            return token if self._clock() - since < _RESUME_SECONDS else ""

    def _remember(self, collection: _Collection, token: str, *, pages: int) -> None:
        if len(self._pages) > _MOST_COLLECTIONS or len(self._tokens) > _MOST_COLLECTIONS:
            self._pages, self._tokens = {}, {}
        self._pages[collection] = pages
        if token:
            self._tokens[collection] = token, self._clock()

    def _answered(self, job: _Job, result: str) -> None:
        self._requests.labels(job.resource.name, result).inc()
        with self._lock:
            self._breaker.succeeded()
            self._warned.discard(job.resource)

    def _refuse(self, job: _Job, error: KubernetesError) -> None:
        now = self._clock()
        name = job.resource.name + (f".{job.resource.group}" if job.resource.group else "")
        results = {_FORBIDDEN: "forbidden", _TOO_MANY: "throttled"}
        self._requests.labels(job.resource.name, results.get(error.status, "error")).inc()
        with self._lock:
            job.failure = "error"
            if error.status in results:
                self._breaker.succeeded()
            if error.status == _FORBIDDEN:
                job.failure = "forbidden"
                self._forbidden[job.resource] = now + _FORBIDDEN_SECONDS
                if job.resource not in self._warned:
                    self._warned.add(job.resource)
                    log.warning(
                        "events about %s go without labels and workload: grant get and list on %s",
                        job.resource.name,
                        name,
                    )
            elif error.status == _TOO_MANY:
                job.failure = "budget"
                seconds = _THROTTLED_SECONDS if error.retry_after is None else max(0.0, error.retry_after)
                self._throttled = now + min(seconds, _MOST_THROTTLED_SECONDS)
            else:
                self._failed(now, error)


def _grouped(targets: Iterable[Target]) -> dict[_Collection, list[Target]]:
    groups: dict[_Collection, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.collection, []).append(target)
    return groups
