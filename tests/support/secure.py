"""TLS and authentication in front of a real OpenSearch that has neither."""

import base64
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = {"connection", "transfer-encoding", "content-length", "host", "authorization"}


Judge = Callable[[str, str, Mapping[str, str], bytes], str]
"""(method, path and query, headers with names in lower case, body) -> why it is refused; empty where it is not."""


def by_password(user: str, password: str) -> Judge:
    """Lets in who has user and password."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return lambda _method, _target, headers, _body: "" if headers.get("authorization") == wanted else "Unauthorized"


@contextmanager
def secured(upstream: str, *, context: ssl.SSLContext, judge: Judge, status: int = 401) -> Iterator[str]:
    """A URL with https that passes on what `judge` lets through to `upstream`, and answers the rest with `status`."""
    target = urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = {name.lower(): value for name, value in self.headers.items()}
            why = judge(self.command, self.path, asked, body)
            if why:
                self._answer(status, [("Content-Type", "text/plain"), ("WWW-Authenticate", "Basic")], why.encode())
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self._answer(answer.status, [(n, v) for n, v in answer.getheaders() if n.lower() not in _HOP], content)

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if self.command != "HEAD" else b"")

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - the base class names them so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away, or that does not trust the certificate, is part of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
