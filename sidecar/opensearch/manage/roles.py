"""Roles of the security plugin. Who has them is not touched: a mapping that is replaced locks others out."""

from collections.abc import Mapping
from urllib.parse import quote

from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.manage.diff import without
from sidecar.opensearch.manage.kind import Item, Json, Kind, Present
from sidecar.opensearch.manage.server import Feature, Server
from sidecar.opensearch.manage.sharing import Neighbours, told
from sidecar.render.roles import names

_ROLES = "/_plugins/_security/api/roles"
_NAME, _DESCRIPTION = "fluent-sidecar-", "fluent-sidecar: "
_NOT_FOUND = 404
_SERVERS = ("reserved", "hidden", "static")


class Roles(Kind):
    """Roles by name."""

    title = "role"

    def __init__(self, client: Client, wanted: Mapping[str, Json], neighbours: Neighbours) -> None:
        self._client = client
        self._wanted = wanted
        self._neighbours = neighbours

    @property
    def wanted(self) -> Mapping[str, Json]:
        return self._wanted

    def unsupported(self, server: Server) -> str:
        if Feature.SECURITY in server.features:
            return ""
        return "this server has no security plugin, so that everybody may do everything; opensearch.roles has no effect"

    def present(self) -> Mapping[str, Present]:
        answer = self._client.request("GET", _ROLES)
        if not isinstance(answer, Mapping) or not all(isinstance(body, Mapping) for body in answer.values()):
            raise OpenSearchUnavailable(
                f"OpenSearch at {self._client.url}: was asked for roles, answered another thing"
            )
        return {
            name: Present(dict(body), ours)
            for name, body in answer.items()
            if (ours := _ours(name, body)) or name in self._wanted
        }

    def canonical(self, body: Json) -> Json:
        found = without(body, *_SERVERS)
        found["index_permissions"] = [
            {key: value for key, value in one.items() if value} for one in body.get("index_permissions", ())
        ]
        found.setdefault("tenant_permissions", [])
        return found

    def put(self, item: Item) -> str:
        self._client.request("PUT", self._path(item.name), item.body)
        return "" if item.before else "map users or backend roles to it"

    def needed(self, name: str, before: Present) -> str:
        return told(cluster for cluster in self._neighbours() if name not in self._wanted and name in names(cluster))

    def delete(self, name: str, before: Present) -> None:
        try:
            self._client.request("DELETE", self._path(name))
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    @staticmethod
    def _path(name: str) -> str:
        return f"{_ROLES}/{quote(name, safe='')}"


def _ours(name: str, body: Mapping[str, object]) -> bool:
    return name.startswith(_NAME) and str(body.get("description", "")).startswith(_DESCRIPTION)
