"""A fake API server that has metadata of objects, and answers in PartialObjectMetadata alone."""

import threading
import time
from collections.abc import Callable
from typing import Any

from sidecar.kube.metadata import ITEM, LIST
from tests.support.fakes.kubernetes import status_object
from tests.support.fakes.server import Exchange, FakeServer, Request, Script

Json = dict[str, Any]
Fault = Callable[[Exchange], bool]


def answers(step: Script) -> Fault:
    """A fault: the step instead of the object."""

    def fault(exchange: Exchange) -> bool:
        step(exchange)
        return True

    return fault


def slow(seconds: float) -> Fault:
    """A fault: the object, but late."""

    def fault(_exchange: Exchange) -> bool:
        time.sleep(seconds)
        return False

    return fault


class FakeMetadata(FakeServer):
    """Objects by path, such as `/api/v1/namespaces/shop/pods/web-1`; `fault` answers first, where it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, Json] = {}
        self.fault: Fault = lambda _exchange: False
        self._lock = threading.Lock()

    def add(self, collection: str, name: str, uid: str, **metadata: Any) -> Json:
        """Make an object, or replace the one of that name."""
        namespace = collection.partition("/namespaces/")[2].partition("/")[0]
        place = {"namespace": namespace} if namespace else {}
        made = self.objects[f"{collection}/{name}"] = {"name": name, **place, "uid": uid, **metadata}
        return made

    def handle(self, exchange: Exchange) -> None:
        if self.fault(exchange):
            return
        request = exchange.request
        metadata = self.objects.get(request.path)
        if metadata is not None:
            assert request.headers["accept"] == ITEM
            exchange.json({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
        elif request.headers["accept"] == LIST:
            exchange.json(self._page(request))
        else:
            exchange.json(status_object(404, "not found"), 404)

    def _page(self, request: Request) -> Json:
        names = sorted(path for path in self.objects if path.rpartition("/")[0] == request.path)
        start, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        more = {"continue": str(start + limit)} if start + limit < len(names) else {}
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": "7", **more},
            "items": [{"metadata": self.objects[name]} for name in names[start : start + limit]],
        }

    @property
    def gets(self) -> list[str]:
        """The paths of single objects that were asked for."""
        return [request.path for request in self.requests if request.headers["accept"] == ITEM]

    @property
    def lists(self) -> list[str]:
        """The paths of collections that were asked for, once for each page."""
        return [request.path for request in self.requests if request.headers["accept"] == LIST]
