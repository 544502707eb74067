"""Who leads: an election by a Lease of coordination.k8s.io/v1, written as client-go writes it.

At most one elector of a Lease has `leading` at any moment, given that all have the same `deadline`, that it is shorter
than `duration`, and that seconds are equally long everywhere. What the clocks show may differ, and be set back. For:

- A leader leads until `deadline` after the moment at which it began to send its last renewal that succeeded.
- Every write names the resourceVersion that it replaces, so it succeeds only if nobody wrote in between.
- A Lease is taken once it has not changed for `duration`, as seen from here, or when its holder has given it up.
- Who takes it earlier, makes it anew, or finds that it holds it without knowing how, holds it without leading until a
  renewal that is sent when everybody who may have led before no longer does.
- Who has never seen the Lease, and makes it, leads at once: nobody is taken to have led.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sidecar.errors import KubernetesError, KubernetesUnavailable, ResourceConflict, ResourceMissing
from sidecar.kube.leaserecord import TROUBLE, Action, LeaseView, Observation, TakeOver, decide, written

__all__ = ["TROUBLE", "Elector", "LeaseView", "TakeOver"]

log = logging.getLogger(__name__)

_OURS = "fluent-sidecar/"
_REQUEST_SECONDS = 5.0
_RELEASE_SECONDS = 1.0
_NEVER, _LONG_AGO = math.inf, -math.inf


class Api(Protocol):
    """What an election needs of `ApiServer`."""

    def get(self, path: str, params: Mapping[str, str | int] | None = None, *, seconds: float) -> dict[str, Any]:
        """GET an object."""

    def send(self, method: str, path: str, body: Any, *, seconds: float) -> dict[str, Any]:
        """POST or PUT an object; the answer is what is stored."""


def _nobody(_view: LeaseView) -> bool:
    return False


class Elector:
    """Takes part in the election; `step` is called again and again, from one thread.

    Args:
        api: The API server.
        namespace: Of the Lease.
        name: Of the Lease.
        identity: Ours; no two processes have the same one at a time.
        resume: Whether to lead on at once where an earlier process of this identity led, which is surely gone.
        clock: Monotonic seconds.
        wall: Unix seconds, which nothing is judged by.
        duration: How many seconds without a change others wait before they take the Lease.
        deadline: How many seconds a renewal lets us lead; the same for all electors of a Lease.
        retry: The most seconds between two steps.

    Attributes:
        view: The Lease as it was last seen; None where there was none.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        name: str,
        identity: str,
        resume: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        duration: float = 15.0,
        deadline: float = 10.0,
        retry: float = 2.0,
    ) -> None:
        if not (identity and 0 < retry < deadline < duration):
            raise ValueError("an elector needs an identity, and retry < deadline < duration")
        self._api = api
        self._namespace, self._name, self._identity = namespace, name, identity
        self._clock, self._wall = clock, wall
        self._duration, self._deadline, self._retry = duration, deadline, retry
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"
        self._observation = Observation()
        self._reached: Mapping[str, str] = {}  # our annotations, to outlive the Lease
        self._until = _LONG_AGO  # we lead before this moment
        self._safe = _NEVER  # a renewal that is sent from this moment on lets us lead; never if the Lease isn't ours
        self._current = False  # `view` is ours, and no write since is without an answer
        self._resume = resume
        self._known = False  # a Lease was seen
        self._exact = True  # ask for what is true now, not for what the API server remembers
        self.view: LeaseView | None = None

    @property
    def leading(self) -> bool:
        """Whether we lead at this moment; cheap, and right in any thread."""
        return self._clock() < self._until

    def step(self, annotations: Mapping[str, str | None] = {}, *, take_over: TakeOver = _nobody) -> float:
        """Look at the Lease and do what is to be done, with two requests at most.

        Args:
            annotations: To set on it, if it is ours then; a value of None removes one.
            take_over: Asked at most once, whether to take the Lease from a leader in trouble.

        Returns:
            How many seconds later the next step makes sense.

        Raises:
            KubernetesError: A request failed. Who leads goes on until the deadline; come back before it.
        """
        if self._current:
            try:
                return self._write(Action.RENEW, annotations)
            except (ResourceConflict, ResourceMissing):
                self._look()
                return self._soon()
        self._look()
        now = self._clock()
        action = decide(
            self.view,
            now - self._observation.changed,
            identity=self._identity,
            leading=self.leading,
            duration=self._duration,
            retry=self._retry,
            take_over=take_over,
        )
        if action is Action.WAIT:
            return self._delay()
        try:
            return self._write(action, annotations)
        except ResourceMissing as error:
            if action is not Action.CREATE:
                return self._soon()
            raise KubernetesError(
                f"Lease {self._namespace}/{self._name}: it can't be made: {error.what}",
                hint=f"does the namespace {self._namespace} exist? {self._rights()}",
            ) from error
        except ResourceConflict:
            return self._soon()

    def release(self, annotations: Mapping[str, str | None] = {}) -> None:
        """Give the Lease up if it is ours, so that another can lead at once; never raises, takes a second at most.

        Args:
            annotations: To set on it, for whoever comes next.
        """
        mine = self.view is not None and self.view.holder == self._identity
        # Those who may have led before us would not be waited for by who finds it given up.
        safe = self._safe <= self._clock()
        self._until, self._safe, self._current = _LONG_AGO, _NEVER, False
        if not (mine and safe):
            return
        body = written(Action.RENEW, self.view, identity="", duration=1, wall=self._wall(), annotations=annotations)
        try:
            self._see(LeaseView.of(self._request("PUT", self._path, body, _RELEASE_SECONDS)))
        except KubernetesError as error:
            log.info("The Lease %s/%s is not given up, it will expire: %s", self._namespace, self._name, error)

    def _look(self) -> None:
        """See the Lease as it is, or for who has only to wait, as the API server's cache has it: that is cheap.

        An old state can do no harm: what is written on top of it is refused.
        """
        cached = not (self._exact or self.leading or self._safe < _NEVER)
        self._exact = False
        try:
            self._see(LeaseView.of(self._request("GET", self._path, {"resourceVersion": "0"} if cached else None)))
        except ResourceMissing:
            self._see(None)

    def _see(self, view: LeaseView | None) -> None:
        # Without these two, a write would replace whatever is there, or make anew what was deleted.
        if view and not (view.uid and view.resource_version):
            raise KubernetesUnavailable(
                f"Lease {self._namespace}/{self._name}: the answer is not a Lease", hint="is a proxy in between?"
            )
        now = self._clock()
        self._observation = self._observation.of(view, now)
        self._current = view is not None and view.holder == self._identity
        self.view = view
        first, self._known = not self._known, self._known or view is not None
        if view:
            ours = [name for name in view.annotations if name.startswith(_OURS) and name != TROUBLE]
            self._reached = {name: view.annotations[name] for name in ours}
        if self._current:
            if self._safe == _NEVER:  # a write of ours whose answer was lost, or a namesake's
                goes_on = now < self._until or (first and self._resume)
                self._safe = _LONG_AGO if goes_on else now + self._deadline
            return
        self._safe = _NEVER
        if view:
            self._until = _LONG_AGO

    def _write(self, action: Action, annotations: Mapping[str, str | None]) -> float:
        """Make the Lease ours or keep it; how long that is good for."""
        previous, since = self.view, self._observation.changed
        if action is Action.CREATE:  # whoever deleted it did not mean what was reached
            annotations = {**self._reached, **annotations}
        body = written(
            action,
            previous,
            identity=self._identity,
            duration=self._duration,
            wall=self._wall(),
            annotations=annotations,
        )
        self._current, self._exact = False, True  # until the answer is here
        sent = self._clock()
        if action is Action.CREATE:
            body["metadata"] |= {"namespace": self._namespace, "name": self._name}
            answer = self._request("POST", self._collection, body)
            if not self._known:
                self._safe = _LONG_AGO  # the first of all
        else:
            answer = self._request("PUT", self._path, body)
            if action is Action.TAKE:
                # Its holder may lead for a deadline after the renewal that was seen at `since`.
                self._safe = since + self._deadline if previous and previous.holder else _LONG_AGO
        self._see(LeaseView.of(answer))
        if sent >= self._safe:
            self._until, self._safe = sent + self._deadline, _LONG_AGO
        return self._delay()

    def _request(self, method: str, path: str, content: Any, seconds: float = _REQUEST_SECONDS) -> dict[str, Any]:
        try:
            if method == "GET":
                return self._api.get(path, content, seconds=seconds)
            return self._api.send(method, path, content, seconds=seconds)
        except (ResourceMissing, ResourceConflict, KubernetesUnavailable):
            raise
        except KubernetesError as error:
            hint = self._rights() if "leases" in error.hint else error.hint
            raise KubernetesError(f"Lease {self._namespace}/{self._name}: {error.what}", hint=hint) from error

    def _rights(self) -> str:
        return f"grant get, create and update on leases.coordination.k8s.io in the namespace {self._namespace}"

    def _delay(self) -> float:
        now, delay = self._clock(), self._retry
        if self.view and self.view.holder and not self._current:
            # There is one follower for each node of a cluster: they look twice while a Lease lasts.
            delay = max(min(self._duration / 2, self._observation.changed + self._duration - now), delay)
        delay *= random.uniform(0.75, 1.0)  # noqa: S311 - spreads the load, keeps no secret
        waits = self._safe - now
        return min(delay, waits) if waits > 0 else delay

    def _soon(self) -> float:
        """After a conflict: what is there now is to be looked at, but not by all at once."""
        return self._retry * random.uniform(0.02, 0.1)  # noqa: S311 - spreads the load, keeps no secret
