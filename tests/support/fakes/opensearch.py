"""A fake OpenSearch: keeps documents and templates in memory, and answers as scripted where a script is given."""

from collections.abc import Callable
from typing import Any

import orjson

from tests.support.fakes.server import Exchange, FakeServer, Request, Script

Json = dict[str, Any]
Judge = Callable[[str, str, Json], tuple[int, Json | None]]


class FakeOpenSearch(FakeServer):
    """Knows _mget, _bulk with `create`, _component_template and _index_template; its searches find nothing.

    Attributes:
        documents: By (index, id).
        components: Component templates by name.
        templates: Index templates by name.
        script: Steps for the next requests, before anything else.
        judge: Tells the status and error of a document that is to be created; 201 and None accept it.
        limit: Bytes of a body above which the answer is 413.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.documents: dict[tuple[str, str], Json] = {}
        self.components: dict[str, Json] = {}
        self.templates: dict[str, Json] = {}
        self.script: list[Script] = []
        self.judge: Judge = lambda _index, _id, _source: (201, None)
        self.limit = 100 * 2**20

    def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if self.script:
            self.script.pop(0)(exchange)
        elif len(request.body) > self.limit:
            exchange.answer(413, b"")
        elif request.path == "/_mget":
            exchange.json({"docs": [self._found(item) for item in orjson.loads(request.body)["docs"]]})
        elif request.path == "/_bulk":
            exchange.json(self._bulk(request))
        elif request.path.endswith("/_search"):
            exchange.json({"hits": {"hits": []}})
        elif request.path.startswith("/_component_template/"):
            self._template(exchange, "component_template", self.components)
        elif request.path.startswith("/_index_template/"):
            self._index_template(exchange)
        else:
            exchange.json({"error": "what?"}, 400)

    def _found(self, item: Json) -> Json:
        key = item["_index"], item["_id"]
        if not any(index == key[0] for index, _ in self.documents):
            error = {"type": "index_not_found_exception", "reason": f"no such index [{key[0]}]"}
            return {"_index": key[0], "_id": key[1], "error": error}
        return {"_index": key[0], "_id": key[1], "found": key in self.documents}

    def _bulk(self, request: Request) -> Json:
        lines = request.body.split(b"\n")
        assert lines.pop() == b"", "a bulk body ends with a line break"
        items = []
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            target = orjson.loads(action)["create"]
            items.append({"create": self._create(target["_index"], target["_id"], orjson.loads(source))})
        return {"errors": any(item["create"]["status"] >= 300 for item in items), "items": items}

    def _create(self, index: str, key: str, source: Json) -> Json:
        if (index, key) in self.documents:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "exists"}}
        status, error = self.judge(index, key, source)
        if error is not None:
            return {"status": status, "error": error}
        self.documents[index, key] = source
        return {"status": status}

    def _index_template(self, exchange: Exchange) -> None:
        request = exchange.request
        missing = [
            name
            for name in (orjson.loads(request.body).get("composed_of", ()) if request.method == "PUT" else ())
            if name not in self.components
        ]
        if missing:
            reason = f"component templates {missing} do not exist"
            exchange.json({"error": {"type": "invalid_index_template_exception", "reason": reason}}, 400)
        else:
            self._template(exchange, "index_template", self.templates)

    def _template(self, exchange: Exchange, kind: str, held: dict[str, Json]) -> None:
        name = exchange.request.path.rpartition("/")[2]
        if exchange.request.method == "PUT":
            held[name] = orjson.loads(exchange.request.body)
            exchange.json({"acknowledged": True})
        elif name in held:
            exchange.json({f"{kind}s": [{"name": name, kind: held[name]}]})
        else:
            exchange.json({"error": {"type": "resource_not_found_exception", "reason": name}}, 404)
