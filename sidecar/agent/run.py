"""`sidecar run`: the parts, each in a thread, until a signal asks it to stop or a part ends by a bug."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Info, disable_created_metrics

from sidecar import __version__
from sidecar.agent.delivery import JOURNAL_SECONDS, JOURNAL_TROUBLE, Delivery
from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.http import StatusServer
from sidecar.agent.leader import Leader, identity
from sidecar.agent.management import Management
from sidecar.agent.node import Node
from sidecar.agent.report import Report
from sidecar.agent.term import Term
from sidecar.config import Config
from sidecar.errors import JournalError, KubernetesError, SidecarError
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
    """Everything that `sidecar run` runs.

    Args:
        config: pipeline.yaml.
        api: The API server.
        client: OpenSearch.
        stopping: Set by whoever wants `run` to end, within five seconds.
        fluent_bit: Whether a Fluent Bit ships the journal; without one the sidecar sends everything itself.

    Raises:
        SidecarError: A folder can't be written, a port is taken, a credential can't be read.
    """

    def __init__(
        self,
        config: Config,
        api: ApiServer,
        client: Client,
        *,
        stopping: threading.Event,
        fluent_bit: bool = True,
    ) -> None:
        self._config = config
        self._api = api
        self._client = client
        self.stopping = stopping
        self._failed: list[str] = []
        self._threads: list[threading.Thread] = []
        self._term: Term | None = None
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self._metrics = EventMetrics(registry)
        self._metrics.position_age.set_function(self._position_age)
        Info("sidecar_build", "Version.", registry=registry).info({"version": __version__})
        agent = config.agent
        self._pod_logs = self._pods_and_files(registry) if config.logs.enabled and fluent_bit else None
        # The port first, then the journal's lock: nothing is touched where another sidecar is at work.
        self._server = StatusServer(
            agent.address, agent.port, registry, ready=self._ready, alive=lambda: list(self._failed)
        )
        self._journal = Journal(Path(Layout.of(config).journal), cap=config.events.journal)
        node = Node(config, client.access)
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

    def run(self) -> None:
        """Run until `stopping` is set.

        Raises:
            SidecarError: A part ended by a bug, which the log shows.
        """
        with self._server as server:
            log.info(
                "fluent-sidecar %s for cluster %s, metrics at port %d", __version__, self._config.cluster, server.port
            )
            for name, part in (
                ("leader", self._leader.run),
                *self._delivery.parts,
                *([("manage", self._management.run)] if self._config.opensearch.leader_manages else []),
                ("report", self._report.run),
                *(self._pod_logs.parts if self._pod_logs else []),
            ):
                if self.stopping.is_set():
                    break
                self._threads.append(threading.Thread(target=self._guarded, args=(name, part), name=name, daemon=True))
                self._threads[-1].start()
            self.stopping.wait()
            log.info("stopping")
            self._end()
        if self._failed:
            raise SidecarError(
                f"ended by a bug in: {', '.join(self._failed)}", hint="the log shows where; please report it"
            )
        log.info("stopped")

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
        fluent_bit = FluentBit(self._config.fluentbit.port)
        return PodLogs(
            self._config,
            self._api,
            registry,
            stopping=self.stopping,
            reload=lambda: not fluent_bit.is_running() or fluent_bit.reload(),
        )

    def _ready(self) -> bool:
        # A Fluent Bit that is started with the right address need not be reloaded.
        return (self._pod_logs is None or self._pod_logs.ready()) and self._delivery.released

    def _end(self) -> None:
        if self._pod_logs:
            self._pod_logs.stop()
        end = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            # A request that hangs is left behind: all that it could do is harmless, and is done again.
            thread.join(max(end - time.monotonic(), 0))
        if self._enricher:
            self._enricher.close()
        try:
            self._journal.close()
        except JournalError as error:
            log.warning("%s", error)

    def _guarded(self, name: str, part: Callable[[], None]) -> None:
        try:
            part()
        except Exception:
            log.exception("%s ended by a bug", name)
            self._failed.append(name)
            self.stopping.set()
