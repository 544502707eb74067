"""Whom we trust, and the certificate by which we are trusted: files that may be replaced while we run."""

import hashlib
import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import urllib3

from sidecar.errors import OpenSearchError

if TYPE_CHECKING:
    # A Lambda function has no pydantic, which this would load.
    from sidecar.config.opensearch import MtlsAuth

log = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""How long a file that was replaced may go unnoticed."""


class TlsSettings(Protocol):
    """Whom we trust; the section `opensearch.tls` is one."""

    @property
    def verify(self) -> bool:
        """Whether certificate and name are checked."""

    @property
    def ca(self) -> str | None:
        """File with the CA's certificates; the system's where there is none."""


@dataclass(frozen=True)
class Trust:
    """What TLS is spoken with.

    Attributes:
        context: For connections.
        fingerprint: Of the files; another one where one of them was replaced. Keeps nothing secret.
    """

    context: ssl.SSLContext
    fingerprint: str


class TrustFiles:
    """The CA's certificates, and our own with its key; read again when they change. Safe to use from several threads.

    Args:
        tls: Whom we trust.
        mtls: Our own certificate, if there is one.
        clock: Seconds, monotonic.

    Raises:
        OpenSearchError: A file can't be used.
    """

    def __init__(self, tls: TlsSettings, mtls: "MtlsAuth | None", clock: Callable[[], float] = time.monotonic) -> None:
        self._tls, self._mtls, self._clock = tls, mtls, clock
        self._lock = threading.Lock()
        self._said = ""
        if not tls.verify:
            log.warning("opensearch.tls.verify is false: whoever is in between can read the password and all else")
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        # The fingerprint first: a file that is replaced in between is seen by the next look.
        fingerprint = self._fingerprint()
        self._trust = Trust(_context(tls, mtls), fingerprint)
        self._checked = clock()

    def trust(self, *, now: bool = False) -> Trust:
        """What holds now; what can't be used leaves all as it was, until the next look.

        Args:
            now: Look at the files even if that was done a moment ago.
        """
        with self._lock:
            if now or self._clock() - self._checked >= CHECK_SECONDS:
                self._checked = self._clock()
                self._renew()
            return self._trust

    def _renew(self) -> None:
        fingerprint = self._fingerprint()
        if fingerprint == self._trust.fingerprint:
            return
        try:
            self._trust = Trust(_context(self._tls, self._mtls), fingerprint)
        except OpenSearchError as error:
            if str(error) != self._said:
                self._said = str(error)
                log.warning("going on with the certificates as they were: %s", error)
            return
        self._said = ""
        log.info("certificates were replaced; new connections use them")

    def _fingerprint(self) -> str:
        files = [self._tls.ca, *((self._mtls.cert, self._mtls.key) if self._mtls else ())]
        return hashlib.sha256(b"\0".join(_digest(file) for file in files if file)).hexdigest()


def _digest(file: str) -> bytes:
    try:
        return hashlib.sha256(Path(file).read_bytes()).digest()
    except OSError:
        return b""  # it is told by who loads it


def _context(tls: TlsSettings, mtls: "MtlsAuth | None") -> ssl.SSLContext:
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
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_passphrase() -> str:
    """Instead of a question at the terminal."""
    return ""
