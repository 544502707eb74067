"""Throwaway certificates for servers and clients of tests: good ones, expired ones, for another host, of another CA."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def be_as_strict_as_python_3_13(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every context that is made by default refuse what it refuses in Python 3.13: a CA without extensions."""
    for module, name in ((ssl, "create_default_context"), (urllib3.connection, "create_urllib3_context")):
        monkeypatch.setattr(module, name, _strict(getattr(module, name)))


def _strict(made: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    def make(*arguments: Any, **more: Any) -> ssl.SSLContext:
        context = made(*arguments, **more)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    return make


@dataclass(frozen=True)
class Certificate:
    """Its file, its private key's, and a server's context with it; one that signed itself is its own CA."""

    file: Path
    key: Path
    context: ssl.SSLContext
    parsed: x509.Certificate = field(repr=False)
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    def demanding(self, client: "Certificate") -> ssl.SSLContext:
        """A server's context that lets nobody in without the certificate `client`, or one that it signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        context.load_verify_locations(client.file)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificate(
    folder: Path,
    name: str = "",
    *,
    host: str = "127.0.0.1",
    issuer: Certificate | None = None,
    days: float = 2,
    bare: bool = False,
) -> Certificate:
    """Make one, valid from two days ago.

    Args:
        folder: Where its files go: `cert.pem` and `key.pem`, with `name` before them.
        name: Its common name too.
        host: Name or address that it is for.
        issuer: Who signs it; itself where there is none.
        days: Until when it is valid, from now; negative for one that has expired.
        bare: Without key usage and key identifiers, as `openssl req -x509` and old clusters make a CA.
    """
    prefix = f"{name}-" if name else ""
    file, key = folder / f"{prefix}cert.pem", folder / f"{prefix}key.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name or "fake")])
    signer, signed_by = (issuer.private, issuer.parsed.subject) if issuer else (private, subject)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_name(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if not bare:
        builder = (
            builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(_usage(ca=issuer is None), critical=True)
        )
    built = builder.sign(signer, hashes.SHA256())
    file.write_bytes(built.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return Certificate(file, key, context, built, private)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
