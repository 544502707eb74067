"""A term of leading: what is made when this sidecar is to watch the events, and ended when another is."""

import threading
from collections.abc import Callable
from functools import partial

from sidecar.config import Config
from sidecar.events.backfill import Backfill
from sidecar.events.collect import Collector
from sidecar.events.following import Position, number, sound
from sidecar.events.gap import KIND, gap_record
from sidecar.events.intake import Intake, Knowledge
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Recorder, written_at
from sidecar.events.scope import scope
from sidecar.events.select import selection
from sidecar.kube import ApiServer
from sidecar.opensearch import Client, Documents
from sidecar.opensearch.query import newest
from sidecar.render import fields
from sidecar.render.indices import event_index_pattern

_JOIN_SECONDS = 1.5


class Term:
    """Collects from its making until `end`.

    Args:
        config: pipeline.yaml.
        api: The API server.
        journal: Where the events go.
        client: OpenSearch.
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
        client: Client,
        metrics: EventMetrics,
        *,
        knowledge: Knowledge | None,
        leading: Callable[[], bool],
        before: Position | None,
        guarded: Callable[[str, Callable[[], None]], None],
    ) -> None:
        self._config = config
        self._api = api
        self._client = client
        self._journal = journal
        self._before = before
        journal.forget_positions()
        stopping = threading.Event()
        events = config.events
        intake = Intake(
            Recorder(config),
            journal,
            metrics,
            chosen=selection(events),
            knowledge=knowledge,
            stop=stopping.is_set,
            leading=lambda: leading() and not stopping.is_set(),
        )
        # What waits in the journal already is delivered in any case: a list into an outage would only double it.
        patience = events.api_ttl.total_seconds() / 4 if journal.size else 0.0
        backfill = Backfill(
            api, scope(events), intake, Documents(client), metrics, patience=patience, stopping=stopping
        )
        self.collector = Collector(
            api,
            scope(events),
            intake,
            backfill,
            metrics,
            position=self._position,
            last_event=self._last_event,
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
        now = self._api.time()
        known = [sound(position, now) for position in (self._journal.position, self._before) if position is not None]
        return max(known, key=lambda position: (number(position.resource_version), position.time), default=None)

    def _last_event(self) -> Position | None:
        """When the newest Event of the cluster that OpenSearch holds was made; None where it holds none.

        Raises:
            OpenSearchError: It can't be told.
        """
        query = {
            "bool": {"filter": {"term": {fields.CLUSTER: self._config.cluster}}, "must_not": {"term": {"kind": KIND}}}
        }
        pattern = event_index_pattern(self._config.events)
        found = newest(self._client, pattern, query, by="metadata.creationTimestamp")
        metadata = found.get("metadata") if found else None
        made = written_at(metadata) if isinstance(metadata, dict) else 0.0
        return Position("", made) if made else None
