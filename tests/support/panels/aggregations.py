"""The `aggs` of a visualization -> those of a search, as OpenSearch Dashboards nests them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

METRICS = frozenset({"count", "cardinality", "max", "min", "avg", "sum", "top_hits"})
BUCKETS = frozenset({"date_histogram", "terms", "filters"})
_ORDERS = METRICS - {"top_hits"}
"""By what terms may be ordered."""


def nested(aggregations: Sequence[Json], fields: set[str], kind: str) -> Json:
    """The aggregations, each bucket within the one before, the metrics in the innermost.

    Args:
        aggregations: Of a visualization.
        fields: Gets the fields that they name.
        kind: Type of the visualization; a pie has its metric at every level.
    """
    enabled = [one for one in aggregations if one["enabled"]]
    for one in enabled:
        assert one["type"] in METRICS | BUCKETS, f"an aggregation of the type {one['type']}"
    metrics = {one["id"]: one for one in enabled if one["type"] in METRICS}
    leaves = _metrics(metrics.values(), fields)
    found: Json = leaves
    for one in reversed([one for one in enabled if one["type"] in BUCKETS]):
        inner = {**found, **(leaves if kind == "pie" else {})}
        found = {one["id"]: _bucket(one, metrics, inner, fields)}
    return found


def _metrics(metrics: Any, fields: set[str]) -> Json:
    return {one["id"]: _metric(one, fields) for one in metrics if one["type"] != "count"}


def _metric(one: Json, fields: set[str]) -> Json:
    params = one["params"]
    fields.add(params["field"])
    body: Json = {"field": params["field"]}
    if one["type"] == "top_hits":
        fields.add(params["sortField"])
        body = {
            "_source": params["field"],
            "size": params["size"],
            "sort": [{params["sortField"]: {"order": params["sortOrder"]}}],
        }
    if params.get("json"):
        body = _combined(body, json.loads(params["json"]))
        fields |= set(re.findall(r"doc\['([^']+)'\]", json.dumps(body)))
    return {one["type"]: body}


def _bucket(one: Json, metrics: Mapping[str, Json], inner: Json, fields: set[str]) -> Json:
    params = one["params"]
    if one["type"] == "filters":
        queries = {}
        for each in params["filters"]:
            query, language = each["input"]["query"], each["input"]["language"]
            assert language == "lucene", f"a query of the language {language}"
            fields |= set(re.findall(r"([\w@.]+):", query))
            queries[each["label"]] = {"bool": {"must": [{"query_string": {"query": query, "analyze_wildcard": True}}]}}
        return _with({"filters": {"filters": queries}}, inner)
    fields.add(params["field"])
    if one["type"] == "date_histogram":
        # "auto" is made from the length of the time range; any will do.
        interval = (
            {"fixed_interval": "10m"} if params["interval"] == "auto" else {"fixed_interval": f"1{params['interval']}"}
        )
        body = {"field": params["field"], **interval, "time_zone": "UTC", "min_doc_count": params["min_doc_count"]}
        return _with({"date_histogram": body}, inner)
    order = params["orderBy"]
    metric = metrics.get(order)
    assert metric or order in {"_key", "_count"}, f"terms are ordered by {order}, which is no metric"
    inner = dict(inner)
    if metric and metric["type"] != "count":
        assert metric["type"] in _ORDERS, f"terms can't be ordered by {metric['type']}"
        inner[order] = _metric(metric, fields)
        by = order
    else:
        by = "_count" if metric else order
    body = {"field": params["field"], "order": {by: params["order"]}, "size": params["size"]}
    if params["missingBucket"]:
        body["missing"] = "__missing__"
    return _with({"terms": body}, inner)


def _with(body: Json, inner: Json) -> Json:
    return {**body, "aggs": inner} if inner else body


def _combined(one: Json, other: Json) -> Json:
    """As the JSON input of an aggregation is put in: null takes a key out."""
    found = dict(one)
    for key, value in other.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = _combined(found[key], value)
        else:
            found[key] = value
    return found
