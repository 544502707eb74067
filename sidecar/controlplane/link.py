"""How the function reaches OpenSearch: a connection that is kept between invocations, by the credentials that hold."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.aws import Parameters, Secret, Signer
from sidecar.config.function import SECRET_VARIABLE, Settings
from sidecar.errors import SecretError
from sidecar.opensearch.access import Connections
from sidecar.opensearch.connection import Connection, Options
from sidecar.opensearch.credentials import SSM, Credentials, Login, url_of
from sidecar.opensearch.trust import TrustFiles

CA_FILE = "ca.pem"
"""File of the deployment package with the certificate of a private CA."""


@dataclass(frozen=True)
class _Tls:
    verify: bool
    ca: str | None


class Link:
    """The connection by what holds now; what `sidecar.opensearch.Client` takes its connections from.

    Args:
        settings: Where OpenSearch is, and how we prove who we are.
        secret: ARN of the secret with user and password, where it is there.
        folder: Where the deployment package is.
        seconds: Time-out of a connection.
        clock: Seconds, monotonic.

    Raises:
        SecretError: There is no secret's ARN.
        OpenSearchError: The CA's certificate can't be used.
        AwsError: It needs botocore, which is not installed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        secret: str,
        folder: Path,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        auth = settings.auth
        self._settings = settings
        self.kind = next((kind for kind in ("ssm", "sigv4") if kind in auth), "basic" if "secret" in auth else "")
        self.asks_aws = self.kind in {"ssm", "basic"}
        self._credentials = Credentials(_reader(settings, secret), SSM, clock)
        sigv4 = auth.get("sigv4")
        sign = Signer(sigv4["region"], sigv4["service"], sigv4.get("roleArn")) if sigv4 else None
        tls = _Tls(settings.verify, str(folder / CA_FILE) if settings.private_ca else None)
        trust = None if settings.url.startswith("http:") else TrustFiles(tls, None, clock)
        self._connections = Connections(self._credentials, trust, seconds=seconds, options=Options(sign=sign))

    @property
    def url(self) -> str:
        """Where OpenSearch is, for messages."""
        known = self._credentials.known
        return known.url if known else self._settings.url or f"the host in {self._settings.auth['ssm']['path']}/host"

    def login(self) -> Login:
        """Where it is, and user and password.

        Raises:
            SidecarError: They could never be read.
        """
        return self._credentials.login()

    def fingerprint(self) -> str:
        """Of the certificates' files, which stay as they are."""
        return ""

    def check(self) -> None:
        """The certificates' files were read when it was made."""

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


def _reader(settings: Settings, secret: str) -> Callable[[], Login]:
    auth: dict[str, Any] = dict(settings.auth)
    if "ssm" in auth:
        path, region = auth["ssm"]["path"], auth["ssm"]["region"]
        names = ("user", "password") if settings.url else ("user", "password", "host")
        parameters = Parameters(path, names, region=region)

        def read_parameters() -> Login:
            found = parameters.read()
            url = settings.url or url_of(found["host"], f"{path}/host")
            return Login(url, (found["user"], found["password"]))

        return read_parameters
    if "secret" in auth:
        if not secret:
            raise SecretError(
                f"the variable {SECRET_VARIABLE} is not set", hint="give the stack its parameter SecretArn"
            )
        kept = Secret(secret)
        return lambda: Login(settings.url, kept.read())
    return lambda: Login(settings.url)
