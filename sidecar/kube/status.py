"""What a refusal of the API server means, and what to do about it."""

import re
from typing import Any

from sidecar.errors import (
    KubernetesError,
    KubernetesUnavailable,
    ResourceConflict,
    ResourceExpired,
    ResourceMissing,
)
from sidecar.kube.access import short
from sidecar.kube.decode import decode

UNAUTHORIZED = 401
_FORBIDDEN, _EXPIRED, _SERVER_ERROR = 403, 410, 500
_SECONDS = re.compile("[0-9]{1,6}")
_KINDS: dict[int, type[KubernetesError]] = {404: ResourceMissing, 409: ResourceConflict, 429: KubernetesUnavailable}
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def status_error(
    status: int, body: bytes, *, where: str, path: str, method: str = "GET", retry_after: str | None = None
) -> KubernetesError:
    """The error for an HTTP status or a `Status` object of the API; only the API's own message is repeated.

    Args:
        status: Of HTTP, or of the object.
        body: The object; of anything else nothing is repeated.
        where: Which server.
        path: What was asked for.
        method: Of HTTP.
        retry_after: The header of that name.
    """
    error = _error(status, _status_object(body), where=where, path=path, method=method)
    error.status = status
    error.retry_after = float(retry_after) if retry_after and _SECONDS.fullmatch(retry_after) else None
    return error


def _error(status: int, found: dict[str, Any], *, where: str, path: str, method: str) -> KubernetesError:
    message = short(str(found.get("message") or ""))
    text = f"{where}: {status} for {path}" + (f": {message}" if message else "")
    if status == _EXPIRED:
        return ResourceExpired(text, token=_token(found))
    hint = ""
    if status == UNAUTHORIZED:
        hint = "the token or client certificate isn't accepted; is it expired?"
    elif status == _FORBIDDEN:
        hint = f"grant {_right(method, path)} to this user or service account"
    kind = KubernetesUnavailable if status >= _SERVER_ERROR else _KINDS.get(status, KubernetesError)
    return kind(text, hint=hint)


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        found = decode(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}


def _token(found: dict[str, Any]) -> str:
    """The token by which a list whose state is gone may go on with a newer one."""
    metadata = found.get("metadata")
    token = metadata.get("continue") if isinstance(metadata, dict) else None
    return token if isinstance(token, str) else ""


def _right(method: str, path: str) -> str:
    """What a role has to allow for a request, such as `update on leases.coordination.k8s.io`."""
    match path.strip("/").split("/"):
        case ["api", _, *rest]:
            group = ""
        case ["apis", name, _, *rest]:
            group = f".{name}"
        case _:
            rest, group = [], ""
    if len(rest) > 2 and rest[0] == "namespaces":  # noqa: PLR2004 - namespaces, its name, what is in it
        rest = rest[2:]
    verb = _VERBS.get(method, method.lower())
    match rest:
        case []:
            return f"{verb} on {path}"
        case [resource] if method == "GET":
            return f"get, list and watch on {resource}{group}"
        case [resource, _, *below]:
            return f"{verb} on {'/'.join([resource + group, *below])}"
        case [resource]:
            return f"{verb} on {resource}{group}"
    raise AssertionError(rest)
