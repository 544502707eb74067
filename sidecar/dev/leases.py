"""The Leases of one namespace, in memory: as much of their API as an election of a leader takes."""

import itertools
import threading
from typing import Any

import orjson

from sidecar.dev.playback import Refused
from sidecar.dev.recording import Json

NAMESPACE = "default"
"""The one that a kubeconfig means which names none."""


class Leases:
    """By their names; what has another resourceVersion or uid than the stored one is not written. Thread-safe.

    Whoever reads a Lease for the first time finds it there and free, as if it was made when the cluster was set up:
    only an election that knows nothing of a Lease has to wait for those who may have led by one before.
    """

    def __init__(self) -> None:
        self._held: dict[str, Json] = {}
        self._versions = itertools.count(1)
        self._lock = threading.Lock()

    def get(self, name: str) -> Json:
        """The Lease of that name."""
        with self._lock:
            if name not in self._held:
                self._store(name, {"metadata": {}, "spec": {}}, uid=f"lease-{name}")
            return self._held[name]

    def create(self, body: bytes) -> Json:
        """Store a new one.

        Raises:
            Refused: 409, there is one of that name; 400, or it isn't a Lease.
        """
        lease = _read(body)
        name = str(lease["metadata"].get("name", ""))
        with self._lock:
            if name in self._held:
                raise Refused(409, "AlreadyExists", f'leases.coordination.k8s.io "{name}" already exists')
            return self._store(name, lease, uid=f"lease-{name}")

    def update(self, name: str, body: bytes) -> Json:
        """Replace one.

        Raises:
            Refused: 404, there is none; 409, it is not the one that is to be replaced; 400, or it isn't a Lease.
        """
        lease = _read(body)
        with self._lock:
            if name not in self._held:
                raise Refused(404, "NotFound", f'leases.coordination.k8s.io "{name}" not found')
            stored = self._held[name]["metadata"]
            if any(lease["metadata"].get(key, stored[key]) != stored[key] for key in ("uid", "resourceVersion")):
                message = "the object has been modified; please apply your changes to the latest version and try again"
                raise Refused(409, "Conflict", message)
            return self._store(name, lease, uid=stored["uid"])

    def _store(self, name: str, lease: Json, *, uid: str) -> Json:
        named = {"namespace": NAMESPACE, "name": name, "uid": uid, "resourceVersion": str(next(self._versions))}
        kind = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1"}
        self._held[name] = lease | kind | {"metadata": lease["metadata"] | named}
        return self._held[name]


def _read(body: bytes) -> Json:
    try:
        lease: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        lease = None
    if not (isinstance(lease, dict) and isinstance(lease.get("metadata"), dict)):
        raise Refused(400, "BadRequest", "the body is not a Lease")
    return lease
