"""HTTP to one OpenSearch: a request's bytes out, the answer's status and bytes back. Nothing is ever sent twice."""

import gzip
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

import urllib3

from sidecar import __version__
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.unreachable import in_words, unreachable

Sign = Callable[[str, str, bytes], Mapping[str, str]]
"""(method, URL, body) -> headers that prove who asks. All three are as they are sent: the URL percent-encoded, with its
query; the body compressed if it is. Called once a request, by the thread that sends it."""

_CONNECTIONS = 4
_GZIP_ABOVE = 1024
_GZIP_LEVEL = 1
"""Of 5.5 MB of events it leaves 15 % in 28 ms; level 6 leaves 13 % in 89 ms, level 9 12 % in 165 ms."""
_MAX_REFUSAL = 256 * 1024
_MAX_BODY = 256 * 1024 * 1024
"""Far above any answer that is asked for; what sends without end is not OpenSearch."""
_PIECE = 64 * 1024
_BODY_TIMES = 4
"""How many time-outs a body may take as a whole: each byte of one that trickles comes in time."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Options:
    """How a client proves who it is, and whom it trusts.

    Attributes:
        basic: User and password.
        ssl_context: For https; the system's CAs are trusted where it is missing.
        sign: Headers that depend on the request, such as a signature.
        headers: More headers, for every request.
        compress: Whether long bodies are compressed.
    """

    basic: tuple[str, str] | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = None
    sign: Sign | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    compress: bool = True


@dataclass(frozen=True)
class Answer:
    """What came back; of a status that isn't 2xx no more than the first 256 KiB of the body."""

    status: int
    body: bytes
    location: str = ""
    """Where a redirect points."""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return _is_ok(self.status)


class Connection:
    """A pool of connections; safe to use from several threads, none of which waits for another.

    Args:
        url: Address; its path goes before every request's.
        seconds: Time-out, of connecting and of each silence of the server; a whole body has four times as long.
        options: Credentials and trust.

    Raises:
        OpenSearchError: `url` is none.
    """

    def __init__(self, url: str, *, seconds: float, options: Options) -> None:
        self.url = url
        try:
            self._base = _base(url)
        except ValueError as error:
            raise OpenSearchError(f"OpenSearch at {url}: this is no address", hint="check opensearch.url") from error
        self._sign = options.sign
        self._longest = seconds * _BODY_TIMES
        self._fixed: Final[Mapping[str, str]] = {
            "user-agent": f"fluent-sidecar/{__version__}",
            "accept": "application/json",
            "accept-encoding": "gzip",
            **options.headers,
            **({"authorization": _basic(*options.basic)} if options.basic else {}),
        }
        self._compress = options.compress
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(connect=seconds, read=seconds),
            ssl_context=options.ssl_context,
        )

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        body: bytes | None,
        content_type: str,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, once; no redirect is followed.

        Args:
            method: HTTP method.
            path: Absolute path, without the address.
            params: Query parameters.
            body: As it is, but for compression.
            content_type: Of the body.
            headers: For this request alone, by lower-case names.

        Raises:
            OpenSearchUnavailable: No connection, a time-out, half an answer.
            OpenSearchError: TLS can't be agreed on, which waiting doesn't mend.
        """
        url = self._address(path, params)
        sent = {**self._fixed, **(headers or {})}
        if body is not None:
            sent["content-type"] = content_type
            if self._compress and len(body) > _GZIP_ABOVE:
                sent["content-encoding"] = "gzip"
                body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        if self._sign:
            sent |= self._sign(method, url, body or b"")
        try:
            response = self._pool.urlopen(
                method, url, body=body, headers=sent, retries=False, redirect=False, preload_content=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(self.url, error) from error
        return self._read(response, f"{method} {path}")

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def _address(self, path: str, params: Mapping[str, object]) -> str:
        """The URL in the form in which it is sent, so that it can be signed."""
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        return urllib3.util.parse_url(f"{self._base}{path}{query}").url

    def _read(self, response: urllib3.BaseHTTPResponse, request: str) -> Answer:
        try:
            body = (_whole if _is_ok(response.status) else _beginning)(response, self._longest)
        except _TooMuchError as error:
            raise OpenSearchUnavailable(
                f"OpenSearch at {self.url}: the answer to {request} has no end: {error}",
                hint="is opensearch.url where OpenSearch itself answers, and the way there fast enough?",
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise OpenSearchUnavailable(
                f"OpenSearch at {self.url}: the answer to {request} broke off: {in_words(error)}",
                hint="if that lasts: is a proxy in between?",
            ) from error
        finally:
            response.release_conn()
        return Answer(response.status, body, response.get_redirect_location() or "")


class _TooMuchError(Exception):
    """A body that takes too long, or is too long; in words."""


def _is_ok(status: int) -> bool:
    return status // 100 == 2  # noqa: PLR2004 - HTTP


def _base(url: str) -> str:
    """Without what the Host header leaves out too: a scheme's own port."""
    parts = urllib3.util.parse_url(url)
    if parts.port == _PORTS.get(parts.scheme or ""):
        parts = parts._replace(port=None)
    return parts.url.rstrip("/")


def _basic(user: str, password: str) -> str:
    # OpenSearch, like Fluent Bit and curl, reads UTF-8.
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _whole(response: urllib3.BaseHTTPResponse, seconds: float) -> bytes:
    """The body. What goes on for ever costs its connection.

    Raises:
        _TooMuchError: It does.
        urllib3.exceptions.HTTPError: It breaks off.
        OSError: So does the connection.
    """
    body, end = bytearray(), time.monotonic() + seconds
    while piece := response.read1(_PIECE):
        body += piece
        if len(body) > _MAX_BODY or time.monotonic() > end:
            response.close()
            large = len(body) > _MAX_BODY
            raise _TooMuchError(f"{len(body)} bytes came" if large else f"{len(body)} bytes came in {seconds:g} s")
    return bytes(body)


def _beginning(response: urllib3.BaseHTTPResponse, seconds: float) -> bytes:
    """As much of a refusal as a message needs; a longer or slower one costs its connection, not memory or time."""
    body, end = bytearray(), time.monotonic() + seconds
    try:
        while piece := response.read1(_PIECE):
            body += piece
            if len(body) > _MAX_REFUSAL or time.monotonic() > end:
                response.close()
                break
    except (urllib3.exceptions.HTTPError, OSError):
        return b""  # the status says enough
    return bytes(body[:_MAX_REFUSAL])
