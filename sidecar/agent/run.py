"""`sidecar run`: the parts, each in a thread, until a signal asks it to stop or a part ends by a bug."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Info, disable_created_metrics

from sidecar import __version__
from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.http import StatusServer
from sidecar.agent.node import Node
from sidecar.config import Config
from sidecar.errors import JournalError, SidecarError
from sidecar.events.collect import Collector
from sidecar.events.confirm import GRACE_SECONDS, Confirmer
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Recorder
from sidecar.events.select import selected
from sidecar.kube import ApiServer
from sidecar.kube.backoff import Backoff
from sidecar.logs.parts import PodLogs
from sidecar.opensearch import Client, Documents
from sidecar.opensearch.apply import apply_templates, templates_in_place
from sidecar.render.layout import Layout
from sidecar.render.templates import templates

log = logging.getLogger(__name__)

_COMMIT_SECONDS = 0.2
_STOP_SECONDS = 2.0


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
        self._client = client
        self.stopping = stopping
        self._templates = threading.Event()
        self._failed: list[str] = []
        self._threads: list[threading.Thread] = []
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self._metrics = EventMetrics(registry)
        Info("sidecar_build", "Version.", registry=registry).info({"version": __version__})
        self._in_place = Gauge("sidecar_templates_in_place", "1 once the index templates are there.", registry=registry)
        agent = config.agent
        self._pod_logs = self._pods_and_files(api, registry) if config.logs.enabled and fluent_bit else None
        # The port first, then the journal's lock: nothing is touched where another sidecar is at work.
        self._server = StatusServer(
            agent.address, agent.port, registry, ready=self._ready, alive=lambda: list(self._failed)
        )
        self._journal = Journal(Path(Layout.of(config).journal), cap=config.events.journal)
        self._node = Node(config)
        if self._pod_logs:
            self._pod_logs.prepare()
        self._node.prepare()
        documents = Documents(client)
        grace = GRACE_SECONDS if fluent_bit else 0.0
        self.collector = Collector(
            api,
            Recorder(config),
            self._journal,
            documents,
            self._metrics,
            chosen=partial(selected, events=config.events),
        )
        self._confirmer = Confirmer(config, self._journal, documents, self._metrics, grace=grace)

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
                ("collect", self.collector.run),
                ("commit", self._commit),
                ("templates", self._prepare_opensearch),
                ("confirm", self._confirm),
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

    def _pods_and_files(self, api: ApiServer, registry: CollectorRegistry) -> PodLogs:
        fluent_bit = FluentBit(self._config.fluentbit.port)
        return PodLogs(
            self._config,
            api,
            registry,
            stopping=self.stopping,
            reload=lambda: not fluent_bit.is_running() or fluent_bit.reload(),
        )

    def _ready(self) -> bool:
        return self._pod_logs is None or self._pod_logs.ready()

    def _end(self) -> None:
        self.collector.stop()
        if self._pod_logs:
            self._pod_logs.stop()
        end = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            # A request that hangs is left behind: all that it could do is harmless, and is done again.
            thread.join(max(end - time.monotonic(), 0))
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

    def _commit(self) -> None:
        backoff = Backoff()
        while not self.stopping.wait(_COMMIT_SECONDS):
            try:
                self._journal.commit()
                backoff.succeeded()
            except JournalError as error:
                delay = backoff.failed()
                log.warning("%s; next attempt in %.1f s", error, delay)
                self.stopping.wait(delay)

    def _confirm(self) -> None:
        began = time.monotonic()
        while not self.stopping.is_set():
            if self._templates.wait(0.2):
                self._confirmer.run(self.stopping)
            elif self._journal.size:
                # An OpenSearch that is away from the start is an outage like any other.
                self._metrics.oldest_unconfirmed.set(time.monotonic() - began)
                self._metrics.journal_bytes.set(self._journal.size)

    def _prepare_opensearch(self) -> None:
        """Nothing is sent before the templates are in place; what comes meanwhile waits in the journal."""
        self._until_done("index templates are not in place", self._ensure_templates)
        self._templates.set()
        self._in_place.set(1)
        # Confirmation does not wait for this: without Fluent Bit the sidecar sends the events.
        self._until_done("Fluent Bit is not pointed at OpenSearch", self._node.open)

    def _until_done(self, failure: str, attempt: Callable[[], None]) -> None:
        backoff = Backoff()
        while not self.stopping.is_set():
            try:
                attempt()
            except SidecarError as error:
                delay = backoff.failed()
                log.warning("%s, next attempt in %.1f s: %s", failure, delay, error)
                self.stopping.wait(delay)
            else:
                return

    def _ensure_templates(self) -> None:
        wanted = templates(self._config)
        if self._config.opensearch.manage:
            for change in apply_templates(self._client, wanted):
                log.info("%s %s: %s", change.kind, change.name, change.action.value)
        elif not templates_in_place(self._client, wanted):
            raise SidecarError(
                "OpenSearch lacks the index templates, or has older ones",
                hint="run `sidecar apply`, or set opensearch.manage",
            )
