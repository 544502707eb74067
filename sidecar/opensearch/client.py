"""A connection to OpenSearch that answers with JSON, or with an error that says what to do."""

import logging
import ssl
from collections.abc import Mapping
from typing import Any

import urllib3
from opensearchpy import OpenSearch, exceptions
from opensearchpy.connection import Urllib3HttpConnection

from sidecar.config import Config, resolve
from sidecar.config.opensearch import MtlsAuth, Tls
from sidecar.config.secret import SecretRef
from sidecar.errors import OpenSearchError, OpenSearchUnavailable

log = logging.getLogger(__name__)

_SECONDS = 15.0
_MAX_REASON = 300
_MAX_CAUSES = 10
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_BUSY = frozenset({408, 429, 502, 503, 504})


def connect(config: Config) -> "Client":
    """A client for the `opensearch` section; nothing is sent yet.

    Raises:
        SecretError: A credential can't be read.
        OpenSearchError: The credentials are of a kind that needs AWS, which this version renders for Fluent Bit only.
    """
    settings = config.opensearch
    for kind in ("ssm", "sigv4"):
        if getattr(settings.auth, kind) is not None:
            raise OpenSearchError(
                f"opensearch.auth.{kind}: the sidecar itself can't use it in this version, only Fluent Bit can",
                hint="use basic or mtls",
            )
    options: dict[str, Any] = {}
    if settings.auth.basic:
        basic = settings.auth.basic
        options["http_auth"] = (
            _secret(basic.username, "opensearch.auth.basic.username"),
            _secret(basic.password, "opensearch.auth.basic.password"),
        )
    if settings.endpoint.scheme == "https":
        options["ssl_context"] = _ssl_context(settings.tls, settings.auth.mtls)
    return Client(settings.url, options)


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


def _secret(reference: SecretRef, name: str) -> str:
    # The library encodes a credential as Latin-1; OpenSearch, like Fluent Bit and curl, reads UTF-8.
    return resolve(reference, name=name).encode().decode("latin-1")


class Client:
    """Requests to one OpenSearch; safe to use from several threads."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self._authenticated = "http_auth" in (options or {})
        try:
            # Retries are the callers' business: they know what may be sent twice.
            self._transport = OpenSearch(
                [url],
                connection_class=Urllib3HttpConnection,
                timeout=_SECONDS,
                max_retries=0,
                http_compress=True,
                **(options or {}),
            ).transport
        except (OSError, ValueError) as error:  # a CA file that isn't there, or isn't one
            raise OpenSearchError(
                f"OpenSearch at {url}: the connection can't be set up: {error}", hint="check opensearch.tls.ca"
            ) from error

    def request(self, method: str, path: str, body: Any = None, *, params: Mapping[str, Any] | None = None) -> Any:
        """Send one request, and return its JSON.

        Args:
            method: HTTP method.
            path: Absolute path, without the address.
            body: JSON value, or text/bytes that is sent as it is.
            params: Query parameters.

        Raises:
            OpenSearchUnavailable: No connection, a time-out, overload: trying again may help.
            OpenSearchError: Refused; `status` holds the HTTP status, or 0.
        """
        try:
            answer = self._transport.perform_request(method, path, params=dict(params or {}), body=body)
        except exceptions.SerializationError as error:
            raise OpenSearchUnavailable(
                f"OpenSearch at {self.url}: the answer to {method} {path} is not JSON", hint="is a proxy in between?"
            ) from error
        except exceptions.ConnectionError as error:
            raise self._unreachable(error) from error
        except exceptions.TransportError as error:
            raise self._refused(error, f"{method} {path}") from error
        except (AttributeError, TypeError, RecursionError) as error:  # the library looks into an answer without looking
            raise OpenSearchUnavailable(f"OpenSearch at {self.url}: an odd answer to {method} {path}") from error
        if isinstance(answer, str) and answer:
            raise OpenSearchUnavailable(
                f"OpenSearch at {self.url}: the answer to {method} {path} is not JSON: {_short(answer)}",
                hint="is a proxy in between?",
            )
        return answer

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _unreachable(self, error: exceptions.ConnectionError) -> OpenSearchError:
        text = _short(str(error.info or error))
        if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text or "doesn't match" in text:
            return OpenSearchError(
                f"OpenSearch at {self.url}: its certificate can't be verified: {text}",
                hint="name the CA that signed it in opensearch.tls.ca, and in opensearch.url the host as it has it",
            )
        if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
            return OpenSearchError(
                f"OpenSearch at {self.url}: speaks HTTP, not HTTPS", hint="write http:// in opensearch.url"
            )
        if "RemoteDisconnected" in text:
            text = "it closed the connection without an answer; does it speak HTTPS?"
        hint = "is it up, and is opensearch.url right, its http or https included?"
        return OpenSearchUnavailable(f"OpenSearch at {self.url}: can't be reached: {text}", hint=hint)

    def _refused(self, error: exceptions.TransportError, request: str) -> OpenSearchError:
        status = error.status_code if isinstance(error.status_code, int) else 0
        text = f"OpenSearch at {self.url}: {status} for {request}: {_short(_reason(error))}"
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


def _reason(error: exceptions.TransportError) -> str:
    info: Any = error.info
    if isinstance(info, dict):
        found = info.get("error", info)
        if isinstance(found, dict):
            return f"{found.get('type', '')}: {found.get('reason', '')}{_cause(found)}"
        return str(found)
    return str(info or error.error)


def _cause(error: Mapping[str, Any]) -> str:
    """The innermost cause: what is wrong, where the outer ones say only that something is."""
    cause: Any = error
    for _ in range(_MAX_CAUSES):
        inner = cause.get("caused_by")
        if not isinstance(inner, dict):
            break
        cause = inner
    return "" if cause is error else f": {cause.get('reason', '')}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}..."
