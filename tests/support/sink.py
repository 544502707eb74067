"""A server that takes bulk requests faster than any shipper sends them, and counts.

`Sink` starts it as a process of its own, with two ports: one for bulk requests, which it can be told to close, and one
for orders and counts. Without orders it reads no more of a body than its line breaks, and answers that all is well.
"""

import re
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import orjson
import urllib3

from tests.support.process import Process
from tests.support.waiting import free_port, wait_until

_PIECE = 2**18
_GZIP = 31  # zlib's name for gzip's header
_TARGET = re.compile(rb'"_index":"([^"]*)"(?:,"_id":"([^"]*)")?')
_WELL = b'{"took":1,"errors":false,"items":[]}'
_HELLO = b'{"name":"sink","version":{"number":"3.4.0","distribution":"opensearch"}}'
_REASONS = {200: b"OK", 413: b"Request Entity Too Large", 429: b"Too Many Requests", 503: b"Service Unavailable"}
_ITEM = (
    b'{"create":{"_index":"%b","_id":"%b","_version":1,"result":"created","_shards":'
    b'{"total":2,"successful":1,"failed":0},"_seq_no":%d,"_primary_term":1,"status":201}}'
)
_CONFLICT = (
    b'{"create":{"_index":"%b","_id":"%b","status":409,"error":{"type":"version_conflict_engine_exception","reason":'
    b'"[%b]: version conflict, document already exists (current version [1])","index":"%b"}}}'
)


@dataclass
class Orders:
    """What the sink does.

    Attributes:
        ids: Read the ids, and answer each document as OpenSearch does: 201 the first time, 409 afterwards.
        keep: Append every document that is created to the file `documents.jsonl`; needs `ids`.
        status: Answer to all requests instead of 200: 429, 503.
        limit: Bytes of a body above which the answer is 413; 0: none.
        away: Nobody listens, and no connection is left.
        slow: Seconds before each answer.
    """

    ids: bool = False
    keep: bool = False
    status: int = 200
    limit: int = 0
    away: bool = False
    slow: float = 0


@dataclass
class Counts:
    """What came in.

    Attributes:
        statuses: Answers, by status.
        wire: Bytes of the bodies as they came.
        bytes: The same, unpacked.
        largest: The largest body as it came.
        documents: Documents in requests that were answered 200.
        created: Of those, answered 201; all of them where ids aren't read.
        conflicts: Answered 409.
        refused: Documents in requests that were answered otherwise.
        anonymous: Documents without an id, where ids are read.
        first, last: When the first and the last document came, in seconds since 1970.
        indices: Documents created, by index.
    """

    requests: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    wire: int = 0
    bytes: int = 0
    largest: int = 0
    documents: int = 0
    created: int = 0
    conflicts: int = 0
    refused: int = 0
    anonymous: int = 0
    first: float = 0
    last: float = 0
    indices: dict[str, int] = field(default_factory=dict)


class Sink:
    """The handle of a sink's process.

    Args:
        folder: For its log and `documents.jsonl`.
        start: As `Process`; the default ends the process with the session.
    """

    def __init__(self, folder: Path, start: Callable[..., Process] | None = None, **orders: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port, self._control = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "tests.support.sink", str(self.port), str(self._control), str(folder)]
        self._pool = urllib3.PoolManager()
        self.process = start(command, name="sink") if start else Process(command, log=folder / "sink.log", name="sink")
        wait_until(self._answers, 10, lambda: f"the sink answers; {self.process.tail()}")
        self.order(**orders)

    def order(self, **orders: Any) -> None:
        """Change what it does: fields of `Orders`; what isn't named stays as it is."""
        self._ask("PUT", orders)

    def counts(self) -> Counts:
        return Counts(**self._ask("GET"))

    def reset(self) -> None:
        """Forget counts, ids and documents."""
        self._ask("DELETE")

    def documents(self) -> Iterator[dict[str, Any]]:
        """The documents that it kept, so far."""
        self.counts()  # has it write down what it holds back
        with (self.folder / "documents.jsonl").open("rb") as kept:
            for line in kept:
                yield orjson.loads(line)

    def close(self) -> None:
        self.process.close()
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answers(self) -> bool:
        self.process.check()
        with suppress(urllib3.exceptions.HTTPError):
            self._ask("GET")
            return True
        return False

    def _ask(self, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._pool.request(
            method, f"http://127.0.0.1:{self._control}/", body=orjson.dumps(body or {}), retries=False, timeout=30
        )
        assert answer.status == 200, answer.data
        content: dict[str, Any] = orjson.loads(answer.data)
        return content


# -- the process


class _Server:
    """Serves bulk requests, a thread for each connection."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._folder = folder
        self.orders = Orders()
        self.counts = Counts()
        self._lock = threading.Lock()
        self._seen: set[bytes] = set()
        self._kept = (folder / "documents.jsonl").open("ab", buffering=2**20)
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()

    def obey(self, orders: dict[str, Any]) -> None:
        """Change the orders, and open or close the port."""
        with self._lock:
            self.orders = Orders(**{**asdict(self.orders), **orders})
        if self.orders.away and self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            for connection in list(self._connections):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        elif not self.orders.away and not self._listener:
            self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def report(self) -> bytes:
        with self._lock:
            self._kept.flush()
            return orjson.dumps(asdict(self.counts))

    def reset(self) -> None:
        with self._lock:
            self.counts = Counts()
            self._seen.clear()
            self._kept.flush()
            self._kept.truncate(0)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        buffer = bytearray(_PIECE)
        try:
            with connection:
                while self._exchange(connection, buffer):
                    pass
        except OSError:
            pass
        finally:
            self._connections.discard(connection)

    def _exchange(self, connection: socket.socket, buffer: bytearray) -> bool:
        """One request and its answer; False at the end of the connection."""
        have = 0
        while (at := buffer.find(b"\r\n\r\n", 0, have)) < 0:
            got = connection.recv_into(memoryview(buffer)[have:])
            if not got:
                return False
            have += got
        head = bytes(buffer[:at]).lower()
        found = re.search(rb"\r\ncontent-length: *(\d+)", head)
        size = int(found[1]) if found else 0
        packed = b"\r\ncontent-encoding: gzip" in head
        rest = memoryview(buffer)[at + 4 : have]
        if b"/_bulk" not in head.partition(b"\r\n")[0]:
            self._receive(connection, rest, size)
            self._answer(connection, 200, _HELLO)
            return True
        if packed or self.orders.ids:
            body = self._receive(connection, rest, size)
            status, answer = self._take(zlib.decompress(body, _GZIP, bufsize=16 * size) if packed else body, size)
        else:
            status, answer = self._take_lazily(connection, rest, size, buffer)
        if self.orders.slow:
            time.sleep(self.orders.slow)
        self._answer(connection, status, answer)
        return True

    def _receive(self, connection: socket.socket, rest: memoryview, size: int) -> bytes:
        body = bytearray(size)
        view = memoryview(body)
        have = len(rest)
        view[:have] = rest
        while have < size:
            got = connection.recv_into(view[have:])
            if not got:
                raise ConnectionResetError
            have += got
        return bytes(body)

    def _take_lazily(
        self, connection: socket.socket, rest: memoryview, size: int, buffer: bytearray
    ) -> tuple[int, bytes]:
        """Count line breaks as they come; nothing is kept."""
        have = len(rest)
        breaks = bytes(rest).count(b"\n")
        while have < size:
            got = connection.recv_into(buffer, min(_PIECE, size - have))
            if not got:
                raise ConnectionResetError
            breaks += buffer.count(b"\n", 0, got)
            have += got
        with self._lock:
            status = self._status(size)
            self._count(status, size, size, breaks // 2)
            if status == 200:
                self.counts.created += breaks // 2
        return status, _WELL if status == 200 else b"{}"

    def _take(self, body: bytes, wire: int) -> tuple[int, bytes]:
        with self._lock:
            status = self._status(wire)
            documents = body.count(b"\n") // 2
            self._count(status, wire, len(body), documents)
            if status != 200:
                return status, b"{}"
            if self.orders.ids:
                return status, self._create(body)
            self.counts.created += documents
            return status, _WELL

    def _create(self, body: bytes) -> bytes:
        """Answer each document, as OpenSearch does."""
        items, conflicts, seen = [], 0, self._seen
        before = len(seen)
        parts = body.split(b"\n")
        for action, source in zip(parts[::2], parts[1::2], strict=False):
            target = _TARGET.search(action)
            assert target, f"an action without an index: {action!r}"
            index, key = target[1], target[2]
            if key is None:
                self.counts.anonymous += 1
                key = b"anonymous-%d" % self.counts.anonymous
            name = index + b"/" + key
            if name in seen:
                conflicts += 1
                items.append(_CONFLICT % (index, key, key, index))
                continue
            seen.add(name)
            items.append(_ITEM % (index, key, len(seen)))
            text = index.decode()
            self.counts.indices[text] = self.counts.indices.get(text, 0) + 1
            if self.orders.keep:
                self._kept.write(source + b"\n")
        self.counts.created += len(seen) - before
        self.counts.conflicts += conflicts
        errors = b"true" if conflicts else b"false"
        return b'{"took":5,"errors":%b,"items":[%b]}' % (errors, b",".join(items))

    def _status(self, wire: int) -> int:
        if self.orders.status != 200:
            return self.orders.status
        return 413 if self.orders.limit and wire > self.orders.limit else 200

    def _count(self, status: int, wire: int, size: int, documents: int) -> None:
        counts = self.counts
        counts.requests += 1
        counts.statuses[str(status)] = counts.statuses.get(str(status), 0) + 1
        counts.wire += wire
        counts.bytes += size
        counts.largest = max(counts.largest, wire)
        if status == 200:
            counts.documents += documents
            counts.last = time.time()
            counts.first = counts.first or counts.last
        else:
            counts.refused += documents

    @staticmethod
    def _answer(connection: socket.socket, status: int, body: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, _REASONS.get(status, b"Status"), len(body), body)
        )


def _control(server: _Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "PUT":
                server.obey(orjson.loads(body))
            elif self.command == "DELETE":
                server.reset()
            answer = server.report()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server wants

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler


def main() -> None:
    port, control, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    server = _Server(port, folder)
    server.obey({})
    ThreadingHTTPServer(("127.0.0.1", control), _control(server)).serve_forever()


if __name__ == "__main__":
    main()
