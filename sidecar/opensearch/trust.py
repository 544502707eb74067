"""Whom we trust, and the certificate by which we are trusted: files that may be replaced while we run."""

import hashlib
import logging
import os
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
_ACCESS = "check owner and mode of the files, and of the folders that they are in"
_WRONG = {
    "NO_CERTIFICATE_OR_CRL_FOUND": "there is no certificate in it",
    "KEY_VALUES_MISMATCH": "the key is another certificate's",
}
"""OpenSSL's names of what is wrong in a file."""


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
        self._trust = Trust(context_of(tls, mtls), fingerprint)
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

    def check(self) -> None:
        """Make sure that somebody who reads the files now, as Fluent Bit does when it starts, can use them.

        Raises:
            OpenSearchError: One of them can't be used.
        """
        context_of(self._tls, self._mtls)

    def _renew(self) -> None:
        fingerprint = self._fingerprint()
        if fingerprint == self._trust.fingerprint:
            return
        try:
            self._trust = Trust(context_of(self._tls, self._mtls), fingerprint)
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


def context_of(tls: TlsSettings, mtls: "MtlsAuth | None") -> ssl.SSLContext:
    """What TLS is spoken with, from the files as they are now.

    Raises:
        OpenSearchError: One of them can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:  # also for a file without a certificate
        what = _in_words(error, "a certificate in it is cut off or damaged")
        raise OpenSearchError(
            f"opensearch.tls.ca: {tls.ca} can't be used: {what}",
            hint=_ACCESS if isinstance(error, PermissionError) else "name a file with CA certificates (PEM)",
        ) from error
    if mtls:
        try:
            context.load_cert_chain(mtls.cert, mtls.key, password=_no_passphrase)
        except OSError as error:  # also for a key that isn't the certificate's
            hint = "name a certificate and its private key (PEM, without a passphrase)"
            what = _in_words(error, "one of them is no such file, is cut off or damaged, or has a passphrase")
            raise OpenSearchError(
                f"opensearch.auth.mtls: {_which(mtls)} can't be used: {what}",
                hint=_ACCESS if isinstance(error, PermissionError) else hint,
            ) from error
    # Python 3.13 also refuses a CA that lacks an extension, such as a key usage. Fluent Bit and curl don't, and both
    # halves are to judge alike: chain, name and dates.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _which(mtls: "MtlsAuth") -> str:
    """The file that can't be read, which no error tells; else both."""
    files = (mtls.cert, mtls.key)
    return " and ".join([file for file in files if not os.access(file, os.R_OK)] or files)


def _in_words(error: OSError, unreadable: str) -> str:
    """What is wrong with a file; of what is in one, OpenSSL says it in its own way, or calls it `PEM lib`."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    text = str(error)
    return next((words for name, words in _WRONG.items() if name in text), unreadable if "PEM lib" in text else text)


def _no_passphrase() -> str:
    """Instead of a question at the terminal."""
    return ""
