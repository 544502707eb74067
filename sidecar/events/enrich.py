"""Labels and workload of the objects that Events are about: cached, and never in the way.

An Event waits a moment at most. What isn't known by then it goes without; the next Event about the object has it.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sidecar.events.asking import Asker, Cause, Counts
from sidecar.events.known import Known, Target, target_of
from sidecar.events.record import Involved
from sidecar.kube import ApiServer
from sidecar.kube.pacing import Patience

CAUSES = ("budget", "missing", "forbidden", "error", "unknown_kind")
"""Why an Event has no labels: asked for too late or too much at once; the object is gone; no permission; the API server
fails; its kind isn't looked up, or it names no object."""

_FRESH_SECONDS, _MISSING_SECONDS = 600.0, 60.0
_ROUNDS = 3
"""Objects by lists or one by one; then what a list left open, and owners; then the owners of those."""


class Tally(Protocol):
    """A counter, such as Prometheus has."""

    def inc(self, amount: float = 1) -> None:
        """Add to it."""


class Level(Protocol):
    """A gauge, such as Prometheus has."""

    def set(self, value: float) -> None:
        """Replace its value."""


@dataclass(frozen=True)
class Counters:
    """What the enricher counts.

    Attributes:
        enriched: Events whose object's labels were found.
        unenriched: Events without labels, by `cause` (of `CAUSES`); some of them have a workload nevertheless.
        requests: Requests for metadata, by `resource` (such as `pods`) and `result`: `ok`, `missing`, `expired`,
            `forbidden`, `throttled`, `error`.
        cached: How many objects are known.
    """

    enriched: Tally
    unenriched: Counts
    requests: Counts
    cached: Level


class Enricher:
    """Looks up objects; may be used from several threads.

    Args:
        api: The API server, which needs to allow `sidecar.kube.metadata.rules()`.
        counters: Counted here.
        clock: Monotonic seconds.
        budget_seconds: The longest that a look-up waits, where it isn't told another budget.
        requests_per_second: The most on average; twice as many at once after a pause.
        cache_size: How many objects are remembered.
    """

    def __init__(
        self,
        api: ApiServer,
        counters: Counters,
        *,
        clock: Callable[[], float] = time.monotonic,
        budget_seconds: float = 0.5,
        requests_per_second: float = 20.0,
        cache_size: int = 20_000,
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._budget = budget_seconds
        self._lock = threading.Lock()
        self._known = Known(size=cache_size, fresh_seconds=_FRESH_SECONDS, missing_seconds=_MISSING_SECONDS)
        self._asker = Asker(
            api,
            self._known,
            self._lock,
            counters.requests,
            clock=clock,
            rate=requests_per_second,
            burst=2 * requests_per_second,
            overdue_seconds=2 * budget_seconds,
        )
        self._local = threading.local()

    def close(self) -> None:
        """Ask no more; look-ups answer what is known."""
        self._asker.close()

    def look_up(self, events: Sequence[Any], *, budget: float | None = None) -> list[Involved | None]:
        """What is known of the object of each Event, in order; None for nothing. Never raises, whatever an Event is.

        Args:
            events: Of whatever shape.
            budget: Seconds that it may take; less where the caller would spend more than half of its time on waiting.
        """
        now = self._clock()
        results: list[Involved | None] = [None] * len(events)
        with self._lock:
            rest, missing = self._recall(events, results, now)
        causes = {"missing": missing}
        if rest:
            self._look_up_rest(events, results, rest, self._budget if budget is None else budget, causes)
        without = sum(causes.values())
        self._counters.enriched.inc(len(events) - without)
        for cause, number in causes.items():
            if number:
                self._counters.unenriched.labels(cause).inc(number)
        self._counters.cached.set(len(self._known))
        return results

    def _recall(self, events: Sequence[Any], results: list[Involved | None], now: float) -> tuple[list[int], int]:
        """Fill in what is known and was used lately; which Events are left, and how many objects are missing."""
        recent = self._known.recent
        rest: list[int] = []
        missing = 0
        for index, event in enumerate(events):
            try:
                entry = recent.get(event["involvedObject"]["uid"])
            except (TypeError, LookupError):  # an odd Event
                entry = None
            if entry is None or entry.due <= now or entry.above is not None:
                rest.append(index)
                continue
            results[index] = entry.involved
            if not entry.known:
                missing += 1
        return rest, missing

    def _look_up_rest(
        self,
        events: Sequence[Any],
        results: list[Involved | None],
        rest: list[int],
        budget: float,
        causes: dict[str, int],
    ) -> None:
        places: dict[Hashable, list[int]] = {}
        targets: dict[Hashable, Target] = {}
        for index in rest:
            target = target_of(events[index])
            if target is None:
                causes["unknown_kind"] = causes.get("unknown_kind", 0) + 1
                continue
            targets.setdefault(target.key, target)
            places.setdefault(target.key, []).append(index)
        refused = self._ask_for(targets, budget)
        with self._lock:
            for key, target in targets.items():
                entry = self._known.find(key)
                # A missing one that is due was not asked for again.
                stale = entry is not None and not entry.known and entry.due <= self._clock()
                found = target.presumed if entry is None else entry.involved
                for index in places[key]:
                    results[index] = found
                if entry is None or not entry.known:
                    cause = refused.get(key, "budget") if entry is None or stale else "missing"
                    causes[cause] = causes.get(cause, 0) + len(places[key])

    def _ask_for(self, targets: dict[Hashable, Target], budget: float) -> dict[Hashable, Cause]:
        """Ask for what isn't known, then for what that belongs to; why there is no answer, by key."""
        patience: Patience = self._local.__dict__.setdefault("patience", Patience())
        refused: dict[Hashable, Cause] = {}
        began = self._clock()
        seconds: float | None = None
        for number in range(_ROUNDS):
            with self._lock:
                wanted, stale = self._wanted(targets.values(), self._clock())
            if number == 0 and stale:
                self._asker.refresh(stale)
            wanted = {key: target for key, target in wanted.items() if key not in refused}
            if not wanted:
                break
            if seconds is None:
                seconds = patience.allow(began, budget)
            left = seconds - (self._clock() - began)
            refused |= self._asker.ask(list(wanted.values()), max(0.0, left), one_by_one=number > 0)
        if seconds is not None:
            patience.waited(self._clock() - began)
        return refused

    def _wanted(self, targets: Iterable[Target], now: float) -> tuple[dict[Hashable, Target], list[Target]]:
        """What is to be asked for, owners among it; and what is known, but not for sure any more."""
        wanted: dict[Hashable, Target] = {}
        stale: list[Target] = []
        for target in targets:
            entry = self._known.find(target.key)
            if entry is None or (not entry.known and entry.due <= now):
                wanted[target.key] = target
                continue
            if (above := self._known.settle(entry)) is not None:
                wanted[above.key] = above
            if entry.known and entry.due <= now:
                stale.append(target)
        return wanted, stale
