"""The API server as a pod finds it: by its environment and the files of its service account, which are rotated.

Without the official client: that takes 40 MB of memory, on every node, for what these few lines do.
"""

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import urllib3

from sidecar.errors import KubernetesError
from sidecar.kube.access import CHECK_SECONDS, POOL_CONNECTIONS, Session, socket_options, tls_context

log = logging.getLogger(__name__)

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


class ServiceAccount:
    """Token and CA of the pod's service account, read again when they change.

    Args:
        folder: Where they are, if not where the kubelet puts them.
        environment: Has the address.
        clock: Seconds, monotonic.

    Raises:
        KubernetesError: The address or a file is missing.
    """

    def __init__(
        self,
        folder: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._clock = folder or FOLDER, clock
        self._lock = threading.Lock()
        self.url = _url(environment)
        self.namespace = _namespace(self._folder)
        self._token, self._ca = self._read()
        self._session = Session(_pool(self._ca), _headers(self._token))
        self._checked = clock()

    def session(self, refused: Session | None = None) -> Session:
        """The session to use now; see `Access`."""
        with self._lock:
            if refused is self._session or self._clock() - self._checked >= CHECK_SECONDS:
                self._checked = self._clock()
                self._renew()
            return self._session

    def close(self) -> None:
        """Close idle connections."""
        self._session.pool.clear()

    def _renew(self) -> None:
        """Take what has changed; what can't be read or isn't whole leaves all as it is, until the next look."""
        try:
            token, ca = self._read()
            pool = self._session.pool if ca == self._ca else _pool(ca)
        except KubernetesError as error:
            log.warning("going on with the service account's token and CA as they were: %s", error)
            return
        if (token, ca) != (self._token, self._ca):
            # The old connections end by themselves: a watch in flight goes on, the idle ones are closed unused.
            self._session = Session(pool, _headers(token))
            self._token, self._ca = token, ca

    def _read(self) -> tuple[str, str]:
        return self._content("token"), self._content("ca.crt")

    def _content(self, name: str) -> str:
        file = self._folder / name
        try:
            text = file.read_text().strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise _missing(f"{file}: {why}") from error
        if not text:
            raise _missing(f"{file} is empty")
        return text


def _url(environment: Mapping[str, str]) -> str:
    host, port = environment.get(HOST, ""), environment.get(PORT, "")
    if not (host and port):
        raise _missing(f"{HOST} or {PORT} is not set")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _namespace(folder: Path) -> str:
    try:
        return (folder / "namespace").read_text().strip() or "default"
    except (OSError, ValueError):
        return "default"


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _pool(ca: str) -> urllib3.PoolManager:
    """Connections to a server that this CA vouches for, and no other; never through a proxy."""
    context = tls_context()
    try:
        context.load_verify_locations(cadata=ca)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise _missing(f"ca.crt holds no certificate: {error}") from error
    return urllib3.PoolManager(ssl_context=context, maxsize=POOL_CONNECTIONS, socket_options=socket_options())


def _missing(what: str) -> KubernetesError:
    return KubernetesError(f"Kubernetes: no API server is configured: {what}", hint="mount the service account's token")
