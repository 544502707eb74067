"""A fake of the leases API: in memory, with the conflicts of the real one.

`Leases` answers requests as values; `ServesLeases` puts it before any other fake server:

    class Fake(ServesLeases, FakeKubernetes): ...
"""

import copy
import re
import threading
from typing import Any

import orjson

from tests.support.fakes.server import Exchange, FakeServer

Json = dict[str, Any]
Answer = tuple[int, Json]
_PATH = re.compile(r"/apis/coordination\.k8s\.io/v1/namespaces/([^/]+)/leases(?:/([^/]+))?")


class Leases:
    """The Leases of a cluster; threads may share it.

    Attributes:
        held: By (namespace, name).
        namespaces: Those that there are; None is any.
        verbs: What is allowed: get, create, update, delete.
        writes: How many changed something.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Json] = {}
        self.namespaces: set[str] | None = None
        self.verbs = {"get", "create", "update", "delete"}
        self.writes = 0
        self._version = 100
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, body: Any = None) -> Answer | None:
        """The status and the object or Status in answer to a request; None if the path is of no Lease."""
        if not (match := _PATH.fullmatch(path)):
            return None
        namespace, name = match.groups()
        verb = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}.get(method, "")
        with self._lock:
            if verb not in self.verbs:
                return _refused(403, f'User "test" cannot {verb or method} resource "leases"')
            if (verb == "create") is (name is not None):
                return _refused(405, "the server does not allow this method on the requested resource")
            return self._do(verb, (namespace, name or _metadata(body)["name"]), copy.deepcopy(body))

    def _do(self, verb: str, key: tuple[str, str], body: Any) -> Answer:
        found = self.held.get(key)
        if verb == "create" or (verb == "update" and found is None and not _metadata(body).get("uid")):
            if found is not None:
                return _refused(409, f'leases.coordination.k8s.io "{key[1]}" already exists')
            if self.namespaces is not None and key[0] not in self.namespaces:
                return _refused(404, f'namespaces "{key[0]}" not found')
            return 201, self._store(key, body, uid=f"uid-{self._version}")
        if verb == "update":
            return self._update(key, found, body)
        if found is None:
            return _refused(404, f'leases.coordination.k8s.io "{key[1]}" not found')
        if verb == "delete":
            del self.held[key]
            self.writes += 1
        return 200, copy.deepcopy(found)

    def _update(self, key: tuple[str, str], found: Json | None, body: Json) -> Answer:
        """A uid or a resourceVersion that is named must be the stored one; what changes nothing keeps its version."""
        theirs, stored = _metadata(body), _metadata(found or {})
        if any(theirs.get(name) not in {None, "", stored.get(name)} for name in ("uid", "resourceVersion")):
            return _refused(409, f'Operation cannot be fulfilled on leases.coordination.k8s.io "{key[1]}"')
        if found == body:
            return 200, copy.deepcopy(body)
        return 200, self._store(key, body, uid=stored["uid"])

    def _store(self, key: tuple[str, str], body: Json, *, uid: str) -> Json:
        self._version += 1
        self.writes += 1
        named = {"namespace": key[0], "name": key[1], "uid": uid, "resourceVersion": str(self._version)}
        self.held[key] = body | {"metadata": _metadata(body) | named}
        return copy.deepcopy(self.held[key])


class ServesLeases(FakeServer):
    """Answers requests for Leases from `leases`, and hands all others on."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.leases = Leases()

    def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        answer = self.leases.answer(request.method, request.path, orjson.loads(request.body or b"null"))
        if answer is None:
            super().handle(exchange)
        else:
            exchange.json(answer[1], answer[0])


def _metadata(item: Json) -> Json:
    metadata: Json = item.get("metadata") or {}
    return metadata


def _refused(code: int, message: str) -> Answer:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
