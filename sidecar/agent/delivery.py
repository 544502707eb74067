"""Delivery: what is in the journal comes to OpenSearch. Every sidecar does this, whether it leads or did once."""

import logging
import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from sidecar.agent.node import Node
from sidecar.config import Config
from sidecar.errors import JournalError, OpenSearchError, SidecarError
from sidecar.events.confirm import Confirmer
from sidecar.events.journal import Journal
from sidecar.events.metrics import EventMetrics
from sidecar.kube.backoff import Backoff
from sidecar.opensearch import Client, Documents
from sidecar.opensearch.manage.templates import Presence, templates_in_place
from sidecar.render.indices import event_index
from sidecar.render.templates import templates

log = logging.getLogger(__name__)

_COMMIT_SECONDS = 0.2
_RELEASE_SECONDS = 5.0
_FOLLOW_SECONDS = 2.0
_LOOK_SECONDS, _OTHER_SECONDS = 10.0, 60.0
"""How often it is looked for templates at the least, and after which time those of another version will do."""
_STILL_THERE_SECONDS = 30.0
"""How often it is looked whether they are still there."""
_STARVED_SECONDS = 60.0
"""For how long a template may lack before no leader is taken to put it."""
_QUIET_SECONDS, _COMPLAIN_SECONDS = 3.0, 60.0
"""After which time, and how often, it is told that they lack."""
JOURNAL_SECONDS, _OPENSEARCH_SECONDS = 10.0, 30.0
"""How long a link may fail before another sidecar is to try."""
JOURNAL_TROUBLE = "the journal can't be written"


class Delivery:
    """Commits the journal, prepares OpenSearch, and confirms.

    Args:
        config: pipeline.yaml.
        client: OpenSearch.
        journal: What is delivered.
        confirmer: Confirms it.
        node: Fluent Bit's files, which are pointed at OpenSearch once the templates are there.
        metrics: Counted here.
        registry: For what concerns no event.
        stopping: Ends every part.
        prepared: Set when this sidecar itself has put the templates in place, which is then seen at once.

    Attributes:
        lacking_at: When a template was last found to lack, by the monotonic clock; None where none does.
    """

    def __init__(
        self,
        config: Config,
        client: Client,
        journal: Journal,
        *,
        confirmer: Confirmer,
        node: Node,
        metrics: EventMetrics,
        registry: CollectorRegistry,
        stopping: threading.Event,
        prepared: threading.Event,
    ) -> None:
        self._config = config
        self._client = client
        self._documents = Documents(client)
        self._journal = journal
        self._confirmer = confirmer
        self._node = node
        self._metrics = metrics
        self._stopping = stopping
        self._prepared = prepared
        self._templates = threading.Event()
        self._is_open = threading.Event()
        self._began = time.monotonic()
        self._commit_fails: float | None = None
        self._lacking_since: float | None = None
        self.lacking_at: float | None = None
        self._in_place = Gauge("sidecar_templates_in_place", "1 once the index templates are there.", registry=registry)
        self._opened = Counter(
            "sidecar_fluent_bit_open", "Attempts to point Fluent Bit at OpenSearch.", ["result"], registry=registry
        )
        self.parts: tuple[tuple[str, Callable[[], None]], ...] = (
            ("commit", self._commit),
            ("templates", self._prepare_opensearch),
            ("confirm", self._confirm),
        )

    @property
    def released(self) -> bool:
        """Whether Fluent Bit may be started: it is pointed at OpenSearch, or that takes too long to be waited for."""
        return self._is_open.is_set() or time.monotonic() - self._began >= _RELEASE_SECONDS

    @property
    def starved(self) -> bool:
        """Whether OpenSearch has lacked a template for so long that no leader seems to put it."""
        return self._lacking_since is not None and time.monotonic() - self._lacking_since >= _STARVED_SECONDS

    def trouble(self) -> str:
        """Why nothing can be delivered from here for some time already; empty where it can."""
        if self._commit_fails is not None and time.monotonic() - self._commit_fails >= JOURNAL_SECONDS:
            return JOURNAL_TROUBLE
        waiting = self._confirmer.failing_for
        if not self._templates.is_set() and self._journal.size:
            waiting = time.monotonic() - self._began
        return "OpenSearch takes nothing" if waiting >= _OPENSEARCH_SECONDS else ""

    def able(self) -> bool:
        """Whether something could be delivered from here now; asks OpenSearch."""
        if self.trouble():
            return False
        index = event_index(self._config.events, time.strftime("%Y-%m-%dT", time.gmtime()))
        try:
            self._documents.existing([(index, "no-such-document")])
        except OpenSearchError as error:
            log.info("no help from here: %s", error)
            return False
        return self._templates.is_set()

    def _commit(self) -> None:
        backoff = Backoff(most=5.0)
        while not self._stopping.wait(_COMMIT_SECONDS):
            try:
                self._journal.commit()
                backoff.succeeded()
                self._commit_fails = None
            except JournalError as error:
                self._commit_fails = self._commit_fails or time.monotonic()
                delay = backoff.failed()
                log.warning("%s; next attempt in %.1f s", error, delay)
                self._stopping.wait(delay)

    def _confirm(self) -> None:
        while not self._stopping.is_set():
            if self._templates.wait(0.2):
                self._confirmer.run(self._stopping)
            elif self._journal.size:
                # An OpenSearch that is away from the start is an outage like any other.
                self._metrics.oldest_unconfirmed.set(time.monotonic() - self._began)
                self._metrics.journal_bytes.set(self._journal.size)

    def _prepare_opensearch(self) -> None:
        """Nothing is sent before the templates are in place; what comes meanwhile waits in the journal."""
        if not self._await_templates():
            return
        self._templates.set()
        # Confirmation does not wait for this: without Fluent Bit the sidecar sends the events.
        self._until_done("Fluent Bit is not pointed at OpenSearch", self._open, self._opened)
        self._is_open.set()
        self._follow()

    def _await_templates(self) -> bool:
        """Whether the templates are there; False when it all ends before."""
        backoff, told_at = Backoff(first=0.2, most=_LOOK_SECONDS), float("-inf")
        while not self._stopping.is_set():
            awaited = not self._prepared.is_set()
            try:
                self._ensure_templates()
            except SidecarError as error:
                now = time.monotonic()
                # At first it is no news that they lack: the leader is about to put them. That one can't ask is.
                quiet = now - self._began < _QUIET_SECONDS and not isinstance(error, OpenSearchError)
                if not quiet and now - told_at >= _COMPLAIN_SECONDS:
                    told_at = now
                    log.warning("nothing is sent yet: %s", error)
            else:
                return True
            for _ in range(1 + int(backoff.failed() / _COMMIT_SECONDS)):
                if self._stopping.wait(_COMMIT_SECONDS) or (awaited and self._prepared.is_set()):
                    break
        return False

    def _open(self) -> None:
        self._node.open(starting=self.released)

    def _follow(self) -> None:
        """A password or a certificate that is replaced reaches Fluent Bit too."""
        # Each attempt reloads it: one that takes its time must not be hurried from one reload into the next.
        backoff, delay = Backoff(first=2 * _FOLLOW_SECONDS, most=_COMPLAIN_SECONDS), _FOLLOW_SECONDS
        look_at = time.monotonic() + _STILL_THERE_SECONDS
        while not self._stopping.wait(delay):
            if time.monotonic() >= look_at:
                self._look_again()
                look_at = time.monotonic() + (_LOOK_SECONDS if self.lacking_at else _STILL_THERE_SECONDS)
            try:
                if self._node.open(starting=False):
                    self._opened.labels("done").inc()
            except SidecarError as error:
                self._opened.labels("failed").inc()
                delay = backoff.failed()
                log.warning("Fluent Bit goes on with what it had, next attempt in %.1f s: %s", delay, error)
            else:
                backoff.succeeded()
                delay = _FOLLOW_SECONDS

    def _until_done(self, failure: str, attempt: Callable[[], None], results: Counter) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                attempt()
            except SidecarError as error:
                results.labels("failed").inc()
                delay = backoff.failed()
                log.warning("%s, next attempt in %.1f s: %s", failure, delay, error)
                self._stopping.wait(delay)
            else:
                results.labels("done").inc()
                return

    def _ensure_templates(self) -> None:
        """Raise an error unless the templates are there.

        Ones of another version are as good once it is clear that they stay for now, as in an upgrade, node by node,
        whose leader is still an older sidecar: no document is refused by them, and none may wait for hours.
        """
        presence = self._presence()
        if presence is Presence.OTHER and time.monotonic() - self._began >= _OTHER_SECONDS:
            log.warning("the index templates are of another version; fields that they lack can't be searched")
        elif presence is not Presence.EXACT:
            raise SidecarError(
                "OpenSearch lacks the index templates, or has older ones",
                hint="the sidecar that leads puts them in place"
                if self._config.opensearch.leader_manages
                else "run `sidecar apply`, or set opensearch.manage",
            )
        self._in_place.set(presence is Presence.EXACT)

    def _look_again(self) -> None:
        """Templates can go, by a hand or with a snapshot that is restored; what is open stays open.

        Documents go on into the indices that exist, and whoever may puts the templates again before there are others.
        """
        knew = self.lacking_at is not None
        try:
            presence = self._presence()
        except SidecarError as error:
            log.debug("whether the index templates are still there can't be told: %s", error)
            return
        if presence is Presence.LACKING and not knew:
            log.warning("the index templates are gone from OpenSearch: a new index would have its fields guessed")
        elif presence is not Presence.LACKING and knew:
            log.info("the index templates are there again")
        self._in_place.set(presence is Presence.EXACT)

    def _presence(self) -> Presence:
        presence = templates_in_place(self._client, templates(self._config))
        lacking = presence is Presence.LACKING
        self.lacking_at = time.monotonic() if lacking else None
        self._lacking_since = (self._lacking_since or self.lacking_at) if lacking else None
        return presence
