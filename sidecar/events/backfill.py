"""The list: everything that the API server holds, less what OpenSearch has, to the journal.

It runs beside the watch, so that a long list holds nothing up, and it may take its time: where the server has
forgotten the moment that a paged list began at, it goes on from the same place at a later one, since the watch has the
difference.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from sidecar.errors import KubernetesError, KubernetesUnavailable, OpenSearchError, ResourceExpired
from sidecar.events.intake import Intake
from sidecar.events.metrics import EventMetrics
from sidecar.events.record import Record
from sidecar.events.scope import Scope
from sidecar.kube import ApiServer, Watch, initial_supported, pages
from sidecar.kube.backoff import Backoff

log = logging.getLogger(__name__)

_BATCH = 500
_ENRICH_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 5.0


class Lookup(Protocol):
    """What a list asks of OpenSearch; `sidecar.opensearch.Documents` answers."""

    def existing(self, keys: Sequence[tuple[str, str]]) -> list[bool]: ...  # noqa: D102 - see Documents


class Backfill:
    """Lists once when `run` is called.

    Args:
        api: The API server.
        scope: What to list.
        intake: Where the Events go.
        lookup: OpenSearch.
        metrics: Counted here.
        patience: Seconds to wait for an OpenSearch that can't tell what it has, before everything is journaled.
        stopping: Ends it soon.
    """

    def __init__(
        self,
        api: ApiServer,
        scope: Scope,
        intake: Intake,
        lookup: Lookup,
        metrics: EventMetrics,
        *,
        patience: float,
        stopping: threading.Event,
    ) -> None:
        self._api = api
        self._scope = scope
        self._intake = intake
        self._lookup = lookup
        self._metrics = metrics
        self._patience = patience
        self._stopping = stopping
        self._streaming: bool | None = None
        self._stream: Watch | None = None
        self._blind_since: float | None = None

    def cut(self) -> None:
        """End a request that streams; may be called from any thread."""
        stream = self._stream
        if stream is not None:
            stream.close()

    def run(self, over: Callable[[], bool]) -> bool:
        """List everything; False where it was stopped, or `over` became true in between.

        Args:
            over: Asked between pages: whether this list is of no use any more.

        Raises:
            JournalError: The journal can't be written.
        """
        backoff, token = Backoff(), ""
        self._blind_since = None
        listed = missing = 0
        expired = False
        while not self._ended(over):
            try:
                for items, after in self._pages(token):
                    absent = self._absent(self._intake.records(items, budget=_ENRICH_SECONDS), over)
                    if absent is None or not self._intake.append(absent):
                        return False
                    listed, missing, token = listed + len(items), missing + len(absent), after
                    self._metrics.received.labels("list").inc(len(items))
                    expired = False
                    if self._ended(over):
                        return False
            except ResourceExpired as error:
                log.info("the list took longer than the server keeps its state: it goes on at a later one: %s", error)
                # At once the first time, if the server says how.
                self._stopping.wait(0 if error.token and not expired else backoff.failed())
                expired, token = True, error.token
            except KubernetesError as error:
                if self._streaming:
                    log.info("events are listed in pages from now on, the server doesn't stream them: %s", error)
                    self._streaming = False
                    continue
                delay = backoff.failed()
                self._metrics.errors.labels("kubernetes").inc()
                log.warning("events can't be listed, next attempt in %.1f s: %s", delay, error)
                self._stopping.wait(delay)
            else:
                log.info("listed %d events, %d of them new", listed, missing)
                return True
        return False

    def _ended(self, over: Callable[[], bool]) -> bool:
        return self._stopping.is_set() or over()

    def _pages(self, token: str) -> Iterator[tuple[list[Any], str]]:
        """Events, and the token to go on with after them."""
        if self._streaming is None:
            self._streaming = initial_supported(self._api)
        if self._streaming and not token:
            for items in self._streamed():
                yield items, ""
            return
        for page in pages(self._api, self._scope.path, selector=self._scope.selector, token=token):
            if page.token and page.token == token:
                raise KubernetesUnavailable(f"Kubernetes at {self._api.url}: the list of events goes round in a circle")
            token = page.token
            yield page.items, token

    def _streamed(self) -> Iterator[list[Any]]:
        held: list[Any] = []
        with Watch(self._api, self._scope.path, "", selector=self._scope.selector, initial=True) as watch:
            self._stream = watch
            for changes in watch:
                held += [change.item for change in changes if change.type == "ADDED"]
                ended = any(change.ends_list for change in changes)
                if held and (ended or len(held) >= _BATCH):
                    yield held
                    held = []
                if ended:
                    return
        raise KubernetesUnavailable(f"Kubernetes at {self._api.url}: the list of events broke off")

    def _absent(self, records: list[Record], over: Callable[[], bool]) -> list[Record] | None:
        """Those that OpenSearch doesn't have; all, where it can't tell for long; None where all is to end."""
        while True:
            if self._blind_since is not None and time.monotonic() - self._blind_since >= self._patience:
                # Unknown is as good as absent: an id that is there already is not written again.
                return records
            try:
                flags = self._lookup.existing([(record.index, record.id) for record in records])
            except OpenSearchError as error:
                if self._blind_since is None:
                    self._blind_since = time.monotonic()
                    log.info("OpenSearch can't tell which events it has: %s", error)
                if self._patience and (self._stopping.wait(_ASK_AGAIN_SECONDS) or over()):
                    return None
            else:
                self._blind_since = None
                return [record for record, there in zip(records, flags, strict=True) if not there]
