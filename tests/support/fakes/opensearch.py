"""A fake OpenSearch: keeps documents and templates in memory, and answers as scripted where a script is given."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

import orjson

from tests.support.fakes.alerting import Alerting
from tests.support.fakes.ism import BASE as ISM
from tests.support.fakes.ism import FakeIsm
from tests.support.fakes.server import Exchange, FakeServer, Request, Script

Json = dict[str, Any]
_ROLES = "/_plugins/_security/api/roles"
Judge = Callable[[str, str, Json], tuple[int, Json | None]]


class FakeOpenSearch(FakeServer):
    """Knows _mget, _bulk with `create`, templates, roles and policies; its searches find nothing.

    Attributes:
        documents: By (index, id).
        components: Component templates by name.
        templates: Index templates by name.
        roles: Roles of the security plugin by name.
        ism: The index-management plugin.
        alerting: The alerting and the notifications plugin.
        root: What GET of the root answers.
        plugins: Which plugins there are.
        script: Steps for the next requests, before anything else.
        judge: Tells the status and error of a document that is to be created; 201 and None accept it.
        limit: Bytes of a body above which the answer is 413.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.documents: dict[tuple[str, str], Json] = {}
        self.components: dict[str, Json] = {}
        self.templates: dict[str, Json] = {}
        self.roles: dict[str, Json] = {"all_access": {"reserved": True, "hidden": False, "static": True}}
        self.ism = FakeIsm()
        self.alerting = Alerting()
        self.root: Any = {
            "version": {"distribution": "opensearch", "number": "2.19.4"},
            "tagline": "The OpenSearch Project: https://opensearch.org/",
        }
        self.plugins = [f"opensearch-{name}" for name in ("index-management", "security", "alerting", "notifications")]
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
        elif request.path.endswith("/_search") and not request.path.startswith("/_plugins/"):
            exchange.json({"hits": {"hits": []}})
        else:
            self._manage(exchange)

    def _manage(self, exchange: Exchange) -> None:
        """What is asked about the server itself, and about what it keeps."""
        request = exchange.request
        if request.path.startswith("/_component_template/"):
            self._component_template(exchange)
        elif request.path.startswith("/_index_template"):
            self._index_template(exchange)
        elif request.path == "/":
            exchange.json(self.root)
        elif "opensearch-alerting" in self.plugins and self.alerting.answers(exchange):
            pass
        elif request.path == "/_cat/plugins":
            exchange.json([{"component": name} for name in self.plugins])
        elif request.path.startswith(ISM) and "opensearch-index-management" in self.plugins:
            self.ism.handle(exchange)
        elif request.path.startswith(_ROLES) and "opensearch-security" in self.plugins:
            self._role(exchange)
        else:
            exchange.json({"error": f"no handler found for uri [{request.path}] and method [{request.method}]"}, 400)

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

    def _component_template(self, exchange: Exchange) -> None:
        name = exchange.request.path.rpartition("/")[2]
        users = [user for user, body in self.templates.items() if name in body.get("composed_of", ())]
        if exchange.request.method == "DELETE" and users:
            reason = f"component templates [{name}] cannot be removed as they are still in use by {users}"
            exchange.json({"error": {"type": "illegal_argument_exception", "reason": reason}}, 400)
        else:
            self._template(exchange, "component_template", self.components)

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
        request, name = exchange.request, unquote(exchange.request.path.removeprefix(f"/_{kind}").removeprefix("/"))
        if request.method == "PUT":
            held[name] = as_kept(orjson.loads(request.body))
            exchange.json({"acknowledged": True})
        elif request.method == "DELETE":
            found = held.pop(name, None)
            exchange.json({"acknowledged": bool(found)}, 200 if found else 404)
        else:
            listed = [{"name": one, kind: body} for one, body in held.items() if fnmatchcase(one, name or "*")]
            filtered = "filter_path" in request.query and not listed
            exchange.json({} if filtered else {f"{kind}s": listed}, 200 if listed or "*" in (name or "*") else 404)

    def _role(self, exchange: Exchange) -> None:
        request, name = exchange.request, exchange.request.path.removeprefix(_ROLES).removeprefix("/")
        if request.method == "PUT":
            added = {"reserved": False, "hidden": False, "static": False}
            self.roles[name] = added | orjson.loads(request.body)
            exchange.json({"status": "CREATED", "message": f"'{name}' created."}, 201)
        elif request.method == "DELETE":
            found = self.roles.pop(name, None)
            exchange.json({"status": "OK" if found else "NOT_FOUND"}, 200 if found else 404)
        else:
            exchange.json(self.roles)


def as_kept(body: Json) -> Json:
    """A template as the server keeps it: the values of its settings are text."""
    if "settings" not in body.get("template", {}):
        return body
    return {**body, "template": {**body["template"], "settings": _text(body["template"]["settings"])}}


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _text(inner) for key, inner in value.items()}
    return str(value).lower() if isinstance(value, bool) else str(value)
