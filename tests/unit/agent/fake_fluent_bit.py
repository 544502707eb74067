"""A Fluent Bit's HTTP server on a real socket: it counts reloads, and says what it would send to."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from sidecar.config import loads
from sidecar.render.fluentbit import fluent_bit
from sidecar.render.plugins import plugins


class FakeFluentBit:
    """Use as a context manager.

    Args:
        read: Called at the start and at each reload: what the configuration says then.
        reloads: Whether a request to reload has an effect; Fluent Bit answers the same without one.
        body: What it answers, instead of the count.

    Attributes:
        plugins: Those that run, as `sidecar.render.plugins` names them; at first those of the smallest pipeline.yaml.
    """

    def __init__(self, read: Callable[[], Any] = lambda: None, *, reloads: bool = True, body: bytes = b"") -> None:
        self.reloads = 0
        self.seen = [read()]
        self.plugins = plugins(fluent_bit(loads("cluster: c\nopensearch: {url: https://h}")))
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/api/v1/metrics":
                    self._send(json.dumps(fake.running()).encode())
                else:
                    self._send(body or json.dumps({"hot_reload_count": fake.reloads}).encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if reloads:
                    fake.seen.append(read())
                    fake.reloads += 1
                self._send(b'{"reload":"done","status":0}')

            def _send(self, answer: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def running(self) -> dict[str, dict[str, Any]]:
        """The answer that lists the plugins."""
        found: dict[str, dict[str, Any]] = {}
        for plugin in self.plugins:
            kind, _, name = plugin.partition(" ")
            found.setdefault(kind, {})[name] = {}
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
