"""Ports, names and patience."""

import itertools
import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_given_ports: set[int] = set()
_names = itertools.count()

# Below the range from which Linux takes the ports of outgoing connections (32768 and up): what is free here now can
# only be taken by another server, not by a client that happens to connect before ours listens.
_PORTS = range(20000, 32000)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on; never the same one twice in a process."""
    for _ in range(1000):
        port = secrets.choice(_PORTS)  # not `random`: pytest-randomly seeds it anew for every test
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            # As servers do: a port with connections in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port
    raise AssertionError(f"no free port in {_PORTS}")


def unique_name(prefix: str) -> str:
    """A name that no other test of this or a parallel session uses: for namespaces and indices on shared servers."""
    return f"{prefix}-{os.getpid()}-{next(_names)}-{secrets.token_hex(3)}"


def wait_until(
    condition: Callable[[], T],
    timeout: float,
    what: str | Callable[[], str],
    *,
    interval: float = 0.05,
    ignore: tuple[type[Exception], ...] = (),
) -> T:
    """Wait until `condition()` is true, and return what it returned.

    Args:
        condition: Asked at once, then every `interval` seconds.
        timeout: Seconds.
        what: What is waited for; a function when it is dear or only known at the end, such as a log's tail.
        interval: Seconds between two questions.
        ignore: Exceptions of `condition` that mean "not yet".

    Raises:
        AssertionError: It did not come true in time; the message has `what` and the last ignored exception.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: Exception | None = None
        try:
            if result := condition():
                return result
        except ignore as error:
            last = error
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            reason = f" (last: {type(last).__name__}: {last})" if last else ""
            raise AssertionError(f"not within {timeout:g} s: {text}{reason}") from last
        time.sleep(interval)
