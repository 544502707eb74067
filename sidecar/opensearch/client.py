"""A connection to OpenSearch that answers with JSON, or with an error that says what to do."""

import json
import logging
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3

from sidecar.config import Config, resolve
from sidecar.config.opensearch import Auth, MtlsAuth, Tls
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.connection import Answer, Connection, Options, short

log = logging.getLogger(__name__)

_SECONDS = 15.0
_MAX_CAUSES = 10
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_BUSY = frozenset({408, 429, 502, 503, 504})
_LINES = ("/_bulk", "/_msearch")
"""What takes JSON line by line."""


def connect(config: Config, auth: Auth | None = None) -> "Client":
    """A client for the `opensearch` section; nothing is sent yet.

    Args:
        config: pipeline.yaml.
        auth: Credentials; the section's own if None.

    Raises:
        SecretError: A credential can't be read.
        OpenSearchError: The credentials are of a kind that needs AWS, which this version renders for Fluent Bit only.
    """
    settings = config.opensearch
    auth = auth or settings.auth
    for kind in ("ssm", "sigv4"):
        if getattr(auth, kind) is not None:
            raise OpenSearchError(
                f"opensearch.auth.{kind}: the sidecar itself can't use it in this version, only Fluent Bit can",
                hint="use basic or mtls",
            )
    user_and_password, context = None, None
    if auth.basic:
        basic = auth.basic
        user_and_password = (
            resolve(basic.username, name="opensearch.auth.basic.username"),
            resolve(basic.password, name="opensearch.auth.basic.password"),
        )
    if settings.endpoint.scheme == "https":
        context = _ssl_context(settings.tls, auth.mtls)
    return Client(settings.url, Options(basic=user_and_password, ssl_context=context))


def _ssl_context(tls: Tls, mtls: MtlsAuth | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:  # also for a file without a certificate
        raise OpenSearchError(
            f"opensearch.tls.ca: {tls.ca} can't be used: {error.strerror or error}",
            hint="name a file with CA certificates (PEM)",
        ) from error
    if mtls:
        try:
            context.load_cert_chain(mtls.cert, mtls.key, password=_no_passphrase)
        except OSError as error:  # also for a key that isn't the certificate's
            raise OpenSearchError(
                f"opensearch.auth.mtls: {mtls.cert} and {mtls.key} can't be used: {error.strerror or error}",
                hint="name a certificate and its private key (PEM, without a passphrase)",
            ) from error
    if not tls.verify:
        log.warning("opensearch.tls.verify is false: whoever is in between can read the password and everything else")
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_passphrase() -> str:
    """Instead of a question at the terminal."""
    return ""


class Client:
    """Requests to one OpenSearch; safe to use from several threads."""

    def __init__(self, url: str, options: Options | None = None) -> None:
        options = options or Options()
        self.url = url
        self.requests = 0
        """How many were sent."""
        self._authenticated = options.basic is not None
        # It sends nothing twice: callers know what may be.
        self._connection = Connection(url, seconds=_SECONDS, options=options)

    def request(self, method: str, path: str, body: Any = None, *, params: Mapping[str, Any] | None = None) -> Any:
        """Send one request, and return its JSON.

        Args:
            method: HTTP method.
            path: Absolute path, without the address.
            body: JSON value, or text/bytes that is sent as it is.
            params: Query parameters.

        Returns:
            The answer's JSON; None where it is empty, as every answer to HEAD is.

        Raises:
            OpenSearchUnavailable: No connection, a time-out, overload: trying again may help.
            OpenSearchError: Refused; `status` holds the HTTP status, or 0.
        """
        content_type = "application/x-ndjson" if path.endswith(_LINES) else "application/json"
        self.requests += 1
        answer = self._connection.send(method, path, params or {}, _encoded(body), content_type)
        if not answer.ok:
            raise self._refused(answer, f"{method} {path}")
        try:
            return decode(answer.body) if answer.body else None
        except ValueError as error:
            raise OpenSearchUnavailable(
                f"OpenSearch at {self.url}: the answer to {method} {path} is not JSON: {_text(answer.body)}",
                hint="is a proxy in between?",
            ) from error

    def close(self) -> None:
        """Close idle connections."""
        self._connection.close()

    def _refused(self, answer: Answer, request: str) -> OpenSearchError:
        status = answer.status
        if answer.location:
            return refused(
                f"OpenSearch at {self.url}: {status} for {request}: a redirect to {_without_query(answer.location)}",
                status,
                "opensearch.url must be where OpenSearch itself answers, http or https included; a login is a proxy's",
            )
        text = f"OpenSearch at {self.url}: {status} for {request}: {_reason(answer.body)}"
        if status == _UNAUTHORIZED:
            return refused(
                f"OpenSearch at {self.url}: refuses user and password (401)"
                if self._authenticated
                else f"OpenSearch at {self.url}: wants a user and a password (401)",
                status,
                "check opensearch.auth.basic",
            )
        if status == _FORBIDDEN:
            return refused(text, status, "this user's role lacks the permission that the message names")
        if status in _BUSY:
            return OpenSearchUnavailable(text)
        return refused(text, status, "")


class RefusedError(OpenSearchError):
    """An HTTP status that says no."""

    status: int = 0


def refused(text: str, status: int, hint: str) -> RefusedError:
    """The error for a status."""
    error = RefusedError(text, hint=hint)
    error.status = status
    return error


def decode(body: bytes) -> Any:
    """Decode JSON; what the fast decoder refuses (a lone surrogate in a document) the standard library reads.

    Raises:
        ValueError: It isn't JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body.decode("utf-8", "surrogatepass"))
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else orjson.dumps(body)


def _text(body: bytes) -> str:
    return short(body[:4096].decode(errors="replace"))


def _without_query(location: str) -> str:
    """A login page's address without what may be secret in it."""
    try:
        return short(urlsplit(location)._replace(query="", fragment="").geturl())
    except ValueError:
        return "what is no address"


def _reason(body: bytes) -> str:
    try:
        info = decode(body)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        return _text(body)
    found = info.get("error")
    if isinstance(found, dict):
        return short(f"{found.get('type', '')}: {found.get('reason', '')}{_cause(found)}")
    # Amazon's own refusals have a message, in either case, and no error.
    message = found or info.get("Message") or info.get("message")
    return short(str(message)) if message else _text(body)


def _cause(error: Mapping[str, Any]) -> str:
    """The innermost cause: what is wrong, where the outer ones say only that something is."""
    cause: Any = error
    for _ in range(_MAX_CAUSES):
        inner = cause.get("caused_by")
        if not isinstance(inner, dict):
            break
        cause = inner
    return "" if cause is error else f": {cause.get('reason', '')}"
