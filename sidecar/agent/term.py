"""A term of leading: what is made when this sidecar is to watch the events, and ended when another is."""

import threading
from collections.abc import Callable
from functools import partial

from sidecar.config import Config
from sidecar.events.backfill import Backfill
from sidecar.events.collect import Collector
from sidecar.events.following import Position, number
from sidecar.events.gap import gap_record
from sidecar.events.intake import Intake, Knowledge
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Recorder
from sidecar.events.scope import scope
from sidecar.events.select import selected
from sidecar.kube import ApiServer
from sidecar.opensearch import Documents

_JOIN_SECONDS = 1.5


class Term:
    """Collects from its making until `end`.

    Args:
        config: pipeline.yaml.
        api: The API server.
        journal: Where the events go.
        documents: OpenSearch.
        metrics: Counted here.
        knowledge: Labels and workloads; None where they aren't wanted.
        leading: Whether this sidecar still leads.
        before: From where an earlier leader says to go on.
        guarded: Runs a part, and sees to it that its end by a bug is noticed.
    """

    def __init__(
        self,
        config: Config,
        api: ApiServer,
        journal: Journal,
        documents: Documents,
        metrics: EventMetrics,
        *,
        knowledge: Knowledge | None,
        leading: Callable[[], bool],
        before: Position | None,
        guarded: Callable[[str, Callable[[], None]], None],
    ) -> None:
        self._journal = journal
        self._before = before
        stopping = threading.Event()
        events = config.events
        intake = Intake(
            Recorder(config),
            journal,
            metrics,
            chosen=partial(selected, events=events),
            knowledge=knowledge,
            stop=stopping.is_set,
            leading=lambda: leading() and not stopping.is_set(),
        )
        # What waits in the journal already is delivered in any case: a list into an outage would only double it.
        patience = events.api_ttl.total_seconds() / 4 if journal.size else 0.0
        backfill = Backfill(api, scope(events), intake, documents, metrics, patience=patience, stopping=stopping)
        self.collector = Collector(
            api,
            scope(events),
            intake,
            backfill,
            metrics,
            position=self._position,
            gap_record=partial(gap_record, config=config),
            ttl=events.api_ttl,
            stopping=stopping,
        )
        self._thread = threading.Thread(
            target=guarded, args=("collect", self.collector.run), name="collect", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """End collecting. A request that hangs is left behind: nothing is written after it."""
        self.collector.stop()
        self._thread.join(_JOIN_SECONDS)

    def _position(self) -> Position | None:
        """The later of what is safe in this journal and of what an earlier leader had confirmed."""
        known = [position for position in (self._journal.position, self._before) if position is not None]
        return max(known, key=lambda position: (number(position.resource_version), position.time), default=None)
