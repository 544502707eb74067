"""Confirmation: an event may be forgotten only when OpenSearch has it.

Fluent Bit ships what is in the journal; this asks OpenSearch for the ids. What isn't there after a grace time is sent
from here, and what OpenSearch refuses goes to the dead-letter index. Only then the journal moves on.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sidecar.config import Config
from sidecar.errors import JournalError, OpenSearchError
from sidecar.events.encode import encode
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.reader import Reader
from sidecar.kube.backoff import Backoff
from sidecar.opensearch import Document, Outcome, Verdict
from sidecar.render import fields
from sidecar.render.indices import DEAD_LETTER

log = logging.getLogger(__name__)

GRACE_SECONDS = 10.0
"""Fluent Bit needs one to two seconds in calm weather."""
_MOST_SECONDS = 10.0
"""Between two attempts. Less than it takes another sidecar to take over from one that can't deliver."""
_GONE_SECONDS = 60.0
_BLOCKED_SECONDS = 300.0
_CONFLICT = 409
_POLL_SECONDS = 0.25
_IDLE_SECONDS = 0.5


class Store(Protocol):
    """What confirmation needs of OpenSearch; `sidecar.opensearch.Documents` is one."""

    def existing(self, keys: Sequence[tuple[str, str]]) -> list[bool]: ...  # noqa: D102 - see Documents
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
        self._since = 0.0
        self._tried = False  # whether what is there now may have come from here
        # Once a batch has come to nothing, Fluent Bit is taken for gone until something arrives by itself; now and then
        # it is given time again, since who does not wait never sees it arrive.
        self._gone_since: float | None = None
        self._blocked_since: dict[str, float] = {}
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
            self._metrics.oldest_unconfirmed.set(self._clock() - self._since if self._waiting else 0)
            self._metrics.journal_bytes.set(self._journal.size)
            if delay > 0:
                stop.wait(delay) if self._waiting or failed else self._wait_for_lines(stop, delay)

    def step(self) -> float:
        """Work on one batch once; the seconds until the next step makes sense.

        Raises:
            OpenSearchError: Nothing could be told or done.
            JournalError: The journal can't be read.
        """
        if not self._waiting:
            batch = self._reader.next()
            self._metrics.unreadable.inc(batch.unreadable)
            if batch.unreadable:
                log.warning("%d lines of the journal are no events; they are passed over", batch.unreadable)
            if not batch.documents:
                self._reader.done()
                return 0.0 if batch.unreadable else _IDLE_SECONDS
            self._waiting, self._since, self._tried = batch.documents, self._clock(), False
        self._drop_existing()
        if self._waiting and self._clock() - self._since >= self._patience:
            self._send_missing()
        if self._waiting:
            return _POLL_SECONDS
        self._reader.done()
        return 0.0

    @property
    def _patience(self) -> float:
        if self._gone_since is not None and self._clock() - self._gone_since < _GONE_SECONDS:
            return 0.0
        return self._grace

    def _drop_existing(self) -> None:
        flags = self._store.existing([(document.index, document.id) for document in self._waiting])
        there = sum(flags)
        self._waiting = [document for document, found in zip(self._waiting, flags, strict=True) if not found]
        self._metrics.confirmed.inc(there)
        if there and self._gone_since is not None and not self._tried:
            log.info("events arrive through Fluent Bit again")
            self._gone_since = None

    def _send_missing(self) -> None:
        missing = self._waiting
        if self._patience > 0 and not self._tried:
            log.warning(
                "%d events did not arrive through Fluent Bit within %.0f s; sending them", len(missing), self._grace
            )
            self._gone_since = self._clock()
        self._tried = True
        outcomes = self._store.create(missing)
        refused, waiting, stored = [], [], 0
        for document, outcome in zip(missing, outcomes, strict=True):
            if outcome.verdict is Verdict.STORED:
                stored += 1
                self._blocked_since.pop(document.index, None)
            elif outcome.verdict is Verdict.REFUSED or self._blocked_for_long(document, outcome):
                refused.append((document, outcome))
            else:
                waiting.append((document, outcome))
        self._metrics.confirmed.inc(stored)
        self._metrics.resent.inc(stored)
        unburied = self._bury(refused)
        self._waiting = [document for document, _ in waiting] + unburied
        if waiting:
            _, later = waiting[0]
            raise OpenSearchError(f"OpenSearch takes no events now: {later.status} {later.type}: {later.reason}")
        if unburied:
            raise OpenSearchError(f"{len(unburied)} refused events can't be kept in {DEAD_LETTER} now")

    def _blocked_for_long(self, document: Document, outcome: Outcome) -> bool:
        """Whether one index has been read-only for so long that its documents must not hold up all others."""
        if outcome.type != "cluster_block_exception":
            return False
        since = self._blocked_since.setdefault(document.index, self._clock())
        return self._clock() - since >= _BLOCKED_SECONDS

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


def dead_letter(document: Document, outcome: Outcome, *, cluster: str) -> Document:
    """The dead letter of a refused document: the original as text, OpenSearch's reason, and where it was to go."""
    source = document.source.rstrip(b"\n").decode(errors="replace")
    letter = {
        fields.TIMESTAMP: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        fields.ID: document.id,
        fields.CLUSTER: cluster,
        "target": {"index": document.index},
        "error": {"status": outcome.status, "type": outcome.type, "reason": outcome.reason},
        "document": source,
    }
    # Of index and id: the same Event may be refused by several indices.
    key = hashlib.sha256(f"{document.index}/{document.id}".encode()).hexdigest()
    return Document(DEAD_LETTER, key, encode(letter))
