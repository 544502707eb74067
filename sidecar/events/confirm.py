"""Confirmation: an event may be forgotten only when OpenSearch has it.

Fluent Bit ships what is in the journal; this asks OpenSearch for the ids. What isn't there after a grace time is sent
from here, and what OpenSearch refuses goes to the dead-letter index. Only then the journal moves on. Documents of an
index that takes none are set aside, so that they don't hold up the others.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sidecar.config import Config
from sidecar.errors import JournalError, OpenSearchError
from sidecar.events.aside import Aside, Held, unusable
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.reader import Place, Reader
from sidecar.kube.backoff import Backoff
from sidecar.opensearch import Document, Outcome, Verdict
from sidecar.opensearch.deadletter import dead_letter
from sidecar.opensearch.documents import Found, Presence
from sidecar.render.indices import DEAD_LETTER

log = logging.getLogger(__name__)

GRACE_SECONDS = 10.0
"""Fluent Bit needs one to two seconds in calm weather."""
_MOST_SECONDS = 10.0
"""Between two attempts. Less than it takes another sidecar to take over from one that can't deliver."""
_GONE_SECONDS = 60.0
_CONFLICT = 409
_MOST_NAMED = 5
_POLL_SECONDS = 0.25
_IDLE_SECONDS = 0.5


class Store(Protocol):
    """What confirmation needs of OpenSearch; `sidecar.opensearch.Documents` is one."""

    def look(self, keys: Sequence[tuple[str, str]]) -> list[Found]: ...  # noqa: D102 - see Documents
    def create(self, documents: Sequence[Document]) -> list[Outcome]: ...  # noqa: D102 - see Documents


class Confirmer:
    """Confirms batch by batch, in the order of the journal.

    Args:
        config: For the cluster's name in dead letters.
        journal: What is to be confirmed.
        store: OpenSearch.
        metrics: Counted here.
        grace: Seconds that Fluent Bit has for a batch; 0 where there is no Fluent Bit.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        store: Store,
        metrics: EventMetrics,
        *,
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = config.cluster
        self._journal = journal
        self._reader = Reader(journal)
        self._store = store
        self._metrics = metrics
        self._grace = grace
        self._clock = clock
        self._waiting: list[Document] = []
        self._place: Place | None = None
        self._since = 0.0
        self._absent = 0  # so many of those that wait are known not to be there
        self._tried = False  # whether what is there now may have come from here
        # Once a batch has come to nothing, Fluent Bit is taken for gone until something arrives by itself; now and then
        # it is given time again, since who does not wait never sees it arrive.
        self._gone_since: float | None = None
        self._aside = Aside(clock)
        self._failing_since: float | None = None

    @property
    def failing_for(self) -> float:
        """Seconds since OpenSearch began to take nothing; 0 while it does, or nothing is to be confirmed."""
        since = self._failing_since
        return 0.0 if since is None else self._clock() - since

    def run(self, stop: threading.Event) -> None:
        """Confirm until `stop` is set; every failure is repeated with a growing delay."""
        backoff = Backoff(most=_MOST_SECONDS)
        while not stop.is_set():
            failed = False
            try:
                delay = self.step()
                backoff.succeeded()
                self._failing_since = None
            except (OpenSearchError, JournalError) as error:
                failed, delay = True, backoff.failed()
                self._failing_since = self._clock() if self._failing_since is None else self._failing_since
                self._metrics.errors.labels("opensearch" if isinstance(error, OpenSearchError) else "journal").inc()
                # Once is no news: the first question about a new day's index comes to nothing.
                level = logging.WARNING if backoff.failures > 1 else logging.INFO
                log.log(level, "events can't be confirmed, next attempt in %.1f s: %s", delay, error)
            self._metrics.oldest_unconfirmed.set(self._age())
            self._metrics.journal_bytes.set(self._journal.size)
            if delay > 0:
                stop.wait(delay) if self._waiting or failed else self._wait_for_lines(stop, delay)

    def step(self) -> float:
        """Work on one batch once; the seconds until the next step makes sense.

        Raises:
            OpenSearchError: Nothing could be told or done.
            JournalError: The journal can't be read.
        """
        self._retry()
        if not self._waiting:
            self._check_room()
            batch = self._reader.next()
            self._metrics.unreadable.inc(batch.unreadable)
            if batch.unreadable:
                log.warning("%d lines of the journal are no events; they are passed over", batch.unreadable)
            if not batch.documents:
                return self._done(0.0 if batch.unreadable else _IDLE_SECONDS)
            self._waiting, self._since, self._tried = batch.documents, self._clock(), False
            self._place = self._reader.place
        self._drop_existing()
        if self._waiting and self._clock() - self._since >= self._patience:
            self._send_missing()
        return _POLL_SECONDS if self._waiting else self._done(0.0)

    def _done(self, delay: float) -> float:
        """The batch is done with, but for what is set aside; where nothing takes any of that, the link is down."""
        self._reader.done(self._aside.place)
        outcome = self._aside.outage
        if outcome is not None:
            raise _nothing_taken(outcome)
        return delay

    def _check_room(self) -> None:
        if self._aside.full:
            raise OpenSearchError(f"{len(self._aside)} events wait for indices of OpenSearch that take none now")

    def _age(self) -> float:
        since = [self._since] if self._waiting else []
        since += [] if self._aside.since is None else [self._aside.since]
        return self._clock() - min(since) if since else 0.0

    @property
    def _patience(self) -> float:
        if self._gone_since is not None and self._clock() - self._gone_since < _GONE_SECONDS:
            return 0.0
        return self._grace

    def _drop_existing(self) -> None:
        found = self._store.look([(document.index, document.id) for document in self._waiting])
        pairs = list(zip(self._waiting, found, strict=True))
        there = [document.index for document, item in pairs if item.presence is Presence.THERE]
        self._aside.found(there)
        self._metrics.confirmed.inc(len(there))
        if there and self._gone_since is not None and not self._tried:
            log.info("events arrive through Fluent Bit again")
            self._gone_since = None
        missing = [(document, item) for document, item in pairs if item.presence is not Presence.THERE]
        # Neither Fluent Bit nor this gets anything into an index that is of no use: no time is lost with it.
        useless = [document for document, _ in missing if self._aside.troubled(document.index)]
        unfit = {id(document) for document in self._set_aside(useless)}
        left = [
            (document, item)
            for document, item in missing
            if id(document) in unfit or not self._aside.troubled(document.index)
        ]
        self._waiting = [document for document, _ in left]
        self._absent = sum(item.presence is Presence.ABSENT for _, item in left)

    def _send_missing(self) -> None:
        if self._patience > 0 and not self._tried and self._absent:
            log.warning(
                "%d events did not arrive through Fluent Bit within %.0f s; sending them", self._absent, self._grace
            )
            self._gone_since = self._clock()
        self._tried = True
        later, unburied = self._send(self._waiting)
        unfit = self._set_aside([document for document, outcome in later if unusable(outcome)])
        busy = [(document, outcome) for document, outcome in later if not unusable(outcome)]
        self._waiting = [document for document, _ in busy] + unfit + unburied
        if busy:
            raise _nothing_taken(busy[0][1])
        if unburied:
            raise OpenSearchError(f"{len(unburied)} refused events can't be kept in {DEAD_LETTER} now")
        if unfit:
            self._check_room()

    def _set_aside(self, documents: list[Document]) -> list[Document]:
        """Set documents of the batch aside; those for which there is no room come back."""
        if not documents or self._place is None:
            return documents
        if not len(self._aside):
            names = ", ".join(sorted({document.index for document in documents})[:_MOST_NAMED])
            log.warning("OpenSearch takes no events for %s now; they are set aside", names)
        return self._aside.put(documents, self._place, self._since)

    def _retry(self) -> None:
        """Try again what is set aside, now and then."""
        tried = self._aside.due()
        if not tried:
            return
        later, unburied = self._send([held.document for held in tried])
        left = {id(document) for document, _ in later} | {id(document) for document in unburied}
        done: list[Held] = [held for held in tried if id(held.document) not in left]
        self._aside.drop(done)
        if not left:
            self._aside.soon()

    def _send(self, documents: list[Document]) -> tuple[list[tuple[Document, Outcome]], list[Document]]:
        """Create documents: what is for later, and what was refused and could not be kept."""
        outcomes = self._store.create(documents)
        self._aside.observe(documents, outcomes)
        refused, later, stored = [], [], 0
        for document, outcome in zip(documents, outcomes, strict=True):
            if outcome.verdict is Verdict.STORED:
                stored += 1
            elif outcome.verdict is Verdict.REFUSED or self._aside.gives_up(document.index, outcome):
                refused.append((document, outcome))
            else:
                later.append((document, outcome))
        self._metrics.confirmed.inc(stored)
        self._metrics.resent.inc(stored)
        return later, self._bury(refused)

    def _bury(self, refused: list[tuple[Document, Outcome]]) -> list[Document]:
        """Write dead letters; the documents for which that failed, which stay waiting."""
        letters = [dead_letter(document, outcome, cluster=self._cluster) for document, outcome in refused]
        unburied = []
        outcomes = self._store.create(letters) if letters else []
        for (document, outcome), letter in zip(refused, outcomes, strict=True):
            if letter.verdict is not Verdict.STORED:
                unburied.append(document)
            elif letter.status != _CONFLICT:  # a letter that is there already has been counted
                self._metrics.dead_lettered.inc()
                log.error(
                    "OpenSearch refused event %s for %s, kept in %s: %s: %s",
                    document.id, document.index, DEAD_LETTER, outcome.type, outcome.reason,
                )  # fmt: skip
        return unburied

    def _wait_for_lines(self, stop: threading.Event, seconds: float) -> None:
        if not stop.is_set():
            self._journal.wait_for_lines(seconds)


def _nothing_taken(outcome: Outcome) -> OpenSearchError:
    return OpenSearchError(
        f"OpenSearch takes no events now: {outcome.status} {outcome.type}: {outcome.reason}",
        hint="`sidecar doctor` says what is in the way, and what to do about it",
    )
