"""Both servers as `sidecar doctor` asks them: well, unless a test says otherwise."""

from typing import Any

import orjson

from sidecar.config import Config
from sidecar.render.templates import templates
from tests.support.fakes.leases import ServesLeases
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import Exchange, FakeServer, Script, says

Json = dict[str, Any]

FORBIDDEN = 403
_PLUGINS = ("opensearch-index-management", "opensearch-alerting", "opensearch-notifications", "opensearch-security")


class FakeHealthy(FakeOpenSearch):
    """An OpenSearch that is well, without plugins, and with every template of a configuration.

    Attributes:
        answers: Steps by method and path, before anything else.
    """

    def __init__(self, config: Config, **options: Any) -> None:
        super().__init__(**options)
        found = templates(config)
        self.components |= found.components
        self.templates |= found.indices
        self._wanted = found
        self.answers: dict[str, Script] = {
            "GET /": says(200, {"version": {"distribution": "opensearch", "number": f"{config.opensearch.version}.0"}}),
            "GET /_cat/plugins": says(200, []),
            "GET /_cluster/health": says(200, health()),
            "GET /_cluster/settings": says(200, {"defaults": {"cluster": {"max_shards_per_node": "1000"}}}),
            "GET /_cat/allocation": says(200, [{"node": "a", "disk.percent": "40"}, {"node": "UNASSIGNED"}]),
        }

    def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if step := self.answers.get(f"{request.method} {request.path}"):
            step(exchange)
        elif request.path.endswith("/_settings/index.blocks.*"):
            exchange.json({})
        elif request.path.startswith("/_index_template/_simulate_index/"):
            exchange.json(self._simulated(request.path.rpartition("/")[2]))
        elif request.path.rstrip("/") in {"/_index_template", "/_component_template"} or request.path.endswith("*"):
            self._listed(exchange)
        elif request.method == "DELETE":
            self._deleted(exchange)
        else:
            super().handle(exchange)

    def _simulated(self, index: str) -> Json:
        for body in self.templates.values():
            if any(index.startswith(pattern.rstrip("*")) for pattern in body["index_patterns"]):
                parts = [self.components[name]["template"] for name in body.get("composed_of", ())]
                mappings: Json = next((part["mappings"] for part in parts if "mappings" in part), {})
                return {"template": {"mappings": {**mappings, "dynamic": "false"} if mappings else {}}}
        return {"template": {"mappings": {}}, "overlapping": []}

    def _listed(self, exchange: Exchange) -> None:
        kind = "component_template" if exchange.request.path.startswith("/_component") else "index_template"
        held = self.components if kind == "component_template" else self.templates
        exchange.json({f"{kind}s": [{"name": name, kind: body} for name, body in held.items()]})

    def _deleted(self, exchange: Exchange) -> None:
        index, _, key = exchange.request.path.strip("/").partition("/_doc/")
        gone = [found for found in self.documents if found[0] == index and key in {"", found[1]}]
        for found in gone:
            del self.documents[found]
        exchange.json({"acknowledged": True}, 200 if gone else 404)


class FakeCluster(ServesLeases, FakeServer):
    """An API server that allows everything but what is in `denied`, such as `list events`.

    Attributes:
        script: What answers every request, if anything does.
        denied: Verbs and resources that are not allowed.
        asked: The attributes of every review.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.script: Script | None = None
        self.denied: set[str] = set()
        self.asked: list[Json] = []

    def handle(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if self.script:
            self.script(exchange)
        elif path == "/version":
            exchange.json({"major": "1", "minor": "31", "gitVersion": "v1.31.2"})
        elif path.endswith("/selfsubjectreviews"):
            exchange.json({"status": {"userInfo": {"username": "system:serviceaccount:logging:sidecar"}}}, 201)
        elif path.endswith("/selfsubjectaccessreviews"):
            attributes = orjson.loads(exchange.request.body)["spec"]["resourceAttributes"]
            self.asked.append(attributes)
            denied = f"{attributes['verb']} {attributes['resource']}" in self.denied
            exchange.json({"status": {"allowed": not denied}}, 201)
        else:
            super().handle(exchange)


def health(**more: Any) -> Json:
    """The answer to `_cluster/health` of a small cluster that is well."""
    return {
        "status": "green",
        "number_of_data_nodes": 1,
        "active_shards": 100,
        "initializing_shards": 0,
        "unassigned_shards": 0,
        **more,
    }


def forbidden(permission: str) -> Script:
    """A step: the security plugin's refusal."""
    reason = f"no permissions for [{permission}] and User [name=writer]"
    return says(FORBIDDEN, {"error": {"type": "security_exception", "reason": reason}})
