"""The Fluent Bit beside the sidecar: is it there, and reload it."""

import http.client
import json
import socket
import time
import urllib.error
import urllib.request

_TIMEOUT = 2.0
_RELOAD_SECONDS = 10.0
_FAILURES = (OSError, http.client.HTTPException)
# A proxy of the environment (HTTP_PROXY) is for what is elsewhere.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FluentBit:
    """Talks to Fluent Bit's HTTP server on the loopback address."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._url = f"http://127.0.0.1:{port}/api/v2/reload"

    def is_running(self) -> bool:
        """Whether something listens at its port, be it too busy or stopped to answer."""
        try:
            socket.create_connection(("127.0.0.1", self._port), _TIMEOUT).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True

    def reload_count(self) -> int | None:
        """How often it has reloaded since it started, or None where it doesn't answer."""
        try:
            with _OPENER.open(self._url, timeout=_TIMEOUT) as answer:
                count = json.load(answer)["hot_reload_count"]
        except (*_FAILURES, ValueError, KeyError, TypeError):
            return None
        return count if isinstance(count, int) else None

    def reload(self) -> bool:
        """Reload, and wait until it has; False where it isn't there or doesn't.

        The answer to the request says nothing: it comes before anything has happened. The count does.
        """
        before = self.reload_count()
        if before is None:
            return False
        request = urllib.request.Request(self._url, data=b"{}", method="POST")  # noqa: S310 - http only
        try:
            with _OPENER.open(request, timeout=_TIMEOUT):
                pass
        except _FAILURES:
            return False
        end = time.monotonic() + _RELOAD_SECONDS
        while time.monotonic() < end:
            count = self.reload_count()
            if count is not None and count != before:
                return True
            time.sleep(0.2)
        return False
