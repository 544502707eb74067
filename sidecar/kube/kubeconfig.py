"""The API server as a kubeconfig names it, by the official client, which knows the many ways to prove who one is."""

import hashlib
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.config import ConfigException

from sidecar.errors import KubernetesError, KubernetesUnavailable
from sidecar.kube.access import CHECK_SECONDS, POOL_CONNECTIONS, Session, short, socket_options, tls_context

log = logging.getLogger(__name__)

_DEFAULT = "~/.kube/config"


@dataclass(frozen=True)
class _Loaded:
    """What the official client made of a kubeconfig; `seen` tells whether the `files` that it rests on have changed."""

    settings: Any = field(repr=False)
    pool: urllib3.PoolManager
    namespace: str
    files: tuple[str, ...]
    seen: bytes = field(repr=False)

    @property
    def url(self) -> str:
        return str(self.settings.host).rstrip("/")


class Kubeconfig:
    """The server and user of a kubeconfig's context, loaded again when a file that it rests on changes.

    Args:
        path: Of the kubeconfig, or several as in $KUBECONFIG; without it $KUBECONFIG or ~/.kube/config.
        context: Its current one where it is missing.
        clock: Seconds, monotonic.

    Raises:
        KubernetesError: It is missing, or can't be used.
    """

    def __init__(
        self, path: str | None, context: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # The library asks for the variable once only, when it is imported.
        self._path = path or os.environ.get("KUBECONFIG") or _DEFAULT
        self._context, self._clock = context, clock
        self._lock = threading.Lock()
        self._loaded = _load(self._path, context)
        self._session: Session | None = None
        self._checked = self._asked = clock()
        self.url = self._loaded.url
        self.namespace = self._loaded.namespace

    def session(self, refused: Session | None = None) -> Session:
        """The session to use now; see `Access`."""
        with self._lock:  # the library's own refreshing isn't safe in threads
            now = self._clock()
            distrusted = refused is not None and refused is self._session
            if distrusted or now - self._checked >= CHECK_SECONDS:
                self._checked = now
                # A program that hands out credentials is asked for others where its last ones are refused, but not by
                # every request of a user who has no rights.
                if (distrusted and now - self._asked >= CHECK_SECONDS) or self._loaded.seen != _seen(
                    self._loaded.files
                ):
                    self._asked = now
                    self._reload()
            headers = self._headers(self._loaded)
            session = self._session
            if session is None or session.pool is not self._loaded.pool or session.headers != headers:
                self._session = session = Session(self._loaded.pool, headers)
            return session

    def close(self) -> None:
        """Close idle connections."""
        self._loaded.pool.clear()

    def _reload(self) -> None:
        """Take what has changed; what can't be used leaves all as it is."""
        try:
            found = _load(self._path, self._context)
            same = found.seen == self._loaded.seen and self._headers(found) == self._headers(self._loaded)
        except KubernetesError as error:
            log.warning("going on with the credentials as they were: %s", error)
            return
        if found.url != self.url:
            log.warning("%s names another API server now, which counts from the next start on", self._path)
            self._loaded = replace(self._loaded, files=found.files, seen=found.seen)
        elif not same:
            # The old connections end by themselves: a watch in flight goes on, the idle ones are closed unused.
            self._loaded = found

    def _headers(self, loaded: _Loaded) -> dict[str, str]:
        """The headers that prove who we are, refreshed by the library where they have expired."""
        try:
            entries = loaded.settings.auth_settings().values()
        except (ConfigException, OSError) as error:
            raise KubernetesUnavailable(f"Kubernetes at {self.url}: no credentials: {short(str(error))}") from error
        except Exception as error:  # noqa: BLE001 - what a provider's answer made of the library; it may hold secrets
            raise KubernetesUnavailable(
                f"Kubernetes at {self.url}: no credentials: {type(error).__name__} while they were refreshed"
            ) from None
        # A token file ends with a line break.
        return {entry["key"]: str(entry["value"]).strip() for entry in entries}


def _load(path: str, context: str | None) -> _Loaded:
    settings = client.Configuration()
    try:
        _check(path, context)
        config.load_kube_config(path, context, settings)  # type: ignore[no-untyped-call]
        namespace, token_file = _more_of(path, context)
        _check_token(settings, token_file)
        settings.socket_options = socket_options()
        settings.connection_pool_maxsize = POOL_CONNECTIONS
        pool: urllib3.PoolManager = client.ApiClient(settings).rest_client.pool_manager
    except (ConfigException, OSError, ValueError) as error:
        raise KubernetesError(
            f"Kubernetes: no API server is configured: {short(str(error))}",
            hint="set KUBECONFIG, or pass --kubeconfig and --context",
        ) from error
    except Exception as error:  # the library looks into the file without looking at its shape
        raise KubernetesError(
            f"Kubernetes: no API server is configured: {path} is not a kubeconfig",
            hint="check it with: kubectl config view",
        ) from error
    # Left to itself, on Python 3.13 the library refuses the CA of every EKS cluster: it has no key identifier.
    pool.connection_pool_kw["ssl_context"] = _tls(settings, path)
    # urllib3 would load them into it anew for each connection, while others shake hands with it: OpenSSL ends then.
    for name in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
        pool.connection_pool_kw.pop(name, None)
    sources = [*map(str, _regular(path)), token_file, settings.ssl_ca_cert, settings.cert_file, settings.key_file]
    files = tuple(file for file in sources if file)
    return _Loaded(settings, pool, namespace, files, _seen(files))


def _tls(settings: Any, path: str) -> ssl.SSLContext:
    context = tls_context()
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if settings.ssl_ca_cert or settings.ca_cert_data:
            context.load_verify_locations(cafile=settings.ssl_ca_cert, cadata=settings.ca_cert_data)
        else:
            context.load_default_certs()
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ValueError, TypeError) as error:  # ssl.SSLError is an OSError
        raise KubernetesError(
            f"Kubernetes: the CA or the client certificate that {path} names can't be used: {short(str(error))}",
            hint="both must be PEM, and the key be the certificate's; kubectl with this file says the same",
        ) from error
    return context


def _check(path: str, context: str | None) -> None:
    """Say what is missing in words of one's own; the library's name neither the file nor what is there."""
    files = _files(path)
    if not any(file.exists() for file in files):
        raise ConfigException(f"{', '.join(map(str, files))}: there is no such file")
    if context is not None:
        contexts, _ = config.list_kube_config_contexts(path)  # type: ignore[no-untyped-call]
        names = [entry["name"] for entry in contexts]
        if context not in names:
            there = ", ".join(names)
            raise ConfigException(f'{", ".join(map(str, files))}: there is no context "{context}"; there are {there}')


def _check_token(settings: Any, file: str | None) -> None:
    """A token file that is being rewritten is not to make us anonymous."""
    if file and not settings.api_key:
        raise ConfigException(f"{file} is empty")


def _files(path: str) -> list[Path]:
    return [Path(part).expanduser() for part in path.split(os.pathsep) if part]


def _regular(path: str) -> list[Path]:
    """The files that can be read again; a pipe (`--kubeconfig <(...)`) can't."""
    return [file for file in _files(path) if file.is_file()]


def _more_of(path: str, context: str | None) -> tuple[str, str | None]:
    """What the library doesn't tell: the context's namespace, and the user's token file, which it reads once only."""
    documents = [(file, yaml.safe_load(file.read_text()) or {}) for file in _regular(path)]
    if context is None:  # of several files the last that names one counts; of names that are there twice the first
        context = next((found for _, each in reversed(documents) if (found := each.get("current-context"))), None)
    _, chosen = _named(documents, "context", context)
    folder, user = _named(documents, "user", chosen.get("user"))
    name = user.get("tokenFile") if "token" not in user else None
    return str(chosen.get("namespace") or "default"), str(folder / name) if name else None


def _named(documents: list[tuple[Path, Any]], kind: str, name: str | None) -> tuple[Path, dict[str, Any]]:
    """The first `context` or `user` of that name, with the folder of its file."""
    for file, document in documents:
        for entry in document.get(f"{kind}s") or []:
            if entry["name"] == name:
                return file.parent, entry.get(kind) or {}
    return Path(), {}


def _seen(files: tuple[str, ...]) -> bytes:
    """A fingerprint of the files' names and content; a missing one counts as empty."""
    found = hashlib.sha256()
    for file in files:
        found.update(hashlib.sha256(file.encode()).digest())
        with suppress(OSError):
            found.update(hashlib.sha256(Path(file).read_bytes()).digest())
    return found.digest()
