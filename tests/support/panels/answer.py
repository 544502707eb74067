"""What an answer has nothing to show for."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def empty_parts(body: Json, answer: Json) -> list[str]:
    """The parts of a search's answer in which there is nothing; none if a panel shows all that it is made for."""
    found = [] if answer["hits"]["total"]["value"] else ["no document"]
    if body["size"]:
        found += [] if answer["hits"]["hits"] else ["no hit"]
    buckets = [answer.get("aggregations", {})]
    return found + list(_empty(body.get("aggs", {}), buckets))


def _empty(aggregations: Json, parents: list[Json]) -> Iterator[str]:
    """Of each aggregation: whether any of the buckets in which it is has something of it."""
    for key, aggregation in aggregations.items():
        answers = [parent[key] for parent in parents if key in parent]
        if "terms" in aggregation or "date_histogram" in aggregation:
            inner = [bucket for one in answers for bucket in one["buckets"]]
            if not inner:
                yield f"{key}: no bucket"
            # A bucket of those without a value is no value.
            elif all(bucket["key"] == "__missing__" for bucket in inner):
                yield f"{key}: no value"
        elif "filters" in aggregation:
            inner = [bucket for one in answers for bucket in one["buckets"].values()]
            for name in aggregation["filters"]["filters"]:
                if not any(one["buckets"][name]["doc_count"] for one in answers):
                    yield f"{key}: nothing for {name}"
        else:
            inner = []
            if not any(_has_value(one) for one in answers):
                yield f"{key}: no value"
        yield from _empty(aggregation.get("aggs", {}), inner)


def _has_value(answer: Json) -> bool:
    if "hits" in answer:
        return any(hit.get("_source") for hit in answer["hits"]["hits"])
    return answer.get("value") not in {None, 0}
