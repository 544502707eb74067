"""Leading: one sidecar of a cluster watches its events; which one, a Lease says.

The Lease's annotations hold what the next leader needs: up to where all is confirmed, and whether the present one can't
deliver. One that could then takes over. Two that lead for a moment do no harm: they write the same documents.
"""

import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge

from sidecar.agent.output import write_file
from sidecar.errors import JournalError, KubernetesError
from sidecar.events.following import Position
from sidecar.kube.lease import TROUBLE, Elector, LeaseView

log = logging.getLogger(__name__)

POSITION = "fluent-sidecar/position"
_ASK_AGAIN_SECONDS = 5.0
_ABLE_SECONDS = 15.0
"""For so long another must have been able to deliver before it takes over: after an outage that all had the leader, who
has everything in its journal, is to notice first."""
_FORGET_SECONDS = 30.0
_COMPLAIN_SECONDS = 60.0
_RETRY_SECONDS = 2.0
_KNOWN = re.compile("[0-9a-f]{32}")


class Collecting(Protocol):
    """What leading starts, and ends."""

    def end(self) -> None: ...  # noqa: D102 - see Term


class Leader:
    """Takes part in the election; `run` wants a thread.

    Args:
        elector: The Lease.
        begin: Starts collecting, from where the last leader says.
        confirmed: Up to where all is confirmed.
        trouble: Why nothing can be delivered from here; empty where it can.
        able: Whether this sidecar could deliver; asked while another leads that can't.
        registry: For the metrics.
        stopping: Ends it, with the Lease given up.
    """

    def __init__(
        self,
        elector: Elector,
        *,
        begin: Callable[[Position | None], Collecting],
        confirmed: Callable[[], Position | None],
        trouble: Callable[[], str],
        able: Callable[[], bool],
        registry: CollectorRegistry,
        stopping: threading.Event,
    ) -> None:
        self._elector = elector
        self._begin = begin
        self._confirmed = confirmed
        self._trouble = trouble
        self._able = able
        self._stopping = stopping
        self._term: Collecting | None = None
        self._holder: str | None = None
        self._able_since: float | None = None
        self._asked = self._complained = -_COMPLAIN_SECONDS
        self._told = ""
        Gauge("sidecar_leader", "1 while this sidecar watches the events.", registry=registry).set_function(
            lambda: float(elector.leading)
        )
        self._terms = Counter("sidecar_leader_terms", "How often this sidecar began to lead.", registry=registry)
        self._errors = Counter("sidecar_leader_errors", "Requests for the Lease that failed.", registry=registry)

    @property
    def leading(self) -> bool:
        """Whether this sidecar leads at this moment; cheap, and right in any thread."""
        return self._elector.leading

    def run(self) -> None:
        """Take part until `stopping`."""
        try:
            while not self._stopping.is_set():
                delay = self._step()
                self._begin_or_end()
                self._stopping.wait(delay)
        finally:
            if self._term is not None:
                self._term.end()
            self._elector.release(self._annotations())
            self._term = None

    def _step(self) -> float:
        try:
            delay = self._elector.step(self._annotations(), take_over=self._take_over)
        except KubernetesError as error:
            self._errors.inc()
            if time.monotonic() - self._complained >= _COMPLAIN_SECONDS:
                self._complained = time.monotonic()
                log.warning("the Lease can't be had: %s", error)
            return _RETRY_SECONDS
        self._complained = -_COMPLAIN_SECONDS
        return delay

    def _begin_or_end(self) -> None:
        leading = self._elector.leading
        if leading and self._term is None:
            before = position_of(self._elector.view)
            log.info(
                "leading: this sidecar watches the events%s",
                f", the last leader was at resourceVersion {before.resource_version}" if before else "",
            )
            self._terms.inc()
            self._term = self._begin(before)
        elif not leading and self._term is not None:
            log.warning("no longer leading: this sidecar stops watching the events")
            self._term.end()
            self._term = None
        view = self._elector.view
        holder = view.holder if view else ""
        if not leading and holder != self._holder:
            log.info("%s watches the events", holder or "nobody")
        self._holder = holder

    def _annotations(self) -> dict[str, str | None]:
        """What is written with each renewal."""
        if self._term is None:
            return {TROUBLE: None}  # of the leader before
        trouble = self._trouble()
        if trouble != self._told:
            text = f"can't deliver events, another may take over: {trouble}" if trouble else "can deliver again"
            log.warning("%s", text)
            self._told = trouble
        written: dict[str, str | None] = {TROUBLE: trouble or None}
        confirmed = self._confirmed()
        if confirmed is not None:
            written[POSITION] = orjson.dumps(
                {"resourceVersion": confirmed.resource_version, "time": round(confirmed.time, 3)}
            ).decode()
        return written

    def _take_over(self, view: LeaseView) -> bool:
        now = time.monotonic()
        if now - self._asked < _ASK_AGAIN_SECONDS:
            return False
        # Who wasn't asked for long was not needed, and begins anew.
        lately = now - self._asked < _FORGET_SECONDS
        self._asked = now
        if not self._able():
            self._able_since = None
            return False
        if self._able_since is None or not lately:
            self._able_since = now
        taking = now - self._able_since >= _ABLE_SECONDS
        text = ": taking over" if taking else ", from here they could be"
        log.info("%s can't deliver events (%s)%s", view.holder, view.annotations[TROUBLE], text)
        return taking


def position_of(view: LeaseView | None) -> Position | None:
    """What the last leader says; None where it says nothing, or what can't be read."""
    try:
        found = orjson.loads(view.annotations[POSITION]) if view else {}
        return Position(str(found["resourceVersion"]), float(found["time"]))
    except (KeyError, ValueError, TypeError):
        return None


def identity(folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Who this sidecar is, for people and for good: the node's name, and what stays with its state.

    Args:
        folder: Of the journal, which only one process has at a time: one that comes after a crash leads on at once.
        environment: Has `NODE_NAME`, in a pod.

    Raises:
        JournalError: The folder can't be written.
    """
    path = folder / "identity"
    try:
        known = path.read_bytes().decode(errors="replace").strip() if path.exists() else ""
        if not _KNOWN.fullmatch(known):
            known = uuid.uuid4().hex
            write_file(path, known)
    except OSError as error:
        raise JournalError(f"journal: {path}: {error.strerror}", hint="check owner and mode of paths.state") from error
    return f"{(environment.get('NODE_NAME') or socket.gethostname())[:200]}_{known}"
