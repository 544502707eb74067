"""An HTTP server in a thread that hands every request to a function."""

import gzip
import http.server
import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import orjson


@dataclass(frozen=True)
class Request:
    """What came in; `body` is unpacked where it was gzipped, `target` and `sent` are as they were on the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    target: str = ""
    sent: bytes = b""


class Exchange:
    """A request, and the means to answer it."""

    def __init__(self, request: Request, handler: http.server.BaseHTTPRequestHandler, over: threading.Event) -> None:
        self.request = request
        self._handler = handler
        self._over = over

    def answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", content_type)
        self._handler.send_header("Content-Length", str(len(body)))
        self._handler.end_headers()
        if self.request.method != "HEAD":
            self._handler.wfile.write(body)

    def json(self, value: Any, status: int = 200) -> None:
        try:
            body = orjson.dumps(value)
        except TypeError:  # what only a hostile document has, such as half of a surrogate pair
            body = json.dumps(value).encode()
        self.answer(status, body)

    def start_stream(self, status: int = 200) -> None:
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", "application/json")
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def chunk(self, data: bytes) -> None:
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end_stream(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """End the connection without a word."""
        self._handler.close_connection = True

    def hang(self) -> None:
        """Say nothing more until the server is closed."""
        self._over.wait(30)
        self.cut()


class FakeServer:
    """Serves on a free port of 127.0.0.1 from entering to leaving; `requests` has all that came in.

    Args:
        tls: A server's context; plain HTTP without it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler_class())
        if tls:
            # The handshake is the business of the connection's own thread.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def handle(self, exchange: Exchange) -> None:
        """Answer a request."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler_class(self) -> type[http.server.BaseHTTPRequestHandler]:
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 10

            def _serve(self) -> None:
                body = sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(
                    self.command, parts.path, dict(parse_qsl(parts.query)), headers, body, self.path, sent
                )
                fake.requests.append(request)
                fake.handle(Exchange(request, self, fake._over))

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _serve  # noqa: N815 - names that http.server wants

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """A client that goes away in the middle is what many tests are about."""

    def shutdown_request(self, request: Any) -> None:
        with suppress(OSError, ValueError):
            super().shutdown_request(request)


Script = Callable[[Exchange], None]


class Scripted(FakeServer):
    """Answers with the first of its steps, then with the second, ...; the last one is repeated."""

    def __init__(self, *steps: Script, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.steps = list(steps)

    def handle(self, exchange: Exchange) -> None:
        (self.steps.pop(0) if len(self.steps) > 1 else self.steps[0])(exchange)


def says(status: int, body: Any) -> Script:
    """A step: JSON, or bytes as they are."""
    if isinstance(body, bytes):
        return lambda exchange: exchange.answer(status, body, "text/html")
    return lambda exchange: exchange.json(body, status)
