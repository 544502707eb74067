from typing import Any

import orjson
import pytest

from sidecar.errors import KubernetesError, ResourceConflict, ResourceExpired, ResourceMissing
from sidecar.kube.status import status_error

LEASES = "/apis/coordination.k8s.io/v1/namespaces/x/leases"


def error_of(status: int, body: Any = b"{}", path: str = "/api/v1/events", method: str = "GET") -> KubernetesError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return status_error(status, data, where="w", path=path, method=method)


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/api/v1/events", "get, list and watch on events"),
        ("GET", "/api/v1/namespaces/x/events", "get, list and watch on events"),
        ("GET", "/api/v1/namespaces", "get, list and watch on namespaces"),
        ("GET", "/api/v1/namespaces/x", "get on namespaces"),
        ("GET", "/api/v1/nodes/y/status", "get on nodes/status"),
        ("GET", "/apis/apps/v1/namespaces/x/replicasets/y", "get on replicasets.apps"),
        ("GET", f"{LEASES}/y", "get on leases.coordination.k8s.io"),
        ("POST", LEASES, "create on leases.coordination.k8s.io"),
        ("PUT", f"{LEASES}/y", "update on leases.coordination.k8s.io"),
        ("PATCH", f"{LEASES}/y", "patch on leases.coordination.k8s.io"),
        ("DELETE", f"{LEASES}/y", "delete on leases.coordination.k8s.io"),
        ("GET", "/version", "get on /version"),
        ("GET", "/api/v1", "get on /api/v1"),
        ("GET", "/", "get on /"),
    ],
)
def test_a_refusal_names_the_right_that_is_missing(method: str, path: str, right: str) -> None:
    assert error_of(403, path=path, method=method).hint == f"grant {right} to this user or service account"


def test_absence_conflict_and_expiry_are_told_apart() -> None:
    assert type(error_of(404)) is ResourceMissing
    assert type(error_of(409)) is ResourceConflict
    assert type(error_of(410)) is ResourceExpired


@pytest.mark.parametrize(
    ("metadata", "token"),
    [
        ({"continue": "abc=="}, "abc=="),
        ({}, ""),
        ({"continue": None}, ""),
        ({"continue": 5}, ""),
        (None, ""),
        ("x", ""),
    ],
)
def test_an_expired_list_has_the_token_to_go_on_by(metadata: Any, token: str) -> None:
    error = error_of(410, {"kind": "Status", "metadata": metadata, "message": None})
    assert isinstance(error, ResourceExpired)
    assert error.token == token
    assert "None" not in str(error)


def test_only_a_status_object_is_believed() -> None:
    error = error_of(410, {"kind": "List", "metadata": {"continue": "a"}, "message": "secret"})
    assert isinstance(error, ResourceExpired)
    assert (error.token, str(error)) == ("", "w: 410 for /api/v1/events")
    assert type(error_of(200)) is KubernetesError
