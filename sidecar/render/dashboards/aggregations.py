"""Aggregations of classic visualizations: metrics, and the buckets that they are counted in.

Each is without its id: `numbered` gives metrics 1, 2, ... and buckets the next. Terms name the metric that orders them.
"""

import json
from collections.abc import Sequence
from typing import Any

from sidecar.render import fields
from sidecar.render.dashboards.patterns import Pattern

Json = dict[str, Any]

MISSING = "(none)"


def numbered(metrics: Sequence[Json], buckets: Sequence[Json]) -> list[Json]:
    """The aggregations of one visualization."""
    return [
        {"id": str(at), "enabled": True, **aggregation} for at, aggregation in enumerate([*metrics, *buckets], start=1)
    ]


def count(label: str) -> Json:
    """How many documents."""
    return {"type": "count", "params": {"customLabel": label}, "schema": "metric"}


def unique(pattern: Pattern, field: str, label: str) -> Json:
    """How many different values."""
    return {
        "type": "cardinality",
        "params": {"field": pattern.field(field), "customLabel": label},
        "schema": "metric",
    }


def greatest(pattern: Pattern, field: str, label: str) -> Json:
    """The largest number, or the latest time."""
    return {"type": "max", "params": {"field": pattern.field(field), "customLabel": label}, "schema": "metric"}


def newest(pattern: Pattern, field: str, label: str) -> Json:
    """The value that the newest document has."""
    return {
        "type": "top_hits",
        "params": {
            "field": pattern.field(field),
            "aggregate": "concat",
            "size": 1,
            "sortField": fields.TIMESTAMP,
            "sortOrder": "desc",
            "customLabel": label,
        },
        "schema": "metric",
    }


def scripted(pattern: Pattern, how: str, field: str, source: str, label: str) -> Json:
    """A metric of a number that is computed from each document.

    By the JSON input of an aggregation, which takes `field` out again and puts the script in its place: without a
    number there OpenSearch Dashboards would not take the panel. A scripted field of the index pattern would do the
    same, but it is computed for every document that anybody looks at, and where scripts aren't allowed nothing of the
    pattern would be shown.

    Args:
        pattern: Index pattern.
        how: `avg` or `max`.
        field: A field of numbers.
        source: In Painless; null for a document without.
        label: What it is called.
    """
    instead = json.dumps({"field": None, "script": {"lang": "painless", "source": source}})
    params = {"field": pattern.field(field), "json": instead, "customLabel": label}
    return {"type": how, "params": params, "schema": "metric"}


def by_time(*, schema: str = "segment") -> Json:
    """A bucket for each interval, whose length follows from the dashboard's time range."""
    params = {
        "field": fields.TIMESTAMP,
        "useNormalizedOpenSearchInterval": True,
        "scaleMetricValues": False,
        "interval": "auto",
        "drop_partials": False,
        "min_doc_count": 1,
        "extended_bounds": {},
        "customLabel": "",
    }
    return {"type": "date_histogram", "params": params, "schema": schema}


def by_value(
    pattern: Pattern,
    field: str,
    label: str,
    *,
    schema: str,
    size: int = 10,
    order: int = 1,
    other: bool = False,
    missing: bool = False,
) -> Json:
    """A bucket for each of the values that have most.

    Args:
        pattern: Index pattern.
        field: The field.
        label: What a column of it is called.
        schema: Its place in the visualization: segment, group or bucket.
        size: How many.
        order: Number of the metric by which they are chosen, from 1.
        other: Whether the others are one more.
        missing: Whether documents without a value are one more.
    """
    params = {
        "field": pattern.field(field),
        "orderBy": str(order),
        "order": "desc",
        "size": size,
        "otherBucket": other,
        "otherBucketLabel": "other",
        "missingBucket": missing,
        "missingBucketLabel": MISSING,
        "customLabel": label,
    }
    return {"type": "terms", "params": params, "schema": schema}


def by_query(queries: Sequence[tuple[str, str]], *, schema: str = "group") -> Json:
    """A bucket for each of the queries, which are pairs of a label and Lucene's query language."""
    filters = [{"input": {"query": query, "language": "lucene"}, "label": label} for label, query in queries]
    return {"type": "filters", "params": {"filters": filters}, "schema": schema}
