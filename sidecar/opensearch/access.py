"""How OpenSearch is reached: one connection, made anew when credentials or certificates have changed."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sidecar.aws import Signer
from sidecar.opensearch.connection import Connection, Options
from sidecar.opensearch.credentials import Credentials, Login, credentials_of
from sidecar.opensearch.trust import TrustFiles

if TYPE_CHECKING:
    # A Lambda function has no pydantic, which this would load.
    from sidecar.config.opensearch import Auth, OpenSearch

_KINDS = ("basic", "mtls", "sigv4", "ssm")


class Connections:
    """The connection by what holds now. Safe to use from several threads.

    Args:
        credentials: Where it goes, and with which user and password.
        trust: Certificates; None for plain HTTP.
        seconds: Time-out of a connection.
        options: What else a connection is made with; user, password and certificates come on top.
    """

    def __init__(self, credentials: Credentials, trust: TrustFiles | None, *, seconds: float, options: Options) -> None:
        self._credentials, self._trust = credentials, trust
        self._seconds, self._options = seconds, options
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._made_of: tuple[Login, str] | None = None

    def get(self, refused: Connection | None = None) -> Connection:
        """The connection to use now.

        Args:
            refused: One whose credentials OpenSearch has just refused; the same comes back if there are no other ones.

        Raises:
            SidecarError: The credentials could never be read.
        """
        with self._lock:
            made_of, current = self._made_of, self._connection
        was_refused = made_of is not None and refused is not None and refused is current
        login = self._credentials.login(refused=made_of[0] if made_of and was_refused else None)
        trust = self._trust.trust(now=was_refused) if self._trust else None
        wanted = (login, trust.fingerprint if trust else "")
        with self._lock:
            if self._connection is None or wanted != self._made_of:
                # The old one ends by itself: requests in flight go on, idle connections are closed unused.
                context = trust.context if trust else None
                options = replace(self._options, basic=login.basic, ssl_context=context)
                self._connection = Connection(login.url, seconds=self._seconds, options=options)
                self._made_of = wanted
            return self._connection

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            if self._connection:
                self._connection.close()


class Access:
    """The connection by what holds now. Safe to use from several threads.

    Args:
        settings: The `opensearch` section.
        auth: Credentials; the section's own if None.
        seconds: Time-out of a connection.
        options: What else a connection is made with; credentials and trust come on top.
        clock: Seconds, monotonic.

    Raises:
        OpenSearchError: A certificate can't be used.
        AwsError: It needs botocore, which is not installed.
    """

    def __init__(
        self,
        settings: "OpenSearch",
        auth: "Auth | None" = None,
        *,
        seconds: float,
        options: Options | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        auth = auth or settings.auth
        self._settings, self._auth = settings, auth
        self._credentials = credentials_of(settings, auth, clock)
        self._trust = TrustFiles(settings.tls, auth.mtls, clock) if settings.endpoint.scheme == "https" else None
        sigv4 = auth.sigv4
        sign = Signer(sigv4.region, sigv4.service, sigv4.role_arn) if sigv4 else None
        options = replace(options or Options(), sign=sign)
        self._connections = Connections(self._credentials, self._trust, seconds=seconds, options=options)

    @property
    def kind(self) -> str:
        """How we prove who we are: basic, mtls, sigv4, ssm, or nothing."""
        return next((kind for kind in _KINDS if getattr(self._auth, kind)), "")

    @property
    def asks_aws(self) -> bool:
        """Whether the login, or a part of it, is in the Parameter Store."""
        return self._auth.ssm is not None or self._settings.url is None

    @property
    def url(self) -> str:
        """Where OpenSearch is, for messages."""
        known, ssm = self._credentials.known, self._settings.auth.ssm
        if known is None and self._settings.url is None and ssm:
            return f"the host in {ssm.path}/host"
        return known.url if known else self._settings.url or ""

    def login(self) -> Login:
        """Where it is, and user and password.

        Raises:
            SidecarError: They could never be read.
        """
        return self._credentials.login()

    def fingerprint(self) -> str:
        """Of the certificates' files; empty without TLS."""
        return self._trust.trust().fingerprint if self._trust else ""

    def check(self) -> None:
        """Make sure that the certificates' files, as they are now, can be used.

        Raises:
            OpenSearchError: One of them can't.
        """
        if self._trust:
            self._trust.check()

    def connection(self, refused: Connection | None = None) -> Connection:
        """The connection to use now.

        Args:
            refused: One whose credentials OpenSearch has just refused; the same comes back if there are no other ones.

        Raises:
            SidecarError: The credentials could never be read.
        """
        return self._connections.get(refused)

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()
