"""Kubernetes Events about our own pod: what `kubectl describe pod` shows at its end."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from sidecar.errors import KubernetesError
from sidecar.kube.client import ApiServer

log = logging.getLogger(__name__)

NAME, NAMESPACE, UID = "POD_NAME", "POD_NAMESPACE", "POD_UID"
"""Variables of the environment that say which pod this is, set by the downward API."""
_SOURCE = "fluent-sidecar"
_MOST_TEXT = 1024
"""Bytes that the API server takes of a message."""
_MOST, _SPAN_SECONDS = 20, 3600.0
"""So many at most in so long: a file that changes every second must not fill the cluster's Events."""
_REPEAT_SECONDS = 60.0
_REQUEST_SECONDS = 5.0


class PodEvents:
    """Writes Events; what fails is logged once, and never matters.

    Args:
        api: The API server; None where there is none.
        environment: Says which pod this is. Without a name nothing is written.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        api: ApiServer | None,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._name, self._uid = environment.get(NAME, ""), environment.get(UID, "")
        self._namespace = environment.get(NAMESPACE) or (api.namespace if api else "")
        self._clock = clock
        self._last: tuple[str, str, float] | None = None
        self._written: deque[float] = deque(maxlen=_MOST)
        self._complained = False

    def tell(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Write one, in the background; not the same one twice within a minute.

        Args:
            kind: Its type.
            reason: In one word, such as `ConfigInvalid`.
            message: For people; cut where it is too long.
        """
        now = self._clock()
        full = len(self._written) == _MOST and now - self._written[0] < _SPAN_SECONDS
        last_reason, last_message, last = self._last or ("", "", 0.0)
        repeated = (last_reason, last_message) == (reason, message) and now - last < _REPEAT_SECONDS
        if not (self._api and self._name) or full or repeated:
            return
        self._last = (reason, message, now)
        self._written.append(now)
        body = self._event(kind, reason, message, self._api.time())
        threading.Thread(target=self._send, args=(self._api, body), name="pod-event", daemon=True).start()

    def _event(self, kind: str, reason: str, message: str, moment: float) -> dict[str, Any]:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": self._namespace, "name": self._name}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            # As client-go names them: the object, and the time in nanoseconds.
            "metadata": {"name": f"{self._name}.{int(moment * 1e9):x}", "namespace": self._namespace},
            # `kubectl describe` looks for the uid.
            "involvedObject": about | ({"uid": self._uid} if self._uid else {}),
            "type": kind,
            "reason": reason,
            "message": cut(message),
            "source": {"component": _SOURCE},
            "reportingComponent": _SOURCE,
            "reportingInstance": self._name,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }

    def _send(self, api: ApiServer, body: dict[str, Any]) -> None:
        try:
            api.send("POST", f"/api/v1/namespaces/{self._namespace}/events", body, seconds=_REQUEST_SECONDS)
        except KubernetesError as error:
            if not self._complained:
                self._complained = True
                log.warning("no Kubernetes Event about this pod can be written: %s", error)


def cut(text: str) -> str:
    """A text as the API server takes it for a message."""
    raw = text.encode()
    return text if len(raw) <= _MOST_TEXT else f"{raw[: _MOST_TEXT - 3].decode(errors='ignore')}..."
