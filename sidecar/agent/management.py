"""What the leader does besides watching: it puts in place what OpenSearch is to keep.

Another sidecar does so only where no leader does, for want of the right to the Lease, or as it is of an older version:
it puts what its own documents wait for and isn't there, and changes nothing. Of two versions none undoes the other's.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from sidecar.config import Config
from sidecar.errors import SidecarError
from sidecar.kube.backoff import Backoff
from sidecar.opensearch import Client
from sidecar.opensearch.manage import Action, Kind, Outcome, Server
from sidecar.opensearch.manage.backup import Backup
from sidecar.opensearch.manage.engine import carry_out, plan
from sidecar.opensearch.manage.kinds import first_kinds, later_kinds
from sidecar.opensearch.manage.probe import probe
from sidecar.render.layout import Layout

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_LONGEST_SECONDS = 300.0
_NEVER = float("inf")
_STAND_IN_SECONDS = 60.0
"""All sidecars come to stand in at the same time, and one is enough: each waits half of this to the whole."""

Kinds = Callable[[Config, Client], Sequence[Kind]]


class Management:
    """Applies once in each term of leading, again until all is done, and where a template is gone; wants a thread.

    Args:
        config: pipeline.yaml.
        client: OpenSearch.
        leading: Whether this sidecar leads.
        starved: Whether documents wait here for a template that no leader puts.
        lacking_at: When a template was last found to lack, by the monotonic clock.
        registry: For the metrics.
        stopping: Ends it.

    Attributes:
        prepared: Set while this sidecar has put in place what the first document needs.
    """

    def __init__(
        self,
        config: Config,
        client: Client,
        *,
        leading: Callable[[], bool],
        starved: Callable[[], bool],
        lacking_at: Callable[[], float | None],
        registry: CollectorRegistry,
        stopping: threading.Event,
    ) -> None:
        self._config = config
        self._client = client
        self._leading = leading
        self._starved = starved
        self._lacking_at = lacking_at
        self._began = -_NEVER
        self._patience = Backoff(first=_STAND_IN_SECONDS, most=_LONGEST_SECONDS)
        self._stand_in_at: float | None = None
        self._stopping = stopping
        self.prepared = threading.Event()
        self._told: set[str] = set()
        self._telling: set[str] = set()
        self._stands_in = self._failed = False
        self._backup = Path(Layout.of(config).backup)
        self._results = Counter(
            "sidecar_apply", "Attempts of the leader to put everything in place.", ["result"], registry=registry
        )
        self._missing = Gauge(
            "sidecar_apply_missing", "Objects that the last attempt could not put in place.", registry=registry
        )
        self._seconds = Gauge("sidecar_apply_seconds", "How long the last attempt took.", registry=registry)

    def run(self) -> None:
        """Put everything in place whenever this sidecar begins to lead, until `stopping`."""
        backoff, due = Backoff(most=_LONGEST_SECONDS), 0.0
        while not self._stopping.wait(_LOOK_SECONDS):
            if not self._leading():
                # Another may put other things in place meanwhile.
                backoff, due = Backoff(most=_LONGEST_SECONDS), 0.0
                self.prepared.clear()
                self._stand_in()
            elif time.monotonic() >= due or (due == _NEVER and self._gone_since()):
                delay = 0.0 if self._attempt() else backoff.failed()
                due = time.monotonic() + delay if delay else _NEVER

    def _gone_since(self) -> bool:
        """Whether a template that was put is gone."""
        lacking_at = self._lacking_at()
        return lacking_at is not None and lacking_at > self._began

    def _stand_in(self) -> None:
        now = time.monotonic()
        if not self._starved():
            self._patience.succeeded()
            self._stand_in_at = None
            self._stands_in = False
        elif self._stand_in_at is None:
            self._stand_in_at = now + self._patience.failed()
        elif now >= self._stand_in_at:
            self._stand_in_at = now + self._patience.failed()
            self._put_what_lacks()

    def _put_what_lacks(self) -> None:
        if not self._stands_in:
            self._stands_in = True
            log.warning("no leader puts in place what OpenSearch lacks: this sidecar does it")
        try:
            server = probe(self._client, self._config.opensearch.version)
            planned = plan(first_kinds(self._config, self._client), server)
            lacking = [
                replace(kind, changes=[change for change in kind.changes if change.action is Action.CREATE])
                for kind in planned
            ]
            list(self._carried_out(carry_out(lacking, Backup(self._backup))))
        except SidecarError as error:
            self._tell(logging.WARNING, str(error))
        self._all_told()

    def _attempt(self) -> bool:
        """Whether all is done that can be."""
        self._began = began = time.monotonic()
        failed: list[str] = []
        try:
            server = probe(self._client, self._config.opensearch.version)
            for note in server.notes:
                self._tell(logging.INFO, note)
            failed += self._apply(first_kinds, server)
            self.prepared.set()
            failed += self._apply(later_kinds, server)
        except SidecarError as error:
            failed.append(str(error))
            self._tell(logging.WARNING, str(error))
        self._all_told()
        if self._failed and not failed:
            log.info("everything is in place in OpenSearch now")
        self._failed = bool(failed)
        self._seconds.set(time.monotonic() - began)
        self._missing.set(len(failed))
        self._results.labels("failed" if failed else "done").inc()
        return not failed

    def _apply(self, kinds: Kinds, server: Server) -> list[str]:
        """What was not done, in words."""
        planned = plan(kinds(self._config, self._client), server)
        return list(self._carried_out(carry_out(planned, Backup(self._backup))))

    def _carried_out(self, outcomes: Iterable[Outcome]) -> Iterable[str]:
        for outcome in outcomes:
            change = outcome.change
            title = f"{change.kind} {change.name}".rstrip()
            if change.warning:
                self._tell(logging.WARNING, f"{title}: {change.warning}")
            if outcome.error or change.action is Action.REFUSED:
                text = f"{title}: {outcome.error or change.reason}"
                self._tell(logging.WARNING, text)
                yield text
            elif change.action is Action.UNSUPPORTED:
                self._tell(logging.WARNING, f"{title}: {change.reason}")
            elif change.action.changes or change.action is Action.WAITING:
                more = [change.effect, outcome.note]
                if outcome.backup:
                    more.append(f"what was there: {outcome.backup}")
                log.info("%s: %s%s", title, change.action.value, "".join(f"; {text}" for text in more if text))

    def _tell(self, level: int, text: str) -> None:
        """Once: an attempt that fails is repeated for as long as it does. What comes back after that is told again."""
        if text not in self._told | self._telling:
            log.log(level, "%s", text)
        self._telling.add(text)

    def _all_told(self) -> None:
        """An attempt is over: what it did not tell is no more."""
        self._told, self._telling = self._telling, set()
