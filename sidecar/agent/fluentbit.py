"""The Fluent Bit beside the sidecar, by its HTTP server on the loopback address."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

_TIMEOUT = 2.0
_FAILURES = (OSError, http.client.HTTPException)
_IN_PROGRESS = 400
_KINDS = ("input", "filter", "output")
# A proxy of the environment (HTTP_PROXY) is for what is elsewhere.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Glimpse:
    """What Fluent Bit shows at a moment.

    Attributes:
        listening: Whether something listens at its port, be it too busy or stopped to answer.
        count: How often it has reloaded since it started; None where it doesn't say.
    """

    listening: bool
    count: int | None = None


class FluentBit:
    """Talks to Fluent Bit's HTTP server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._url = f"http://127.0.0.1:{port}"

    def is_running(self) -> bool:
        """Whether something listens at its port, be it too busy or stopped to answer."""
        try:
            socket.create_connection(("127.0.0.1", self._port), _TIMEOUT).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True

    def look(self) -> Glimpse:
        """What it shows now."""
        try:
            count = self._get("/api/v2/reload")["hot_reload_count"]
        except urllib.error.URLError as error:
            return Glimpse(listening=not isinstance(error.reason, ConnectionRefusedError))
        except (*_FAILURES, ValueError, KeyError, TypeError):
            return Glimpse(listening=True)
        return Glimpse(listening=True, count=count if isinstance(count, int) else None)

    def reload_count(self) -> int | None:
        """How often it has reloaded since it started, or None where it doesn't answer."""
        return self.look().count

    def plugins(self) -> frozenset[str] | None:
        """The plugins that run, as `sidecar.render.plugins` names them; None where it doesn't say.

        It says so from a second after its start on.
        """
        try:
            found = self._get("/api/v1/metrics")
            return frozenset(f"{kind} {name}" for kind in _KINDS for name in found.get(kind, {}))
        except (*_FAILURES, ValueError, TypeError, AttributeError):
            return None

    def ask_to_reload(self) -> bool | None:
        """Ask; True if it begins, False while an earlier one is in progress, None without an answer.

        What comes of it the answer doesn't say: nothing has happened by then.
        """
        request = urllib.request.Request(f"{self._url}/api/v2/reload", data=b"{}", method="POST")  # noqa: S310 - http only
        try:
            with _OPENER.open(request, timeout=_TIMEOUT):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False if error.code == _IN_PROGRESS else None
        except _FAILURES:
            return None

    def _get(self, path: str) -> Any:
        with _OPENER.open(f"{self._url}{path}", timeout=_TIMEOUT) as answer:
            return json.load(answer)
