"""A connection to OpenSearch that answers with JSON, or with an error that says what to do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.errors import AwsError, OpenSearchUnavailable, SecretError
from sidecar.opensearch import codec
from sidecar.opensearch.access import Access
from sidecar.opensearch.connection import Answer, Connection, Options
from sidecar.opensearch.credentials import Login
from sidecar.opensearch.refusal import RefusedError, decode, refusal, refused, text_of

if TYPE_CHECKING:
    # A Lambda function has no pydantic, which this would load.
    from sidecar.config import Config
    from sidecar.config.opensearch import Auth

__all__ = ["Client", "RefusedError", "connect", "decode", "refused"]

_SECONDS = 15.0
_UNAUTHORIZED = 401
_LINES = ("/_bulk", "/_msearch")
"""What takes JSON line by line."""


def connect(config: "Config", auth: "Auth | None" = None, *, seconds: float | None = None) -> "Client":
    """A client for the `opensearch` section; nothing is sent yet.

    Args:
        config: pipeline.yaml.
        auth: Credentials; the section's own if None.
        seconds: Time-out of a connection, and of each silence of the server; 15 where nothing is said.

    Raises:
        SecretError: A credential can't be read. What is in AWS is read with the first request.
        OpenSearchError: A certificate can't be used.
        AwsError: It needs botocore, which is not installed.
    """
    access = Access(config.opensearch, auth, seconds=seconds or _SECONDS)
    if not access.asks_aws:
        access.login()
    return Client(access=access)


class Source(Protocol):
    """Where a client takes its connection from; see `Access`."""

    @property
    def kind(self) -> str:
        """How we prove who we are."""

    @property
    def url(self) -> str:
        """Where OpenSearch is, for messages."""

    @property
    def asks_aws(self) -> bool:
        """Whether the login, or a part of it, is in the Parameter Store."""

    def login(self) -> Login:
        """Where OpenSearch is, and user and password."""

    def fingerprint(self) -> str:
        """Of the certificates' files."""

    def check(self) -> None:
        """Make sure that the certificates' files, as they are now, can be used."""

    def connection(self, refused: Connection | None = None) -> Connection:
        """The connection to use now."""

    def close(self) -> None:
        """Close idle connections."""


class Client:
    """Requests to one OpenSearch; safe to use from several threads.

    Args:
        url: Where it is, with `options` that stay as they are.
        options: Credentials and trust.
        access: Instead of both: what may change.

    Attributes:
        access: What it takes its connection from.
        requests: How many were sent.
    """

    def __init__(self, url: str = "", options: Options | None = None, *, access: Source | None = None) -> None:
        # It sends nothing twice that may have been done: callers know what may be.
        self.access: Source = access or _Fixed(url, options or Options())
        self.requests = 0

    @property
    def url(self) -> str:
        """Where OpenSearch is, for messages."""
        return self.access.url

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request, and return its JSON.

        Args:
            method: HTTP method.
            path: Absolute path, without the address.
            body: JSON value, or text/bytes that is sent as it is.
            params: Query parameters.
            headers: For this request alone, by lower-case names.

        Returns:
            The answer's JSON; None where it is empty, as every answer to HEAD is.

        Raises:
            OpenSearchUnavailable: No connection, a time-out, overload, no credentials: trying again may help.
            OpenSearchError: Refused; `status` holds the HTTP status, or 0.
        """
        self.requests += 1
        content_type = "application/x-ndjson" if path.endswith(_LINES) else "application/json"
        answer = self._send(method, path, params or {}, _encoded(body), content_type, headers=headers or {})
        if not answer.ok:
            raise refusal(answer, f"{method} {path}", url=self.url, kind=self.access.kind)
        try:
            return decode(answer.body) if answer.body else None
        except ValueError as error:
            raise OpenSearchUnavailable(
                f"OpenSearch at {self.url}: the answer to {method} {path} is not JSON: {text_of(answer.body)}",
                hint="is a proxy in between?",
            ) from error

    def close(self) -> None:
        """Close idle connections."""
        self.access.close()

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        body: bytes | None,
        content_type: str,
        *,
        headers: Mapping[str, str],
    ) -> Answer:
        try:
            connection = self.access.connection()
            answer = connection.send(method, path, params, body, content_type, headers=headers)
            if answer.status == _UNAUTHORIZED:
                renewed = self.access.connection(refused=connection)
                # Who we are was refused, so nothing was done: with a new password it is asked again.
                if renewed is not connection:
                    answer = renewed.send(method, path, params, body, content_type, headers=headers)
        except (AwsError, SecretError) as error:
            raise OpenSearchUnavailable(f"OpenSearch at {self.url}: {error.what}", hint=error.hint) from error
        return answer


class _Fixed:
    """A connection that stays as it is."""

    asks_aws = False

    def __init__(self, url: str, options: Options) -> None:
        self.url = url
        self.kind = "basic" if options.basic else "sigv4" if options.sign else ""
        self._login = Login(url, options.basic)
        self._connection = Connection(url, seconds=_SECONDS, options=options)

    def login(self) -> Login:
        return self._login

    def fingerprint(self) -> str:
        return ""

    def check(self) -> None:
        """There are none."""

    def connection(self, refused: Connection | None = None) -> Connection:  # noqa: ARG002 - there is no other
        return self._connection

    def close(self) -> None:
        self._connection.close()


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else codec.dumps(body)
