"""The parts of `sidecar run`, each in a thread, for one configuration; `Supervisor` starts and ends them."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from sidecar.agent.delivery import JOURNAL_SECONDS, JOURNAL_TROUBLE, Delivery
from sidecar.agent.leader import Leader, identity
from sidecar.agent.management import Management
from sidecar.agent.node import Node
from sidecar.agent.reloads import Reloads
from sidecar.agent.report import Report
from sidecar.agent.term import Term
from sidecar.config import Config
from sidecar.errors import JournalError, KubernetesError
from sidecar.events.confirm import GRACE_SECONDS, Confirmer
from sidecar.events.enrich import Counters, Enricher
from sidecar.events.following import Position
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.scope import scope
from sidecar.kube import ApiServer, pages
from sidecar.kube.lease import Elector
from sidecar.logs.parts import PodLogs
from sidecar.opensearch import Client, Documents
from sidecar.render.layout import Layout

log = logging.getLogger(__name__)

_STOP_SECONDS = 3.0
_COLLECT_SECONDS = 60.0
"""How long the API server may answer nothing of use before another sidecar is to try."""


class Agent:
    """Everything that runs for one configuration.

    Args:
        config: pipeline.yaml.
        api: The API server.
        client: OpenSearch.
        node: Fluent Bit's files for it.
        reloads: Reloads Fluent Bit.
        fluent_bit: Whether a Fluent Bit ships the journal; without one the sidecar sends everything itself.

    Attributes:
        registry: The metrics of its parts.
        failed: Names of the parts that ended by a bug; none is well.

    Raises:
        SidecarError: A folder can't be written, a credential can't be read, another sidecar is at work.
    """

    def __init__(
        self, config: Config, api: ApiServer, client: Client, node: Node, reloads: Reloads, *, fluent_bit: bool = True
    ) -> None:
        self._config = config
        self._api = api
        self._client = client
        self._reloads = reloads
        self._stopping = threading.Event()
        self._over = False
        self.failed: list[str] = []
        self._threads: list[threading.Thread] = []
        self._term: Term | None = None
        self.registry = registry = CollectorRegistry()
        self._metrics = EventMetrics(registry)
        self._metrics.position_age.set_function(self._position_age)
        self._pod_logs = self._pods_and_files(registry) if config.logs.enabled and fluent_bit else None
        # The journal's lock first: nothing is touched where another sidecar is at work.
        self._journal = Journal(Path(Layout.of(config).journal), cap=config.events.journal)
        try:
            self._make_parts(node, fluent_bit=fluent_bit)
        except BaseException:
            self._close_journal()
            raise

    def _make_parts(self, node: Node, *, fluent_bit: bool) -> None:
        config, client, registry, stopping = self._config, self._client, self.registry, self._stopping
        if self._pod_logs:
            self._pod_logs.prepare()
        node.prepare()
        grace = GRACE_SECONDS if fluent_bit else 0.0
        confirmer = Confirmer(config, self._journal, Documents(client), self._metrics, grace=grace)
        self._management = Management(
            config,
            client,
            leading=lambda: self._leader.leading,
            starved=lambda: self._delivery.starved,
            lacking_at=lambda: self._delivery.lacking_at,
            registry=registry,
            stopping=stopping,
        )
        self._delivery = Delivery(
            config,
            client,
            self._journal,
            confirmer=confirmer,
            node=node,
            metrics=self._metrics,
            registry=registry,
            stopping=stopping,
            prepared=self._management.prepared,
        )
        self._enricher = self._make_enricher() if config.events.enrich else None
        self._leader = Leader(
            self._elector(),
            begin=self._lead,
            confirmed=lambda: self._journal.confirmed,
            trouble=self._trouble,
            able=self._able,
            registry=registry,
            stopping=stopping,
        )
        self._report = Report(registry, stopping=stopping)

    def start(self) -> None:
        """Start the parts."""
        for name, part in (
            ("leader", self._leader.run),
            *self._delivery.parts,
            *([("manage", self._management.run)] if self._config.opensearch.leader_manages else []),
            ("report", self._report.run),
            *(self._pod_logs.parts if self._pod_logs else []),
        ):
            self._threads.append(threading.Thread(target=self._guarded, args=(name, part), name=name, daemon=True))
            self._threads[-1].start()

    def ready(self) -> bool:
        """Whether everything that Fluent Bit needs is in place."""
        # A Fluent Bit that is started with the right address need not be reloaded.
        return (self._pod_logs is None or self._pod_logs.ready()) and self._delivery.released

    def end(self) -> None:
        """End the parts, within some seconds; what leads gives the Lease up."""
        self._over = True
        self._stopping.set()
        if self._pod_logs:
            self._pod_logs.stop()
        end = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            # A request that hangs is left behind: all that it could do is harmless, and is done again.
            thread.join(max(end - time.monotonic(), 0))
        if self._enricher:
            self._enricher.close()
        self._close_journal()
        self._client.close()

    def _close_journal(self) -> None:
        try:
            self._journal.close()
        except JournalError as error:
            log.warning("%s", error)

    def _elector(self) -> Elector:
        who = identity(Path(Layout.of(self._config).journal))
        namespace, name = self._api.namespace, self._config.events.lease
        return Elector(self._api, namespace=namespace, name=name, identity=who, resume=True)

    def _make_enricher(self) -> Enricher:
        metrics = self._metrics
        counters = Counters(metrics.enriched, metrics.unenriched, metrics.lookups, metrics.known_objects)
        return Enricher(self._api, counters)

    def _lead(self, before: Position | None) -> Term:
        self._term = Term(
            self._config,
            self._api,
            self._journal,
            self._client,
            self._metrics,
            knowledge=self._enricher,
            leading=lambda: self._leader.leading,
            before=before,
            guarded=self._guarded,
        )
        return self._term

    def _position_age(self) -> float:
        return self._term.collector.position_age if self._term and self._leader.leading else 0.0

    def _trouble(self) -> str:
        if self._term is not None:
            link, seconds = self._term.collector.health.failing
            if link == "kubernetes" and seconds >= _COLLECT_SECONDS:
                return "the API server shows no events"
            if link == "journal" and seconds >= JOURNAL_SECONDS:
                return JOURNAL_TROUBLE
        return self._delivery.trouble()

    def _able(self) -> bool:
        if not self._delivery.able():
            return False
        try:
            next(pages(self._api, scope(self._config.events).path, limit=1))
        except KubernetesError as error:
            log.info("no help from here: %s", error)
            return False
        return True

    def _pods_and_files(self, registry: CollectorRegistry) -> PodLogs:
        return PodLogs(
            self._config,
            self._api,
            registry,
            stopping=self._stopping,
            reload=lambda: self._reloads.reload().well,
        )

    def _guarded(self, name: str, part: Callable[[], None]) -> None:
        try:
            part()
        except Exception:
            if self._over:  # left behind by `end`: its journal is closed
                log.info("%s ended late", name, exc_info=True)
                return
            log.exception("%s ended by a bug", name)
            self.failed.append(name)
            self._stopping.set()
