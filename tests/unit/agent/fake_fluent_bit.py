"""A Fluent Bit's HTTP server on a real socket: it counts reloads, and says what it would send to."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest

from sidecar.agent import node, reloads
from sidecar.config import loads
from sidecar.render.fluentbit import fluent_bit
from sidecar.render.plugins import plugins


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever reloads wait for a fake one only as long as that needs."""
    monkeypatch.setattr(node, "_START_SECONDS", 0.01)
    monkeypatch.setattr(reloads, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(reloads, "_HALT_SECONDS", 0.05)


class FakeFluentBit:
    """Use as a context manager.

    Args:
        read: Called at the start and at each reload: what the configuration says then.
        reloads: Whether a request to reload has an effect; Fluent Bit answers the same without one.
        body: What it answers, instead of the count.
        port: Where it listens; a free one by default.

    Attributes:
        reloads: How often it has reloaded, since it was started again at the latest.
        seen: What was read, at all starts and reloads.
        plugins: Those that run, as `sidecar.render.plugins` names them; at first those of the smallest pipeline.yaml.
        dies_of: Called at a reload, after which it ends; whether it does.
        busy: So many requests to reload are answered that one is in progress.
        down_seconds: After which it is started again then.
    """

    def __init__(
        self,
        read: Callable[[], Any] = lambda: None,
        *,
        reloads: bool = True,
        body: bytes = b"",
        port: int = 0,
    ) -> None:
        self._read, self._works, self._body = read, reloads, body
        self.reloads = 0
        self.seen = [read()]
        self.plugins = plugins(fluent_bit(loads("cluster: c\nopensearch: {url: https://h}")))
        self.dies_of: Callable[[], bool] = lambda: False
        self.busy = 0
        self.down_seconds = 0.2
        self._server = _Server(("127.0.0.1", port), self._handler())
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._ending: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._ending:
            self._ending.join()
        self._stop()

    def running(self) -> dict[str, dict[str, Any]]:
        """The answer that lists the plugins."""
        found: dict[str, dict[str, Any]] = {}
        for plugin in self.plugins:
            kind, _, name = plugin.partition(" ")
            found.setdefault(kind, {})[name] = {}
        return found

    def reload(self) -> None:
        """What a request to reload does."""
        if self._works and self.dies_of():
            self._ending = threading.Thread(target=self._end_and_start_again)
            self._ending.start()
        elif self._works:
            self.seen.append(self._read())
            self.reloads += 1

    def answer(self, path: str) -> bytes:
        """What it says of itself."""
        if path == "/api/v1/metrics":
            return json.dumps(self.running()).encode()
        return self._body or json.dumps({"hot_reload_count": self.reloads}).encode()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _end_and_start_again(self) -> None:
        self._stop()
        time.sleep(self.down_seconds)
        self.reloads = 0
        self.seen.append(self._read())
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(fake.answer(self.path))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if fake.busy:
                    fake.busy -= 1
                    self._send(b'{"reload":"in progress","status":-2}', 400)
                    return
                self._send(b'{"reload":"done","status":0}')
                fake.reload()

            def _send(self, answer: bytes, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """A client that went away is no news."""
