"""The tests' own way to an API server: a kubeconfig read, pooled connections, JSON in and out.

Apart from `sidecar.kube` on purpose: what checks the sidecar shares no code with it.
"""

import base64
import http
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import urllib3
import yaml

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class ApiError(AssertionError):
    """The API server refused, and the test did not expect it to."""

    def __init__(self, method: str, path: str, status: int, text: str) -> None:
        super().__init__(f"{method} {path}: {status} {text[:500]}")
        self.status = status


@dataclass(frozen=True)
class Access:
    """What the current context of a kubeconfig says; certificates and keys as PEM."""

    server: str
    ca: str = ""
    verify: bool = True
    token: str = field(default="", repr=False)
    cert: str = ""
    key: str = field(default="", repr=False)


def read_access(kubeconfig: Path) -> Access:
    """Read the current context of a kubeconfig.

    Raises:
        ValueError: It isn't one, or the user proves who they are by a program.
        OSError: A file can't be read.
    """
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"]).get("user") or {}
        server = str(cluster["server"]).rstrip("/")
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError(f"{kubeconfig}: not a kubeconfig with a current context: {error!r}") from error
    if "exec" in user or "auth-provider" in user:
        raise ValueError(f"{kubeconfig}: the user's credentials come from a program; tests take a token or certificate")
    folder = kubeconfig.parent
    token_file = user.get("tokenFile")
    return Access(
        server=server,
        ca=_pem(cluster, "certificate-authority", folder),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        token=(folder / token_file).read_text().strip() if token_file else str(user.get("token") or ""),
        cert=_pem(user, "client-certificate", folder),
        key=_pem(user, "client-key", folder),
    )


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def _pem(section: dict[str, Any], key: str, folder: Path) -> str:
    """A PEM that is in the kubeconfig itself (base64) or in a file beside it; empty if neither."""
    if data := section.get(f"{key}-data"):
        return base64.b64decode(data).decode()
    return (folder / section[key]).read_text() if section.get(key) else ""


def _tls(access: Access) -> ssl.SSLContext:
    tls = ssl.create_default_context(cadata=access.ca or None)
    if not access.verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if access.cert:
        # The ssl module takes the pair from files only.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:  # 0600
            pair.write(access.cert.rstrip() + "\n" + access.key)
            pair.flush()
            tls.load_cert_chain(pair.name)
    return tls


class Api:
    """Requests to one API server; threads may share it.

    Args:
        kubeconfig: Its current context is used.
        connections: How many are kept open; as many as there are threads.
        timeout: Seconds for a connection, and between two reads.
    """

    def __init__(self, kubeconfig: Path, *, connections: int = 1, timeout: float = 10) -> None:
        access = read_access(kubeconfig)
        self.server = access.server
        self._path = urllib3.util.parse_url(access.server).path or ""
        self._pool = urllib3.connection_from_url(
            access.server,
            maxsize=connections,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            headers={"Authorization": f"Bearer {access.token}"} if access.token else {},
            **({"ssl_context": _tls(access)} if access.server.startswith("https") else {}),
        )

    def raw(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, stream: bool = False
    ) -> urllib3.BaseHTTPResponse:
        """One request, its answer as it comes, whatever the status.

        Raises:
            urllib3.exceptions.HTTPError: The API server can't be reached.
        """
        # `headers` of a request replace those of the pool.
        headers = dict(self._pool.headers or {}) | {"Accept": JSON}
        if body is not None:
            headers["Content-Type"] = content_type
        return self._pool.urlopen(
            method,
            self._path + path,
            body=None if body is None else orjson.dumps(body),
            headers=headers,
            preload_content=not stream,
        )

    def request(self, method: str, path: str, body: Any = None, *, content_type: str = JSON) -> dict[str, Any]:
        """One request that must succeed; returns the object in the answer.

        Raises:
            ApiError: Any status but 2xx.
            urllib3.exceptions.HTTPError: The API server can't be reached.
        """
        response = self.raw(method, path, body, content_type=content_type)
        if not http.HTTPStatus.OK <= response.status < http.HTTPStatus.MULTIPLE_CHOICES:
            raise ApiError(method, path, response.status, response.data.decode(errors="replace"))
        result: dict[str, Any] = orjson.loads(response.data)
        return result

    def get(self, path: str) -> dict[str, Any]:
        """GET an object or a list, which must be there."""
        return self.request("GET", path)

    def ensure(self, path: str, body: dict[str, Any]) -> None:
        """Create the object in the collection `path`, or replace the one of that name."""
        try:
            self.request("POST", path, body)
        except ApiError as error:
            if error.status != http.HTTPStatus.CONFLICT:
                raise
            self.request("PUT", f"{path}/{body['metadata']['name']}", body)

    def ensure_namespace(self, name: str) -> None:
        """Create a namespace, unless it is there."""
        response = self.raw("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        if response.status not in {http.HTTPStatus.CREATED, http.HTTPStatus.CONFLICT}:
            raise ApiError("POST", "/api/v1/namespaces", response.status, response.data.decode(errors="replace"))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def write_kubeconfig(path: Path, *, server: str, ca: str, user: str, token: str) -> Path:
    """Write a kubeconfig, readable by its owner alone, for a user with a token."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
        "clusters": [
            {
                "name": "tests",
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca.encode()).decode()},
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
