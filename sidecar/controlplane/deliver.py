"""Deliver documents within the time that is left: what OpenSearch can't take now is tried again, what it refuses kept.

An id is created once, so all of it is safe to repeat.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.errors import OpenSearchUnavailable, UndeliveredError
from sidecar.opensearch.deadletter import dead_letter
from sidecar.opensearch.documents import MAX_REQUEST_BYTES, Document, Outcome, Verdict, batches

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_CREATED = 201
_NAMED = 3
_LATER = Outcome(Verdict.LATER)


class Creates(Protocol):
    """What it needs of OpenSearch; `sidecar.controlplane.store.Store` is one."""

    def create(self, documents: Sequence[Document]) -> list[Outcome]: ...  # noqa: D102 - see Documents


@dataclass
class Result:
    """What became of documents.

    Attributes:
        stored: Created now.
        there: There already, of an earlier delivery.
        dead_lettered: Refused, and kept in the dead-letter index.
        retried: Tried again.
    """

    stored: int = 0
    there: int = 0
    dead_lettered: int = 0
    retried: int = 0

    def add(self, other: "Result") -> None:
        """Count what another one counted."""
        self.stored += other.stored
        self.there += other.there
        self.dead_lettered += other.dead_lettered
        self.retried += other.retried

    @property
    def done(self) -> int:
        """All that need not come again."""
        return self.stored + self.there + self.dead_lettered


class Delivery:
    """Delivers; one for each batch.

    Args:
        store: OpenSearch.
        cluster: Its name, for dead letters.
        left: Seconds that are left.
        attempt: Seconds that an attempt may take: none begins with less.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        store: Creates,
        *,
        cluster: str,
        left: Callable[[], float],
        attempt: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._store, self._cluster = store, cluster
        self._left, self._attempt, self._sleep = left, attempt, sleep
        self.result = Result()
        self._reason = ""

    def deliver(self, documents: Sequence[Document]) -> Result:
        """Bring all of them to OpenSearch.

        Raises:
            UndeliveredError: Some are not there when the time is over.
            OpenSearchError: It refuses us, which waiting doesn't mend.
        """
        total, pause = len(documents), _FIRST_PAUSE
        waiting = list(documents)
        while waiting:
            before = len(waiting)
            waiting = self._attempt_all(waiting)
            if not waiting:
                break
            # Who takes some is busy; who takes none is left alone for ever longer.
            pause = min(2 * pause, _LONGEST_PAUSE) if len(waiting) == before else _FIRST_PAUSE
            if self._left() < self._attempt + pause:
                raise UndeliveredError(
                    f"{len(waiting)} of {total} documents are not in OpenSearch: {self._reason or 'no time is left'}"
                )
            self._sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the load, keeps no secret
            self.result.retried += len(waiting)
        return self.result

    def _attempt_all(self, documents: list[Document]) -> list[Document]:
        """Try each once; those for later come back."""
        later: list[Document] = []
        for batch in batches(documents, MAX_REQUEST_BYTES):
            later += self._try(batch)
        return later

    def _try(self, batch: Sequence[Document]) -> list[Document]:
        later: list[Document] = []
        refused: list[tuple[Document, Outcome]] = []
        for document, outcome in zip(batch, self._create(batch), strict=True):
            if outcome.verdict is Verdict.STORED:
                self._count(outcome)
            elif outcome.verdict is Verdict.REFUSED:
                refused.append((document, outcome))
            else:
                later.append(document)
                if outcome is not _LATER:
                    self._reason = f"{outcome.status} {outcome.type}: {outcome.reason}"
        return later + self._bury(refused)

    def _create(self, batch: Sequence[Document]) -> list[Outcome]:
        if self._left() < self._attempt:
            return [_LATER] * len(batch)
        try:
            return self._store.create(batch)
        except OpenSearchUnavailable as error:
            self._reason = str(error)
            return [_LATER] * len(batch)

    def _count(self, outcome: Outcome) -> None:
        if outcome.status == _CREATED:
            self.result.stored += 1
        else:
            self.result.there += 1

    def _bury(self, refused: list[tuple[Document, Outcome]]) -> list[Document]:
        """Keep what was refused; those for which that failed come back."""
        if not refused:
            return []
        for document, outcome in refused[:_NAMED]:
            log.error("OpenSearch refused %s for %s: %s: %s", document.id, document.index, outcome.type, outcome.reason)
        letters = [dead_letter(document, outcome, cluster=self._cluster) for document, outcome in refused]
        unburied = []
        for (document, _), letter in zip(refused, self._create(letters), strict=True):
            if letter.verdict is Verdict.STORED:
                self.result.dead_lettered += 1
            else:
                self._reason = self._reason or f"a dead letter can't be kept: {letter.type}: {letter.reason}"
                unburied.append(document)
        return unburied
