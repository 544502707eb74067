"""Metrics and health on one port.

The probes are local: an outage of OpenSearch must not stop the rollout that mends it.
"""

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from sidecar.errors import SidecarError

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
"""How long closing may take."""


class StatusServer:
    """Serves /metrics, /livez and /readyz until it is closed.

    Args:
        address: Address to listen at.
        port: Port; 0 takes a free one.
        registry: What /metrics shows.
        ready: Whether everything that Fluent Bit needs is in place.
        alive: Names of the parts that have ended although they should run; none is well.

    Raises:
        SidecarError: The port is taken.
    """

    def __init__(
        self,
        address: str,
        port: int,
        registry: CollectorRegistry,
        *,
        ready: Callable[[], bool],
        alive: Callable[[], list[str]],
    ) -> None:
        def answer(path: str) -> tuple[int, str, bytes]:
            if path == "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(registry)
            if path == "/livez":
                ended = alive()
                return (
                    (500, "text/plain", f"ended: {', '.join(ended)}\n".encode())
                    if ended
                    else (200, "text/plain", b"ok\n")
                )
            if path == "/readyz":
                return (200, "text/plain", b"ok\n") if ready() else (503, "text/plain", b"starting\n")
            return 404, "text/plain", b"there are /metrics, /livez and /readyz\n"

        try:
            self._server = _server(address, port, answer)
        except OSError as error:
            raise SidecarError(
                f"port {port} of {address} for metrics and health can't be opened: {error.strerror}",
                hint="stop what listens there, or choose another agent.port or agent.address",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _server(address: str, port: int, answer: Callable[[str], tuple[int, str, bytes]]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Probes every few seconds are no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in address else ThreadingHTTPServer.address_family

        def server_bind(self) -> None:
            # Not HTTPServer's: it asks DNS for this host's name, which can take its time.
            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = address, self.server_address[1]

        def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
            """A client that went away is no news; a bug goes to the log like any other."""
            error = sys.exception()
            if not isinstance(error, ConnectionError):
                log.error("a request for metrics or health failed", exc_info=error)

    return Server((address, port), Handler)
