"""What OpenSearch is asked: bodies for its search API, which count and never fetch lines. Pure.

What is counted by is asked for as `<field>.keyword`: the project's own indices answer to that, and so do those that a
server mapped by itself. All of it is in every version from 2.11 on: terms, date_histogram, filter, missing, max,
top_hits.
"""

from typing import Any

from sidecar.reading.selection import Selection, event_query, log_query, matching
from sidecar.reading.window import Window, iso
from sidecar.render import fields
from sidecar.report.buckets import Axis

Json = dict[str, Any]

NAMESPACES, REASONS = 200, 40
KINDS, NAMES = 10, 400
"""How many of each the server may answer with; what is beyond is counted with the others."""
GAPS = 100
NEWEST = 500
"""So many of the newest lines say how long they waited."""
ERRORS = ("error", "fatal")
"""Severities that count as errors."""


def events(wanted: Selection, when: Window, axis: Axis) -> Json:
    """Events by time, and warnings by namespace and reason."""
    warnings = {"filter": {"term": {"type.keyword": "Warning"}}}
    reasons = _terms("reason", REASONS) | {"aggs": {"newest": _newest(), "example": _example("message")}}
    return _counts(
        event_query(wanted, when, gaps=False),
        {
            "time": _histogram(axis) | {"aggs": {"warnings": warnings}},
            "warnings": warnings
            | {
                "aggs": {
                    "namespaces": _terms("involvedObject.namespace", NAMESPACES, missing="")
                    | {"aggs": {"reasons": reasons}}
                }
            },
        },
    )


def gaps(cluster: str, when: Window) -> Json:
    """The documents of gaps that reach into the window. A gap is one of the whole cluster."""
    touching = [matching(fields.CLUSTER, cluster), matching("kind", fields.GAP)]
    touching += [{"range": {"gap.from": {"lt": iso(when.until)}}}] if when.until else []
    touching += [{"range": {"gap.to": {"gte": iso(when.since)}}}] if when.since else []
    order = {"gap.from": {"order": "desc", "unmapped_type": "date"}}
    return {"query": {"bool": {"filter": touching}}, "size": GAPS, "sort": [order], "_source": ["gap"]}


def logs(wanted: Selection, when: Window, axis: Axis) -> Json:
    """Lines of pods, and of systemd, by time and by who wrote them."""
    names = _terms("workload.name", NAMES) | _with_errors()
    kinds = _terms("workload.kind", KINDS) | {"aggs": {"names": names}}
    containers = _terms("kubernetes.container_name", NAMES) | _with_errors()
    namespace = _terms("kubernetes.namespace_name", NAMESPACES)
    return _counts(
        log_query(wanted, when),
        {
            "time": _histogram(axis) | _with_errors(),
            "workloads": namespace | {"aggs": {"kinds": kinds}},
            "unknown": _missing("workload.name")
            | {
                "aggs": {
                    "namespaces": namespace | {"aggs": {"containers": containers}},
                    "units": _terms("systemd.unit", NAMES) | _with_errors(),
                }
            },
        },
    )


def control_plane(cluster: str, when: Window, axis: Axis) -> Json:
    """Lines of the control plane, by time and component."""
    return _counts(
        _of(cluster, when),
        {"time": _histogram(axis) | _with_errors(), "components": _terms("component", NAMES) | _with_errors()},
    )


def newest(cluster: str) -> Json:
    """The newest document of each index, of all times."""
    index = {"terms": {"field": "_index", "size": 10_000}, "aggs": {"newest": _newest()}}
    return _counts(_of(cluster, Window()), {"index": index})


def letters(cluster: str, when: Window) -> Json:
    """Refused documents by error and index. Of which namespace they were can't be told."""
    targets: Json = {"terms": {"field": "target.index", "size": 20}}
    targets["aggs"] = {"newest": _newest(), "example": _example("error.reason")}
    return _counts(
        _of(cluster, when), {"errors": {"terms": {"field": "error.type", "size": 20}, "aggs": {"targets": targets}}}
    )


def delays(wanted: Selection, when: Window) -> Json:
    """When the newest lines were written, and when Fluent Bit read them; nothing else of them."""
    return {
        "query": {"bool": {"filter": [log_query(wanted, when), {"exists": {"field": fields.OBSERVED}}]}},
        "size": NEWEST,
        "sort": [{fields.TIMESTAMP: {"order": "desc", "unmapped_type": "date"}}],
        "_source": False,
        "track_total_hits": False,
        "docvalue_fields": [{"field": name, "format": "epoch_millis"} for name in (fields.TIMESTAMP, fields.OBSERVED)],
    }


def _counts(query: Json, aggregations: Json) -> Json:
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": aggregations}


def _of(cluster: str, when: Window) -> Json:
    return {"bool": {"filter": [matching(fields.CLUSTER, cluster), *when.query()]}}


def _terms(field: str, size: int, **more: Any) -> Json:
    return {"terms": {"field": f"{field}.keyword", "size": size, **more}}


def _missing(field: str) -> Json:
    return {"missing": {"field": f"{field}.keyword"}}


def _histogram(axis: Axis) -> Json:
    interval = {"field": fields.TIMESTAMP, "fixed_interval": f"{axis.seconds}s", "min_doc_count": 1}
    return {"date_histogram": interval}


def _with_errors() -> Json:
    return {"aggs": {"errors": {"filter": {"terms": {f"{fields.LEVEL}.keyword": list(ERRORS)}}}}}


def _newest() -> Json:
    return {"max": {"field": fields.TIMESTAMP}}


def _example(field: str) -> Json:
    order = {fields.TIMESTAMP: {"order": "desc", "unmapped_type": "date"}}
    return {"top_hits": {"size": 1, "sort": [order], "_source": [field]}}
