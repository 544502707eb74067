"""What a way to the API server has to offer: an address, connections, and a proof of who we are that may change."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import urllib3
from urllib3.connection import HTTPConnection

CHECK_SECONDS = 10.0
"""How often files with credentials are looked at, unless the server refuses what they held."""
POOL_CONNECTIONS = 8
"""Idle connections kept. More may be open at a time: each of several threads has its watch, list or request."""
_MOST_TEXT = 300


@dataclass(frozen=True, eq=False)
class Session:
    """Connections, and the headers that prove who we are; replaced, never changed."""

    pool: urllib3.PoolManager
    headers: Mapping[str, str] = field(repr=False)


class Access(Protocol):
    """A way to an API server; may be used from several threads.

    Attributes:
        url: Its address, without a slash at the end.
        namespace: The one that is ours.
    """

    url: str
    namespace: str

    def session(self, refused: Session | None = None) -> Session:
        """The session to use now.

        Args:
            refused: The one that the server didn't accept, or whose CA isn't the server's: look for a newer one at
                once. The answer is the same object where there is none.

        Raises:
            KubernetesUnavailable: Credentials can't be had just now.
        """
        ...

    def close(self) -> None:
        """Close idle connections."""
        ...


def tls_context() -> ssl.SSLContext:
    """What TLS is spoken with, but for the CA that is still to be loaded.

    As kubectl judges: any certificate in the CA's file is trusted, and one without a key identifier, as EKS has it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def socket_options() -> list[tuple[int, int, int | bytes]]:
    """TCP keepalive: a peer that went without a word is noticed within two minutes, for a watch can be silent long."""
    names = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 5}
    options = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in names.items() if hasattr(socket, name)
    ]
    return [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *options]


def short(text: str) -> str:
    """A text of somebody else's as part of one line."""
    text = " ".join(text.split())
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."
