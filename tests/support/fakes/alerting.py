"""The alerting and the notifications plugin, over HTTP, as their sources have them.

A monitor is given back with what a server fills in: ids, times, defaults of its search, and a set in another order. Its
`ui_metadata` is shown to OpenSearch Dashboards alone. Before the first monitor there is no index of them, to which
releases before 3.2 say 404.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import unquote

import orjson

from tests.support.fakes.server import Exchange, FakeServer, Script

Json = dict[str, Any]

MONITORS, CONFIGS = "/_plugins/_alerting/monitors", "/_plugins/_notifications/configs"
_ADDED: dict[str, Json] = {
    "terms": {"shard_min_doc_count": 0, "show_term_doc_count_error": False},
    "multi_terms": {"shard_min_doc_count": 0, "show_term_doc_count_error": False},
    "top_hits": {"version": False, "seq_no_primary_term": False, "explain": False},
    "cardinality": {"execution_hint": None},
}
"""What a search's parts get; the last as a later version might."""
_KINDS = {"slack", "chime", "webhook", "microsoft_teams", "sns", "email"}
_SORTED_BY = {"created_time_ms", "last_updated_time_ms", "name", "config_type"}
"""Of what the notifications plugin sorts by."""


class Alerting:
    """Answers the plugins' paths, of a server that has them.

    Attributes:
        monitors: By id: the monitor as it was sent, and its sequence number.
        channels: By id, as they were sent.
        script: Steps for the next requests, before anything else.
        old: Whether it is of a release before 3.2.
    """

    def __init__(self) -> None:
        self.old = True
        self.monitors: dict[str, tuple[Json, int]] = {}
        self.channels: dict[str, Json] = {}
        self.script: list[Script] = []
        self._count = 0

    def answers(self, exchange: Exchange) -> bool:
        """Answer a request, if it is one for a plugin."""
        path, method = exchange.request.path, exchange.request.method
        if not path.startswith((MONITORS, CONFIGS)):
            return False
        if self.script:
            self.script.pop(0)(exchange)
            return True
        head = MONITORS if path.startswith(MONITORS) else CONFIGS
        key = unquote(path.removeprefix(head).removeprefix("/"))
        body = orjson.loads(exchange.request.body) if exchange.request.body else {}
        if head == CONFIGS:
            self._channel(exchange, method, key, body)
        elif key == "_search":
            self._search(exchange, orjson.loads(exchange.request.query["source"]))
        else:
            self._monitor(exchange, method, key, body)
        return True

    def named(self, name: str) -> list[Json]:
        """The monitors of a name."""
        return [body for body, _ in self.monitors.values() if body["name"] == name]

    def _search(self, exchange: Exchange, body: Json) -> None:
        if self.old and not self._count:
            index = "[.opendistro-alerting-config]"
            exchange.json(_error("alerting_exception", f"Configured indices are not found: {index}"), 404)
            return
        hidden = set() if "OpenSearch-Dashboards" in exchange.request.headers.get("user-agent", "") else {"ui_metadata"}
        words = body["query"]["match_phrase"]["monitor.name"].split()
        hits = [
            {"_id": key, "_seq_no": number, "_primary_term": 1, "_source": _shown(monitor, number, hidden)}
            for key, (monitor, number) in self.monitors.items()
            if words[0] in monitor["name"]
        ]
        exchange.json({"hits": {"total": {"value": len(hits)}, "hits": hits[: body["size"]]}})

    def _monitor(self, exchange: Exchange, method: str, key: str, body: Json) -> None:
        query = exchange.request.query
        self._count += 1
        if method == "POST":
            key = f"generated-{self._count}"
            self.monitors[key] = body, self._count
            exchange.json({"_id": key, "monitor": _shown(body, self._count)}, 201)
        elif key not in self.monitors:
            exchange.json(_error("alerting_exception", f"Monitor with {key} is not found"), 404)
        elif method == "DELETE":
            del self.monitors[key]
            exchange.json({"_id": key})
        elif query.get("if_seq_no") not in {None, str(self.monitors[key][1])}:
            exchange.json(_error("version_conflict_engine_exception", "required seqNo"), 409)
        else:
            self.monitors[key] = body, self._count
            exchange.json({"_id": key, "monitor": _shown(body, self._count)})

    def _channel(self, exchange: Exchange, method: str, key: str, body: Json) -> None:
        if method == "GET" and (field := exchange.request.query["sort_field"]) not in _SORTED_BY:
            exchange.json(_error("status_exception", f"Sort on {field} not acceptable"), 406)
            return
        if method == "GET":
            entries = [
                {"config_id": name, "last_updated_time_ms": 2, "created_time_ms": 1, "config": config}
                for name, config in sorted(self.channels.items())
            ]
            begin, most = int(exchange.request.query["from_index"]), int(exchange.request.query["max_items"])
            shown = entries[begin : begin + most]
            exchange.json({"start_index": begin, "total_hits": len(entries), "config_list": shown})
            return
        config, name = body.get("config", {}), str(key or body.get("config_id"))
        kind = config.get("config_type")
        if method == "DELETE":
            there = self.channels.pop(key, None)
            exchange.json({"delete_response_list": {key: "OK"}}, 200 if there else 404)
        elif kind not in _KINDS or kind not in config:
            exchange.json(_error("illegal_argument_exception", "ConfigType and data don't match"), 400)
        elif method == "POST" and name in self.channels:
            exchange.json(_error("version_conflict_engine_exception", "document already exists"), 409)
        elif method == "PUT" and name not in self.channels:
            exchange.json(_error("status_exception", f"NotificationConfig {name} not found"), 404)
        elif method == "PUT" and self.channels[name]["config_type"] != kind:
            exchange.json(_error("status_exception", "Config type cannot be changed after creation"), 409)
        else:
            self.channels[name] = config
            exchange.json({"config_id": name})


class FakeAlerting(FakeServer):
    """A server that has both plugins, and nothing else."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.alerting = Alerting()

    def handle(self, exchange: Exchange) -> None:
        if not self.alerting.answers(exchange):
            exchange.json(_error("what", "what?"), 400)


def _error(kind: str, reason: str) -> Json:
    return {"error": {"type": kind, "reason": reason}}


def _shown(monitor: Json, number: int, hidden: Collection[str] = ()) -> Json:
    """A monitor as it is given back."""
    added = {
        "schema_version": 8,
        "enabled_time": 1_795_000_000_000 if monitor["enabled"] else None,
        "last_update_time": 1_795_000_000_000 + number,
        "owner": "alerting",
        "data_sources": {"query_index": ".opensearch-alerting-queries"},
        "delete_query_index_in_every_run": False,
    }
    shown: Json = filled(monitor)
    return {key: value for key, value in shown.items() if key not in hidden} | added


def filled(value: Any, key: str = "") -> Any:
    """A part of a monitor with what a server fills in."""
    if isinstance(value, list):
        items = [filled(item) for item in value]
        return items[::-1] if key == "actionable_alerts" else items
    if not isinstance(value, dict):
        return value
    found = {name: filled(item, name) for name, item in reversed(value.items())}
    # In a query `terms` has a field's name as its key, in an aggregation the key `field`.
    return found | _ADDED.get(key, {}) if key != "terms" or "field" in found else found
