"""A collector as a term of leading makes it, of parts that a test chooses."""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from prometheus_client import CollectorRegistry

from sidecar.config import Config
from sidecar.events.backfill import Backfill, Lookup
from sidecar.events.collect import Collector
from sidecar.events.gap import gap_record
from sidecar.events.intake import Intake
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Recorder
from sidecar.events.scope import Scope
from sidecar.events.select import selected
from sidecar.kube import ApiServer


class Nothing:
    """An OpenSearch that has nothing yet."""

    def existing(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        return [False for _ in keys]


def make_collector(
    config: Config,
    api: ApiServer,
    journal: Journal,
    registry: CollectorRegistry,
    *,
    lookup: Lookup | None = None,
    leading: Callable[[], bool] = lambda: True,
    patience: float = 0.0,
) -> Collector:
    """A collector that is yet to be run."""
    stopping, metrics, scope = threading.Event(), EventMetrics(registry), Scope()
    chosen = partial(selected, events=config.events)
    intake = Intake(Recorder(config), journal, metrics, chosen=chosen, stop=stopping.is_set, leading=leading)
    backfill = Backfill(api, scope, intake, lookup or Nothing(), metrics, patience=patience, stopping=stopping)
    return Collector(
        api,
        scope,
        intake,
        backfill,
        metrics,
        position=lambda: journal.position,
        gap_record=partial(gap_record, config=config),
        ttl=config.events.api_ttl,
        stopping=stopping,
    )
