"""Filters of a panel, as the filter bar of OpenSearch Dashboards writes them."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """A condition on one field.

    Attributes:
        field: The field.
        kind: Name that OpenSearch Dashboards has for it.
        params: What it shows of it.
        query: The query to OpenSearch.
        negate: Whether it is what must not be.
    """

    field: str
    kind: str
    params: Any
    query: Json
    negate: bool = False

    def rendered(self, reference: str) -> Json:
        """The filter, with the name of the reference to its index pattern."""
        meta = {
            "alias": None,
            "disabled": False,
            "key": self.field,
            "negate": self.negate,
            "params": self.params,
            "type": self.kind,
            "indexRefName": reference,
        }
        # A range stands by itself; the filter bar would not know it again within a query.
        query = self.query if self.kind == "range" else {"query": self.query}
        return {"$state": {"store": "appState"}, "meta": meta, **query}


def is_(field: str, *values: str) -> Filter:
    """The field has one of the values."""
    phrases = [{"match_phrase": {field: value}} for value in values]
    if len(phrases) == 1:
        return Filter(field, "phrase", {"query": values[0]}, phrases[0])
    return Filter(field, "phrases", list(values), {"bool": {"should": phrases, "minimum_should_match": 1}})


def is_not(field: str, value: str) -> Filter:
    """The field has another value, or none."""
    return Filter(field, "phrase", {"query": value}, {"match_phrase": {field: value}}, negate=True)


def at_least(field: str, value: int | str) -> Filter:
    """The number is as large, or the time as late."""
    bounds = {"gte": value}
    return Filter(field, "range", bounds, {"range": {field: bounds}})
