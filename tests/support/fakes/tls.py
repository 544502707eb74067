"""A throwaway certificate for 127.0.0.1 that signs itself."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """Its file, which is its own CA's too, its private key's, and a server's context with it."""

    file: Path
    key: Path
    context: ssl.SSLContext

    def demanding(self, client: "Certificate") -> ssl.SSLContext:
        """A server's context that lets nobody in without the certificate `client`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        context.load_verify_locations(client.file)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificate(folder: Path) -> Certificate:
    """Make one with openssl; the test is skipped where that is missing."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl on PATH")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return Certificate(cert, key, context)
