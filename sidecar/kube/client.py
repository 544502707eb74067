"""A connection to the API server: the official client finds it and proves who we are, the answers stay raw JSON.

The client's models refuse an odd object (`involvedObject: null` ends its watch) and are ten times slower to decode.
"""

import os
from collections.abc import Mapping
from typing import Any, cast

import urllib3
from kubernetes import client, config
from kubernetes.config import ConfigException
from urllib3.connection import HTTPConnection

from sidecar.errors import KubernetesError, KubernetesUnavailable, ResourceExpired
from sidecar.kube.decode import decode

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_MAX_MESSAGE = 300
_TOO_MANY, _EXPIRED, _UNAUTHORIZED, _FORBIDDEN, _SERVER_ERROR = 429, 410, 401, 403, 500

Params = Mapping[str, str | int]


def connect(*, kubeconfig: str | None = None, context: str | None = None) -> "ApiServer":
    """Find the API server, without talking to it.

    Args:
        kubeconfig: Path of a kubeconfig. Without it: in a pod its service account, else $KUBECONFIG or ~/.kube/config.
        context: Name of a context in the kubeconfig; its current one where it is missing.

    Raises:
        KubernetesError: There is no usable kubeconfig or service account.
    """
    settings = client.Configuration()
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and not (kubeconfig or context or os.environ.get("KUBECONFIG"))
    try:
        if in_pod:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            # The library asks for the variable once only, when it is imported.
            kubeconfig = kubeconfig or os.environ.get("KUBECONFIG")
            _check_context(kubeconfig, context)
            config.load_kube_config(kubeconfig, context, settings)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError) as error:
        hint = "mount the service account's token" if in_pod else "set KUBECONFIG, or pass --kubeconfig and --context"
        raise KubernetesError(f"Kubernetes: no API server is configured: {_short(str(error))}", hint=hint) from error
    except Exception as error:  # the library looks into the file without looking at its shape
        text = f"{kubeconfig or '~/.kube/config'} is not a kubeconfig"
        raise KubernetesError(
            f"Kubernetes: no API server is configured: {text}", hint="check it with: kubectl config view"
        ) from error
    # A peer that went without a word is noticed within two minutes: an Events watch can be silent for hours.
    settings.socket_options = [*HTTPConnection.default_socket_options, *_keepalive()]
    return ApiServer(settings)


def _check_context(kubeconfig: str | None, context: str | None) -> None:
    """Say what is missing in words of one's own; the library's name neither the file nor what is there."""
    files = (kubeconfig or os.path.expanduser("~/.kube/config")).split(os.pathsep)  # noqa: PTH111 - may be a list
    if not any(os.path.exists(file) for file in files):  # noqa: PTH110 - strings from the environment
        raise ConfigException(f"{', '.join(files)}: there is no such file")
    if context is not None:
        contexts, _ = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
        names = [entry["name"] for entry in contexts]
        if context not in names:
            raise ConfigException(f'{", ".join(files)}: there is no context "{context}"; there are {", ".join(names)}')


def _keepalive() -> list[tuple[int, int, int]]:
    import socket  # noqa: PLC0415 - only the constants

    names = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 5}
    options = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in names.items() if hasattr(socket, name)
    ]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *options]


class ApiServer:
    """Sends requests with the credentials of `settings`, which the official client refreshes."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._pool: urllib3.PoolManager = client.ApiClient(settings).rest_client.pool_manager
        self.url: str = settings.host.rstrip("/")

    def get(self, path: str, params: Params | None = None) -> dict[str, Any]:
        """GET a JSON object.

        Raises:
            ResourceExpired: 410.
            KubernetesUnavailable: No connection, a time-out, 429 or 5xx.
            KubernetesError: Everything else that isn't 200.
        """
        response = self._request(path, params, read_seconds=_READ_SECONDS)
        try:
            body = response.read()
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            response.release_conn()
        return self._object(body, path)

    def stream(self, path: str, params: Params, *, read_seconds: float) -> urllib3.BaseHTTPResponse:
        """GET an answer that never ends by itself; the caller reads and closes it. Raises like `get`."""
        return self._request(path, params, read_seconds=read_seconds)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def _request(self, path: str, params: Params | None, *, read_seconds: float) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "fluent-sidecar"}
        try:
            for setting in self._settings.auth_settings().values():
                headers[setting["key"]] = str(setting["value"]).strip()  # a token file ends with a line break
            response = self._pool.request(
                "GET",
                f"{self.url}{path}",
                fields={name: str(value) for name, value in (params or {}).items()},
                headers=headers,
                preload_content=False,
                retries=False,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=read_seconds),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        except ConfigException as error:  # a token or an exec plugin that fails while it is refreshed
            raise KubernetesUnavailable(f"Kubernetes at {self.url}: no credentials: {_short(str(error))}") from error
        except ValueError:  # its text has the header in it, and that the token
            raise KubernetesError(
                f"Kubernetes at {self.url}: the credentials can't be sent in a header",
                hint="check the token for line breaks and control characters",
            ) from None
        if response.status != 200:  # noqa: PLR2004 - HTTP
            try:
                body = response.read(64 * 1024)
            except (urllib3.exceptions.HTTPError, OSError):
                body = b""  # the status says enough
            response.close()
            raise status_error(response.status, body, where=f"Kubernetes at {self.url}", path=path)
        return response

    def _object(self, body: bytes, path: str) -> dict[str, Any]:
        try:
            found = decode(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise KubernetesUnavailable(
                f"Kubernetes at {self.url}: the answer to {path} is not JSON: {_short(body.decode(errors='replace'))}",
                hint="is a proxy in between?",
            )
        return cast("dict[str, Any]", found)

    def _unreachable(self, error: Exception) -> KubernetesError:
        text = _short(str(getattr(error, "reason", None) or error))
        if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
            return KubernetesError(
                f"Kubernetes at {self.url}: its certificate can't be verified: {text}",
                hint="the kubeconfig's certificate-authority must be the one that signed it",
            )
        return KubernetesUnavailable(
            f"Kubernetes at {self.url}: can't be reached: {text}", hint="is it up, and the address right?"
        )


def status_error(status: int, body: bytes, *, where: str, path: str) -> KubernetesError:
    """The error for an HTTP status or a `Status` object of the API; only the API's own message is repeated."""
    message = ""
    try:
        found = decode(body)
        if isinstance(found, dict) and found.get("kind") == "Status":
            message = _short(str(found.get("message", "")))
    except ValueError:
        pass
    text = f"{where}: {status} for {path}" + (f": {message}" if message else "")
    if status == _EXPIRED:
        return ResourceExpired(text)
    if status == _UNAUTHORIZED:
        return KubernetesError(text, hint="the token or client certificate isn't accepted; is it expired?")
    if status == _FORBIDDEN:
        return KubernetesError(
            text, hint=f"grant get, list and watch on {path.rpartition('/')[2]} to this user or service account"
        )
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return KubernetesUnavailable(text)
    return KubernetesError(text)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}..."
