"""Intake: Events as the API server gives them -> lines of the journal. What the watch and the list share."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sidecar.events.following import Position
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Involved, Record, Recorder

log = logging.getLogger(__name__)


class Knowledge(Protocol):
    """What is known of the objects that Events are about; `sidecar.events.enrich.Enricher` is one."""

    def look_up(self, events: Sequence[Any], *, budget: float) -> Sequence[Involved | None]: ...  # noqa: D102 - see there


class Intake:
    """Chooses, enriches, records and journals; safe to use from several threads.

    Args:
        recorder: Makes the records.
        journal: Where they go.
        metrics: Counted here.
        chosen: Whether an Event goes out.
        knowledge: Labels and workloads; None where they aren't wanted.
        stop: Asked while the journal is full; True gives up.
        leading: Asked before anything is written; False gives up.
    """

    def __init__(
        self,
        recorder: Recorder,
        journal: Journal,
        metrics: EventMetrics,
        *,
        chosen: Callable[[Any], bool] = lambda _event: True,
        knowledge: Knowledge | None = None,
        stop: Callable[[], bool] = lambda: False,
        leading: Callable[[], bool] = lambda: True,
    ) -> None:
        self._recorder = recorder
        self._journal = journal
        self._metrics = metrics
        self._chosen = chosen
        self._knowledge = knowledge
        self._stop = stop
        self._leading = leading

    def records(self, items: Sequence[Any], *, budget: float) -> list[Record]:
        """The records of the Events that are to go out.

        Args:
            items: Events of whatever shape.
            budget: Seconds that asking for labels and workloads may take; who is late goes without.
        """
        wanted = [item for item in items if self._chosen(item)]
        self._metrics.left_out.inc(len(items) - len(wanted))
        if self._knowledge is None:
            return [self._recorder.record(item) for item in wanted]
        involved = self._knowledge.look_up(wanted, budget=budget)
        return [self._recorder.record(item, about) for item, about in zip(wanted, involved, strict=True)]

    def append(self, records: Sequence[Record], position: Position | None = None) -> bool:
        """Journal records; False where somebody else leads now, or all is to stop: then nothing was written.

        Raises:
            JournalError: The journal can't be written.
        """
        if not self._leading():
            return False
        done = self._journal.append([record.line for record in records], position=position, stop=self._stop)
        self._metrics.journaled.inc(len(records) if done else 0)
        return done
