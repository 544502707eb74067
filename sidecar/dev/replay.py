"""Serves a recording over HTTP as the API server of the recorded cluster did: list, pages and watch of Events.

A real client can't tell: it lists what was there before the first line of the recording, and the first watch starts the
clock. From then on lists show what has been played, and every watch gets what is newer than its resourceVersion, at the
recorded pace, only faster. There is no authentication: it listens on 127.0.0.1 alone.

The Leases of one namespace can be read and written, for whoever elects a leader before watching.
"""

import contextlib
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from sidecar.dev.leases import NAMESPACE, Leases
from sidecar.dev.playback import Playback, Refused, initial_events_end, number, watch_line, within
from sidecar.dev.recording import Json, Recording
from sidecar.errors import DemoError

SECONDS = 8.0
# What the API server takes at least for a watch that names no timeoutSeconds.
WATCH_TIMEOUT = 1800.0
# How often a quiet watch looks whether its client is still there.
POLL = 0.25

_DISCOVERY: Mapping[str, Json] = {
    "api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "events",
                "singularName": "event",
                "namespaced": True,
                "kind": "Event",
                "verbs": ["list", "watch"],
                "shortNames": ["ev"],
            }
        ],
    },
}


_NOT_ALLOWED = Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def _true(text: str | None) -> bool:
    return text in {"1", "true", "True"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Says nothing: the client does."""

    def _serve(self) -> None:
        try:
            body = self.rfile.read(number(self.headers.get("Content-Length")) or 0)
            match self.command, urlsplit(self.path).path.strip("/").split("/"):
                case _, ["apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", *name]:
                    self._lease(namespace, "/".join(name), body)
                case "GET", _:
                    self._get()
                case _:
                    raise _NOT_ALLOWED
        except Refused as refused:
            self._answer(refused.code, refused.status)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server names them

    def _lease(self, namespace: str, name: str, body: bytes) -> None:
        if namespace != NAMESPACE:
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found')
        match self.command, bool(name):
            case "GET", True:
                self._answer(200, self.server.leases.get(name))
            case "POST", False:
                self._answer(201, self.server.leases.create(body))
            case "PUT", True:
                self._answer(200, self.server.leases.update(name, body))
            case _:
                raise _NOT_ALLOWED

    def _get(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        parts = url.path.strip("/").split("/")
        match parts:
            case ["version"]:
                self._answer(200, self.server.playback.recording.header.server)
            case ["api"] | ["apis"] | ["api", "v1"]:
                self._answer(200, _DISCOVERY["/".join(parts)])
            case ["api", "v1", "events"]:
                self._events(None, query)
            case ["api", "v1", "namespaces", namespace, "events"]:
                self._events(namespace, query)
            case _:
                raise Refused(404, "NotFound", "the server could not find the requested resource")

    def _events(self, namespace: str | None, query: Mapping[str, str]) -> None:
        if query.get("fieldSelector") or query.get("labelSelector"):
            raise Refused(400, "BadRequest", "a recording is served without selectors")
        if not _true(query.get("watch")):
            self._answer(200, self.server.playback.page(namespace, query))
            return
        if _true(query.get("sendInitialEvents")) and query.get("resourceVersionMatch") != "NotOlderThan":
            message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise Refused(422, "Invalid", f"resourceVersionMatch: Forbidden: {message}")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._watch(namespace, query)
        except Refused as refused:
            # Events are watched without a cache: the API server, too, finds out after it has said 200.
            self._chunk(watch_line("ERROR", refused.status))
        self._chunk(b"")

    def _watch(self, namespace: str | None, query: Mapping[str, str]) -> None:
        """Streams what is newer than the resourceVersion; without one, first what is there."""
        playback = self.server.playback
        deadline = time.monotonic() + (number(query.get("timeoutSeconds")) or WATCH_TIMEOUT)
        wanted, initial = query.get("resourceVersion", ""), _true(query.get("sendInitialEvents"))
        seen = playback.version()
        if wanted not in {"", "0"}:
            asked = playback.known(number(wanted), "The resourceVersion for the provided watch is too old.")
            seen = seen if initial else asked
        playback.start()
        if initial or wanted in {"", "0"}:
            for _, item in playback.state(seen, namespace):
                self._chunk(watch_line("ADDED", item))
        if initial and _true(query.get("allowWatchBookmarks")):
            self._chunk(initial_events_end(seen))
        self._play(namespace, seen, deadline)

    def _play(self, namespace: str | None, seen: int, deadline: float) -> None:
        """Sends the lines after `seen` as they fall due, and stays until the deadline."""
        playback = self.server.playback
        for index, line in enumerate(playback.recording.lines):
            if line.version <= seen:
                continue
            if not self._stays(min(playback.due(index), deadline)) or playback.due(index) > deadline:
                return
            if within(line.object, namespace):
                self._chunk(watch_line(line.type, line.object))
        self.server.finished.set()
        self._stays(deadline)

    def _stays(self, moment: float) -> bool:
        """Waits until `moment`; False as soon as the client is gone or the server closes."""
        while (left := moment - time.monotonic()) > 0:
            if self.server.closing.wait(min(left, POLL)):
                return False
            if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                return False
        return True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _answer(self, code: int, body: Json) -> None:
        data = orjson.dumps(body) + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    # Handlers are joined by server_close(), which closes idle connections before.
    daemon_threads = False

    def __init__(self, port: int, playback: Playback) -> None:
        self.playback = playback
        self.leases = Leases()
        self.finished = threading.Event()
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        self.closing.set()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        super().server_close()


class Replay:
    """A running replay.

    Attributes:
        url: Where it listens, such as `http://127.0.0.1:40123`.
        finished: Set once a watch has been sent the last line.
        total: How many versions of Events a client sees that lists before it watches.
    """

    def __init__(self, url: str, finished: threading.Event, total: int) -> None:
        self.url = url
        self.finished = finished
        self.total = total

    def kubeconfig(self, path: Path) -> Path:
        """Writes a kubeconfig whose only context, `recording`, is this server; returns `path`."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "recording",
            "clusters": [{"name": "recording", "cluster": {"server": self.url}}],
            "users": [{"name": "recording", "user": {}}],
            "contexts": [{"name": "recording", "context": {"cluster": "recording", "user": "recording"}}],
        }
        path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))  # JSON is YAML
        return path


@contextmanager
def replay_server(
    recording: Recording, *, now: datetime, speed: float | None = None, port: int = 0
) -> Iterator[Replay]:
    """Serves `recording` on 127.0.0.1, with its times moved so that it ends at `now`, until the block ends.

    Args:
        recording: What to serve.
        now: When the recording is to end, with a time zone.
        speed: How many times faster than recorded; by default so that it takes `SECONDS`.
        port: 0 for any that is free.

    Raises:
        DemoError: The port can't be listened on.
    """
    playback = Playback(recording.shifted(now), speed or max(recording.seconds / SECONDS, 1.0))
    try:
        server = _Server(port, playback)
    except OSError as error:
        raise DemoError(f"127.0.0.1:{port}: {error.strerror}", hint="choose another port, or 0 for any") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="replay", daemon=True)
    thread.start()
    try:
        yield Replay(f"http://127.0.0.1:{server.server_address[1]}", server.finished, recording.total)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
