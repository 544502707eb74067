"""A connection to the API server: requests with credentials that may change, answers as raw JSON.

The official client's models would refuse an odd object (`involvedObject: null` ends its watch), and are ten times
slower to decode.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

import urllib3

from sidecar.errors import KubernetesError, KubernetesUnavailable
from sidecar.kube.access import Access, Session, short
from sidecar.kube.clock import ServerClock
from sidecar.kube.decode import decode
from sidecar.kube.inpod import HOST, ServiceAccount
from sidecar.kube.status import UNAUTHORIZED, status_error

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_JSON = "application/json"
_SUCCESS = range(200, 300)
_UNVERIFIED = "CERTIFICATE_VERIFY_FAILED"

Params = Mapping[str, str | int]


def connect(*, kubeconfig: str | None = None, context: str | None = None) -> "ApiServer":
    """Find the API server, without talking to it.

    Args:
        kubeconfig: Path of a kubeconfig. Without it: in a pod its service account, else $KUBECONFIG or ~/.kube/config.
        context: Name of a context in the kubeconfig; its current one where it is missing.

    Raises:
        KubernetesError: There is no usable kubeconfig or service account.
    """
    if HOST in os.environ and not (kubeconfig or context or os.environ.get("KUBECONFIG")):
        return ApiServer(ServiceAccount())
    from sidecar.kube.kubeconfig import Kubeconfig  # noqa: PLC0415 - it imports the official client: 40 MB

    return ApiServer(Kubeconfig(kubeconfig, context))


@dataclass(frozen=True)
class _Request:
    """A request apart from who sends it; `seconds` is how long connecting and then each silence may last."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    seconds: float


class ApiServer:
    """Sends requests by a way that `connect` found; may be used from several threads.

    Attributes:
        url: The server's address, without a slash at the end.
        namespace: Of the pod, or of the kubeconfig's context; `default` where neither says.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.url = access.url
        self.namespace = access.namespace
        self._clock = ServerClock()

    def time(self) -> float:
        """Unix seconds by the server's clock, at most a second early; by this host's own before the first answer."""
        return self._clock.time()

    def get(
        self, path: str, params: Params | None = None, *, accept: str = _JSON, seconds: float | None = None
    ) -> dict[str, Any]:
        """GET a JSON object.

        Args:
            path: From the server's root on.
            params: Of the query.
            accept: Media types, where an object is wanted in another form than the whole of it.
            seconds: How long the server may be silent; 30 where nothing is said.

        Raises:
            ResourceExpired: 410.
            ResourceMissing: 404.
            KubernetesUnavailable: No connection, a time-out, 429 or 5xx.
            KubernetesError: Everything else that isn't a success.
        """
        query = {name: str(value) for name, value in (params or {}).items()}
        return self._object(_Request("GET", path, query, {"Accept": accept}, None, seconds or _READ_SECONDS))

    def send(
        self, method: str, path: str, body: Any = None, *, content_type: str = _JSON, seconds: float | None = None
    ) -> dict[str, Any]:
        """Send a JSON value by POST, PUT, PATCH or DELETE; the object that is the answer.

        Args:
            method: Of HTTP.
            path: From the server's root on.
            body: None sends nothing.
            content_type: What the value is; for a PATCH it says how it is meant.
            seconds: How long the server may be silent; 30 where nothing is said.

        Raises:
            ResourceConflict: 409: it exists already, or has another resourceVersion by now.
            KubernetesUnavailable: See `get`; it may have been done nevertheless.
            KubernetesError: See `get`.
        """
        # The standard library's encoder takes whatever the server may have sent: lone surrogates, huge integers.
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Accept": _JSON} | ({"Content-Type": content_type} if data is not None else {})
        return self._object(_Request(method, path, {}, headers, data, seconds or _READ_SECONDS))

    def stream(self, path: str, params: Params, *, read_seconds: float) -> urllib3.BaseHTTPResponse:
        """GET an answer that never ends by itself; the caller reads and closes it. Raises like `get`."""
        query = {name: str(value) for name, value in params.items()}
        return self._success(_Request("GET", path, query, {"Accept": _JSON}, None, read_seconds))

    def close(self) -> None:
        """Close idle connections."""
        self._access.close()

    def _object(self, request: _Request) -> dict[str, Any]:
        response = self._success(request)
        try:
            body = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        finally:
            response.release_conn()
        try:
            found = decode(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            text = short(body.decode(errors="replace"))
            raise KubernetesUnavailable(
                f"Kubernetes at {self.url}: the answer to {request.path} is not JSON: {text}",
                hint="is a proxy in between?",
            )
        return cast("dict[str, Any]", found)

    def _success(self, request: _Request) -> urllib3.BaseHTTPResponse:
        """The answer, unless it is a refusal; asked for once more where newer credentials are at hand than it had."""
        session = self._access.session()
        answer = self._answer(session, request)
        if _distrusts(answer) and (newer := self._access.session(refused=session)) is not session:
            if not isinstance(answer, Exception):
                answer.close()
            answer = self._answer(newer, request)
        if isinstance(answer, Exception):
            raise self._unreachable(answer) from answer
        if answer.status in _SUCCESS:
            self._clock.observe(answer.headers.get("Date"))
            return answer
        try:
            body = answer.read(64 * 1024)
        except (urllib3.exceptions.HTTPError, OSError):
            body = b""  # the status says enough
        answer.close()
        where = f"Kubernetes at {self.url}"
        wait = answer.headers.get("Retry-After")
        raise status_error(answer.status, body, where=where, path=request.path, method=request.method, retry_after=wait)

    def _answer(self, session: Session, request: _Request) -> urllib3.BaseHTTPResponse | Exception:
        """The answer of any status, its body unread; or why there is none."""
        try:
            return session.pool.urlopen(
                request.method,
                self.url + request.path + (f"?{urlencode(request.query)}" if request.query else ""),
                body=request.body,
                headers={"User-Agent": "fluent-sidecar", **request.headers, **session.headers},
                preload_content=False,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, request.seconds), total=request.seconds),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return error
        except ValueError:  # its text has the header in it, and that the token
            raise KubernetesError(
                f"Kubernetes at {self.url}: the credentials can't be sent in a header",
                hint="check the token for line breaks and control characters",
            ) from None

    def _unreachable(self, error: Exception) -> KubernetesError:
        text = _reason(error)
        if _UNVERIFIED in text:
            return KubernetesError(
                f"Kubernetes at {self.url}: its certificate can't be verified: {text}",
                hint="the kubeconfig's certificate-authority, or ca.crt of the service account, must be the one that "
                "signed it",
            )
        return KubernetesUnavailable(
            f"Kubernetes at {self.url}: can't be reached: {text}", hint="is it up, and the address right?"
        )


def _distrusts(answer: urllib3.BaseHTTPResponse | Exception) -> bool:
    """Whether one of the two doesn't believe the other: newer files may help."""
    if isinstance(answer, Exception):
        return _UNVERIFIED in _reason(answer)
    return answer.status == UNAUTHORIZED


def _reason(error: Exception) -> str:
    return short(str(getattr(error, "reason", None) or error))
