"""A TCP port that can be closed and opened again, as a server's is that goes away; and one that pipes to a server."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.waiting import free_port

_PIECE = 64 * 1024
_CONNECT_SECONDS = 10


class Listener:
    """Serves a port, a thread for each connection, from entering to leaving.

    While it refuses, the port is closed, and the connections that there were are broken.

    Args:
        address: Of this machine.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.port = free_port()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._connections: set[socket.socket] = set()

    def serve(self, connection: socket.socket) -> None:
        """Serve a connection until its end."""
        raise NotImplementedError

    def refuse(self, refusing: bool = True) -> None:
        """Close the port, or open it again."""
        with self._lock:
            if refusing and self._socket:
                _shut(self._socket)
                self._socket.close()
                self._socket = None
                for connection in self._connections:
                    _shut(connection)
            elif not refusing and not self._socket:
                self._socket = socket.create_server((self.address, self.port), backlog=128)
                threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    @property
    def refuses(self) -> bool:
        return self._socket is None

    def track(self, connection: socket.socket) -> None:
        """Break this connection too when the port is closed; at once where it is closed already."""
        with self._lock:
            self._connections.add(connection)
            if self._socket is None:
                _shut(connection)

    def forget(self, connection: socket.socket) -> None:
        """Close a connection that was tracked."""
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.track(connection)
        try:
            self.serve(connection)
        except OSError:
            pass  # one of the two went away, which is what this is for
        finally:
            self.forget(connection)

    def __enter__(self) -> Self:
        self.refuse(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()


class Pipe(Listener):
    """Passes bytes to a server and back, whatever they are.

    Args:
        port: Of the server.
        host: The server's.
        address: That this listens at.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", address: str = "127.0.0.1") -> None:
        super().__init__(address)
        self._to = (host, port)

    def serve(self, connection: socket.socket) -> None:
        server = socket.create_connection(self._to, _CONNECT_SECONDS)
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.track(server)
        back = threading.Thread(target=_pump, args=(server, connection), daemon=True)
        back.start()
        try:
            _pump(connection, server)
            back.join()
        finally:
            self.forget(server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, and then the end; when either breaks, so does the other."""
    try:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        _shut(source)
        _shut(target)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
