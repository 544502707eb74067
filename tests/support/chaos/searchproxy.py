"""A proxy in front of OpenSearch that speaks HTTP, and can be told to fail in the ways that OpenSearch does."""

import gzip
import http.client
import random
import socket
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader
from urllib.parse import urlsplit

import orjson

from tests.support.chaos.bulk import combine, split
from tests.support.chaos.listener import Listener

_UPSTREAM_SECONDS = 300
_LINE = 64 * 1024
# Of one connection only; a body's length is said anew.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "proxy-connection", "te", "upgrade"}


class Mode(Enum):
    """What happens to a request."""

    PASS = "pass"
    BUSY = "busy"
    """Half of the items of a bulk request are answered 429."""
    HALF = "half"
    """Half of the items of a bulk request are answered 503, within a 200."""
    SLOW = "slow"
    """Every answer comes late."""
    CUT = "cut"
    """The request is done, but its answer breaks off."""


_STATUS = {Mode.BUSY: 429, Mode.HALF: 503}


@dataclass(frozen=True)
class _Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def sender(self) -> str:
        return "Fluent Bit" if "fluent-bit" in self.header("user-agent").lower() else "sidecar"

    @property
    def is_bulk(self) -> bool:
        return self.target.partition("?")[0].endswith("/_bulk")


@dataclass(frozen=True)
class _Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class SearchProxy(Listener):
    """Stands in front of an OpenSearch.

    Args:
        url: Of OpenSearch: `http://host:port`.

    Attributes:
        mode: What happens to requests from now on.
        delay: Seconds, from and to, of `Mode.SLOW`.
        counts: What was done to whose requests, such as `429 Fluent Bit` by items.
        complaints: What this proxy could not do as it should.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        assert parts.scheme == "http", f"{url}: the proxy speaks plain HTTP only"
        self._host, self._to = parts.hostname or "", parts.port or 80
        self.url = f"http://127.0.0.1:{self.port}"
        self.mode = Mode.PASS
        self.delay = (0.0, 0.0)
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._random = random.Random(1)

    def serve(self, connection: socket.socket) -> None:
        upstream = http.client.HTTPConnection(self._host, self._to, timeout=_UPSTREAM_SECONDS)
        try:
            with connection.makefile("rb") as stream:
                while request := _read(stream):
                    if not self._exchange(connection, upstream, request):
                        return
        except http.client.HTTPException:
            pass  # a request or an answer that broke off
        finally:
            upstream.close()

    def _exchange(self, connection: socket.socket, upstream: http.client.HTTPConnection, request: _Request) -> bool:
        """One request and its answer; False at the end of the connection."""
        mode = self.mode
        if mode in _STATUS and request.is_bulk:
            answer = self._half(upstream, request, _STATUS[mode])
        else:
            answer = _forward(upstream, request)
        if request.is_bulk:
            self.counts[f"bulk {request.sender}"] += 1
        if mode is Mode.SLOW:
            self.counts[f"slow {request.sender}"] += 1
            time.sleep(self._random.uniform(*self.delay))
        data = _bytes(answer, head=request.method == "HEAD")
        if mode is Mode.CUT:
            self.counts[f"cut {request.sender}"] += 1
            # Nothing at all, half of the head, or all but the end.
            connection.sendall(data[: self._random.choice((0, 20, len(data) - 5))])
            return False
        connection.sendall(data)
        return request.header("connection").lower() != "close"

    def _half(self, upstream: http.client.HTTPConnection, request: _Request, status: int) -> _Answer:
        packed = request.header("content-encoding").lower() == "gzip"
        parts = split(gzip.decompress(request.body) if packed else request.body, lambda: self._random.random() < 0.5)
        self.counts[f"{status} {request.sender}"] += parts.held
        theirs = None
        if parts.body:
            left_out = {"content-encoding", "accept-encoding"}
            headers = [(name, value) for name, value in request.headers if name.lower() not in left_out]
            answer = _forward(upstream, _Request(request.method, request.target, headers, parts.body))
            if answer.status != 200:
                return answer
            theirs = orjson.loads(answer.body)
        try:
            body = orjson.dumps(combine(parts, theirs, status))
        except ValueError as error:
            self.complaints.append(f"{request.target}: {error}")
            raise http.client.HTTPException from error
        return _Answer(200, "OK", [("content-type", "application/json; charset=UTF-8")], body)


def _read(stream: BufferedReader) -> _Request | None:
    """The next request of a connection; None at its end."""
    line = stream.readline(_LINE)
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split()
    headers = http.client.parse_headers(stream)
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        body = _chunked(stream)
    else:
        size = int(headers.get("Content-Length", 0))
        body = stream.read(size)
        if len(body) < size:
            raise http.client.IncompleteRead(body)
    return _Request(method, target, list(headers.items()), body)


def _chunked(stream: BufferedReader) -> bytes:
    body = bytearray()
    while size := int(stream.readline(_LINE).partition(b";")[0], 16):
        body += stream.read(size)
        stream.readline(_LINE)
    while stream.readline(_LINE).strip():
        pass
    return bytes(body)


def _forward(upstream: http.client.HTTPConnection, request: _Request) -> _Answer:
    upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers:
        if name.lower() not in _HOP_BY_HOP:
            upstream.putheader(name, value)
    upstream.putheader("Content-Length", str(len(request.body)))
    upstream.endheaders(request.body or None)
    response = upstream.getresponse()
    body = response.read()
    headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
    if request.method == "HEAD" and (length := response.getheader("Content-Length")):
        headers.append(("Content-Length", length))
    return _Answer(response.status, response.reason, headers, body)


def _bytes(answer: _Answer, *, head: bool) -> bytes:
    headers = answer.headers if head else [*answer.headers, ("Content-Length", str(len(answer.body)))]
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + answer.body
