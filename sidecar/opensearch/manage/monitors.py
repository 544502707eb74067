"""Monitors, for the alerting plugin.

Their ids are the server's, and names need not be unique: ours are found by their names, and of two with one name none
is touched. What the server gives back has its defaults filled in, which differ by version; so it is compared as far as
it says what is wanted, and by the mark that a monitor carries: an edit in OpenSearch Dashboards removes it. The plugin
shows the mark to nobody else than OpenSearch Dashboards, by the name that a request gives itself.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sidecar import __version__
from sidecar.config import Config
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.manage.alike import alike
from sidecar.opensearch.manage.kind import Item, Json, Kind, Present
from sidecar.opensearch.manage.server import Feature, Server
from sidecar.render.alerts import MARK, monitors, name_prefix

_PATH = "/_plugins/_alerting/monitors"
_MOST = 1000
"""As many monitors as the plugin allows."""
_NOT_FOUND = 404
_METADATA = "ui_metadata"
_WITH_METADATA = {"user-agent": f"fluent-sidecar/{__version__} (for ui_metadata, as OpenSearch-Dashboards)"}
_NONE_YET = "Configured indices are not found"
"""What releases before 3.2 answer where nobody has made a monitor yet."""


@dataclass(frozen=True)
class Handle:
    """What changing a monitor needs, and all of it for a backup."""

    id: str
    seq_no: int
    primary_term: int
    whole: Json


class Monitors(Kind):
    """See the module. Names are those of the monitors, `fluent-sidecar CLUSTER: what it alerts on`."""

    title = "monitor"
    brief = True  # 2,000 lines, and `sidecar render-config` has them

    def __init__(self, config: Config, client: Client) -> None:
        self._client = client
        self._prefix = name_prefix(config.cluster)
        self._wanted = {str(body["name"]): body for body in monitors(config).values()}
        self._ids: dict[str, list[str]] = {}

    @property
    def wanted(self) -> Mapping[str, Json]:
        """By name."""
        return self._wanted

    def present(self) -> Mapping[str, Present]:
        """All whose names begin as ours do; of several with one name the first."""
        self._ids = {}
        found: dict[str, Present] = {}
        for handle in self._handles():
            name = str(handle.whole.get("name", ""))
            self._ids.setdefault(name, []).append(handle.id)
            if name not in found:
                found[name] = self._present(name, handle)
        return found

    def canonical(self, body: Json) -> Json:
        """What is wanted says all; of what is there `present` has left as much."""
        return body

    def put(self, item: Item) -> str:
        """Create one, or replace it by its sequence number."""
        if item.before is None:
            self._client.request("POST", _PATH, item.body)
            return ""
        handle: Handle = item.before.handle
        params = {"if_seq_no": handle.seq_no, "if_primary_term": handle.primary_term}
        self._client.request("PUT", f"{_PATH}/{quote(handle.id, safe='')}", item.body, params=params)
        return ""

    def delete(self, name: str, before: Present) -> None:
        """Delete one; of several with one name none, for somebody else may have made it."""
        if problem := self.obstacle(name):
            raise OpenSearchError(f"monitor {name}: {problem}")
        try:
            self._client.request("DELETE", f"{_PATH}/{quote(before.handle.id, safe='')}")
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    def unsupported(self, server: Server) -> str:
        """Without the plugin."""
        if Feature.ALERTING in server.features:
            return ""
        return (
            "the server lacks the alerting plugin: nothing is alerted on; the sidecar's metrics can be, in Prometheus"
        )

    def obstacle(self, name: str) -> str:
        """Another monitor of the same name."""
        ids = self._ids.get(name, [])
        if len(ids) <= 1:
            return ""
        return f"there are {len(ids)} monitors of this name; delete all but one: {', '.join(ids)}"

    def kept(self, before: Present) -> Json:
        """All of it."""
        handle: Handle = before.handle
        return handle.whole

    def _present(self, name: str, handle: Handle) -> Present:
        wanted = self._wanted.get(name)
        if wanted is None:
            return Present(handle.whole, ours=True, handle=handle)
        body = alike(handle.whole, wanted)
        if _METADATA not in handle.whole:  # a proxy gave the request another name, or it was never there
            body = {key: wanted[key] if key == _METADATA else body[key] for key in wanted if key in {*body, _METADATA}}
            return Present(body, ours=True, handle=handle)
        hash_there, hash_wanted = _hash(handle.whole), _hash(wanted)
        edited: bool | None = None  # an older version's can't be told
        if not hash_there:
            edited = True
        elif hash_there == hash_wanted:
            edited = body != wanted
        return Present(body, ours=True, edited=edited, handle=handle)

    def _handles(self) -> Iterator[Handle]:
        search = {"size": _MOST, "query": {"match_phrase": {"monitor.name": self._prefix}}}
        # In the address: a GET with a body is more than some proxies let through.
        params = {"source": json.dumps(search), "source_content_type": "application/json"}
        try:
            answer = self._client.request("GET", f"{_PATH}/_search", params=params, headers=_WITH_METADATA)
        except RefusedError as error:
            if error.status == _NOT_FOUND and _NONE_YET in error.what:
                return
            raise
        try:
            hits = answer["hits"]["hits"]
            for hit in hits:
                source = hit["_source"]
                whole = source.get("monitor", source)
                if str(whole.get("name", "")).startswith(self._prefix):
                    yield Handle(str(hit["_id"]), int(hit["_seq_no"]), int(hit["_primary_term"]), whole)
        except (LookupError, TypeError, AttributeError, ValueError):
            raise OpenSearchUnavailable(
                f"OpenSearch at {self._client.url}: was asked for monitors, answered another thing"
            ) from None


def _hash(monitor: Mapping[str, Any]) -> str:
    metadata = monitor.get(_METADATA)
    mark = metadata.get(MARK) if isinstance(metadata, Mapping) else None
    return str(mark.get("hash", "")) if isinstance(mark, Mapping) else ""
