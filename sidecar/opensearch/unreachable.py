"""Why there was no answer, and what to do about it: TLS that can't be agreed on, or no connection at all."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator

import urllib3

from sidecar.errors import OpenSearchError, OpenSearchUnavailable

_MAX_TEXT = 300
_PLACE = re.compile(r" *\(_ssl\.c:\d+\)")
_SECONDS = re.compile(r"timeout=([\d.]+)")

# OpenSSL's numbers of what is wrong with a certificate.
_EXPIRED, _NOT_YET, _UNKNOWN_CA, _OTHER_NAME = {10}, {9}, {18, 19, 20, 21}, {62, 63, 64}
_ALERTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("CERTIFICATE_EXPIRED",),
        "our certificate in opensearch.auth.mtls.cert has expired: put a new one in its place, it is taken within 10 s",
    ),
    (("CERTIFICATE_REQUIRED",), "it wants a client certificate: set opensearch.auth.mtls"),
    (
        ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "UNSUPPORTED_CERTIFICATE", "DECRYPT_ERROR"),
        "it does not trust our certificate in opensearch.auth.mtls.cert: it must be signed by a CA that it knows",
    ),
    (
        ("HANDSHAKE_FAILURE", "PROTOCOL_VERSION", "INSUFFICIENT_SECURITY"),
        "does it want a client certificate (opensearch.auth.mtls), or speak only an old TLS?",
    ),
)
_CLOSED = "it closed the connection without an answer"
_NOT_PLAIN = f"{_CLOSED}; does it speak HTTPS?"
_TLS_ALERT = "\x15"
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


def short(text: str) -> str:
    """A text from outside as it fits into a message: on one line, what can't be seen written out, and cut."""
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in " ".join(text.split()))
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."


def unreachable(url: str, error: Exception) -> OpenSearchError:
    """What to raise where a request came to no answer.

    Args:
        url: Where OpenSearch should be.
        error: urllib3's, with what it comes from.
    """
    server = f"OpenSearch at {url}"
    failure = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if isinstance(failure, ssl.SSLCertVerificationError):
        what, hint = _not_verified(failure)
        return OpenSearchError(f"{server}: its certificate can't be verified: {what}", hint=hint)
    reason = str(getattr(failure, "reason", "") or failure).upper().replace(" ", "_") if failure else ""
    if any(name in reason for name in _NOT_TLS):
        return OpenSearchError(f"{server}: speaks HTTP, not HTTPS", hint="write http:// in opensearch.url")
    text = short(_PLACE.sub("", str(failure))) if failure else in_words(error)
    # Which of them it is depends on the release of OpenSSL.
    if isinstance(failure, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "UNEXPECTED_EOF" in reason:
        text = _CLOSED
    for names, hint in _ALERTS:
        if any(name in reason for name in names):
            return OpenSearchUnavailable(f"{server}: can't be reached: TLS was refused: {text}", hint=hint)
    hint = "is it up, and is opensearch.url right, its http or https included?"
    if text == _CLOSED and url.startswith("http:"):
        text, hint = _NOT_PLAIN, "write https:// in opensearch.url if it does; is it up?"
    elif url.startswith("https:") and (failure or "Connection reset" in text or "Broken pipe" in text):
        # Since TLS 1.3 a server may say so too late to be heard.
        hint = "is it up? It may want a client certificate, which opensearch.auth.mtls names"
    return OpenSearchUnavailable(f"{server}: can't be reached: {text}", hint=hint)


def in_words(error: Exception) -> str:
    """What happened to a request. The libraries' own texts have the names of their classes, and an object's address."""
    causes = list(_causes(error))
    said = next((text for cause in causes if (text := _said_by(cause))), "")
    system = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "")
    waited = next((cause for cause in causes if isinstance(cause, urllib3.exceptions.TimeoutError)), None)
    # A refused connection is a time-out to urllib3, so the system comes first.
    return said or system or (_waited(waited) if waited else short(str(error)))


def _said_by(cause: BaseException) -> str:
    """What one error says by being there; empty for others."""
    match cause:
        case socket.gaierror():
            return f"the name of the host is not known: {cause.strerror}"
        case http.client.RemoteDisconnected():
            return _CLOSED
        case http.client.BadStatusLine():
            return _NOT_PLAIN if str(cause).startswith(_TLS_ALERT) else "what answers there does not speak HTTP"
        case http.client.IncompleteRead() | urllib3.exceptions.IncompleteRead():
            return "the connection was closed in the middle of it"
        case _:
            return ""


def _waited(error: urllib3.exceptions.TimeoutError) -> str:
    what = "connection" if isinstance(error, urllib3.exceptions.ConnectTimeoutError) else "answer"
    seconds = _SECONDS.search(str(error))
    return f"no {what} within {float(seconds[1]):g} s" if seconds else f"no {what} in time"


def _not_verified(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    code, text = error.verify_code, short(error.verify_message or str(error))
    if code in _EXPIRED:
        return text, "have it renewed, or is the clock of this machine wrong?"
    if code in _NOT_YET:
        return text, "is the clock of this machine, or of the one that made it, wrong?"
    if code in _OTHER_NAME:
        return text, "write in opensearch.url the host as the certificate has it, or have one made for this host"
    if code in _UNKNOWN_CA:
        return text, "name the CA that signed it in opensearch.tls.ca"
    return text, "name the CA that signed it in opensearch.tls.ca, and in opensearch.url the host as it has it"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it comes from; urllib3 hands some of them over as arguments."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        found = waiting.pop(0)
        if id(found) not in seen:
            seen.add(id(found))
            yield found
            more = [found.__cause__, found.__context__, *found.args]
            waiting += [cause for cause in more if isinstance(cause, BaseException)]
