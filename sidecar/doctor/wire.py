"""The way to OpenSearch below HTTP: name, port, TLS and certificate, each of which fails in its own words."""

import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sidecar.config.opensearch import MtlsAuth, Tls
from sidecar.doctor.finding import Finding, fail, ok, warn
from sidecar.errors import OpenSearchError
from sidecar.opensearch.trust import context_of

_SECONDS = 3.0
_SOON_DAYS = 14
_NOT_YET, _EXPIRED, _NAMES = 9, 10, frozenset({62, 64})
"""Of OpenSSL's verify codes; the others say that nobody trusted has signed it."""


def reach(host: str, port: int) -> Finding:
    """Whether something listens."""
    try:
        with socket.create_connection((host, port), _SECONDS):
            return ok("connection", f"{host}:{port} answers")
    except socket.gaierror as error:
        return fail(
            "connection",
            f"the name {host} is not known: {error.strerror}",
            "check the host in opensearch.url; in a pod, is it a Service of this cluster (NAME.NAMESPACE.svc)?",
        )
    except TimeoutError:
        return fail(
            "connection",
            f"{host}:{port} doesn't answer within {_SECONDS:g} s",
            "does a firewall, security group or network policy keep this host out? is the port the right one?",
        )
    except OSError as error:
        hint = "is OpenSearch up, and the port in opensearch.url right?"
        return fail("connection", f"{host}:{port}: {error.strerror or error}", hint)


def handshake(host: str, port: int, tls: Tls, mtls: MtlsAuth | None) -> Finding:
    """Whether TLS can be agreed on, and the certificate can be trusted."""
    try:
        context = context_of(tls, mtls)
    except OpenSearchError as error:
        return fail("TLS", error.what, error.hint)
    try:
        with (
            socket.create_connection((host, port), _SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return certificate_verdict(wrapped.getpeercert() or {}, verify=tls.verify, now=datetime.now(UTC))
    except ssl.SSLCertVerificationError as error:
        return distrust(error.verify_code, error.verify_message, host, tls.ca)
    except ssl.SSLError as error:
        return no_tls(error.reason or str(error))
    except TimeoutError:
        return fail("TLS", f"no handshake within {_SECONDS:g} s", "does it speak HTTPS? else write http:// there")
    except OSError as error:
        hint = "does it speak HTTPS? else write http:// in opensearch.url"
        return fail("TLS", f"the connection ended in the handshake: {error.strerror or error}", hint)


def certificate_verdict(certificate: Mapping[str, Any], *, verify: bool, now: datetime) -> Finding:
    """What is said of a certificate that was accepted.

    Args:
        certificate: As `ssl` describes it; empty where it was not checked.
        verify: Whether it was.
        now: With a time zone.
    """
    if not verify:
        return warn(
            "TLS",
            "the certificate is not checked (opensearch.tls.verify is false): whoever is in between can read all",
            "name the CA in opensearch.tls.ca, and remove verify: false",
        )
    end = certificate.get("notAfter")
    if not isinstance(end, str):
        return ok("TLS", "the certificate is trusted")
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC)
    days = (until - now).days
    if days < _SOON_DAYS:
        return warn("TLS", f"the certificate expires in {days} days, on {until:%Y-%m-%d}", "renew it before that day")
    return ok("TLS", f"the certificate is trusted, until {until:%Y-%m-%d}")


def distrust(code: int, message: str, host: str, ca: str | None) -> Finding:
    """Why a certificate was not accepted.

    Args:
        code: OpenSSL's verify code.
        message: Its words for it.
        host: Who it should be of.
        ca: `opensearch.tls.ca`.
    """
    if code in {_EXPIRED, _NOT_YET}:
        hint = "renew it; if it is new, is this host's clock right?"
        return fail("TLS", f"the server's certificate can't be verified: {message}", hint)
    if code in _NAMES:
        hint = "write the host in opensearch.url as the certificate has it"
        return fail("TLS", f"the server's certificate is not for {host}: {message}", hint)
    whom = f"the CA in {ca}" if ca else "a CA that this system trusts"
    return fail(
        "TLS",
        f"the server's certificate isn't signed by {whom}: {message}",
        "name the file with the CA that signed it in opensearch.tls.ca",
    )


def no_tls(reason: str) -> Finding:
    """Why there was no handshake."""
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}:
        return fail("TLS", "the server speaks HTTP, not HTTPS", "write http:// in opensearch.url")
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return fail("TLS", f"the server ended the handshake: {reason}", "does it want a client certificate? auth.mtls")
    return fail("TLS", f"no TLS can be agreed on: {reason}", "which versions of TLS does the server take?")
