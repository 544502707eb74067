"""A fake OpenSearch of its own process that keeps nothing but ids: `store FOLDER`, until its stdin ends.

It takes what Fluent Bit and the sidecar create, and finds it again by id.
"""

import sys
from pathlib import Path
from typing import Any

import orjson

from tests.support.bench.cluster import Nowhere, tell_url
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import Exchange, Request


class Store(FakeOpenSearch):
    """Keeps a number for each (index, id)."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Nowhere()
        self._known: set[int] = set()

    def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.path == "/_mget":
            keys = ((item["_index"], item["_id"]) for item in orjson.loads(request.body)["docs"])
            exchange.json({"docs": [{"found": hash(key) in self._known} for key in keys]})
        else:
            super().handle(exchange)

    def _bulk(self, request: Request) -> dict[str, Any]:
        items = []
        for action in request.body.split(b"\n")[:-1:2]:
            target = orjson.loads(action)["create"]
            key = hash((target["_index"], target["_id"]))
            items.append({"create": {"status": 409 if key in self._known else 201}})
            self._known.add(key)
        return {"errors": any(item["create"]["status"] > 201 for item in items), "items": items}


if __name__ == "__main__":
    with Store() as store:
        tell_url(Path(sys.argv[1]), store.url)
        sys.stdin.read()
