"""A fake OpenSearch that searches: what the reading commands ask, by the meaning that the real one gives it."""

import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import orjson

from tests.support.fakes.server import Exchange, FakeServer

Json = dict[str, Any]


class Searched(FakeServer):
    """Holds documents in the order of their arrival.

    Attributes:
        held: Index, number and source of each.
        down: Whether every request is answered 503.
        missing: How many shards do not answer.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: list[tuple[str, int, Json]] = []
        self.down = False
        self.missing = 0

    def put(self, index: str, *sources: Json, numbers: list[int] | None = None) -> None:
        """Add documents; their numbers in the index are the next ones where none are said."""
        first = max((number for name, number, _ in self.held if name == index), default=-1) + 1
        for at, source in enumerate(sources):
            self.held.append((index, numbers[at] if numbers else first + at, source))

    def handle(self, exchange: Exchange) -> None:
        if self.down:
            exchange.json({"error": {"type": "unavailable", "reason": "not now"}}, 503)
        elif exchange.request.path.endswith("/_search"):
            exchange.json(self._search(exchange.request.path, orjson.loads(exchange.request.body)))
        else:
            exchange.json({"version": {"number": "3.4.0", "distribution": "opensearch"}})

    def _search(self, path: str, body: Json) -> Json:
        patterns = path.removeprefix("/").removesuffix("/_search").split(",")
        found = [
            one
            for one in self.held
            if any(fnmatchcase(one[0], pattern) for pattern in patterns) and holds(body.get("query", {}), one)
        ]
        shards = {"total": 1 + self.missing, "successful": 1}
        answer: Json = {"_shards": shards, "hits": {"hits": [], "total": {"value": len(found)}}}
        if "aggs" in body:
            answer["aggregations"] = _aggregated(body["aggs"], found)
        if body["size"]:
            answer["hits"]["hits"] = self._page(body, found)
        return answer

    def _page(self, body: Json, found: list[tuple[str, int, Json]]) -> list[Json]:
        names = [next(iter(part)) for part in body.get("sort", [])]
        down = any("desc" in str(part) for part in body.get("sort", []))
        keyed = sorted(
            (([_value(one, name) for name in names], one) for one in found), reverse=down, key=lambda k: k[0]
        )
        after = body.get("search_after")
        if after:
            keyed = [pair for pair in keyed if (pair[0] < after if down else pair[0] > after)]
        return [
            {"_index": one[0], "_seq_no": one[1], "_source": one[2], "sort": key} for key, one in keyed[: body["size"]]
        ]


def holds(query: Json, one: tuple[str, int, Json]) -> bool:
    """Whether a document is found by a query."""
    kind, inner = next(iter((query or {"match_all": {}}).items()))
    if kind == "bool":
        return (
            all(holds(part, one) for part in inner.get("filter", []))
            and not any(holds(part, one) for part in inner.get("must_not", []))
            and (not inner.get("should") or any(holds(part, one) for part in inner["should"]))
        )
    return _leaf(kind, inner, one)


def _leaf(kind: str, inner: Json, one: tuple[str, int, Json]) -> bool:
    if kind in {"match_all", "match_none"}:
        return kind == "match_all"
    if kind == "exists":
        return _value(one, inner["field"]) is not None
    name, wanted = next(iter(inner.items()))
    value = _value(one, name)
    if kind == "range":
        return value is not None and all(_compared(value, sign, bound) for sign, bound in wanted.items())
    if kind == "term" and isinstance(wanted, dict):
        value, wanted = str(value).lower(), wanted["value"].lower()
    found: bool = _MEANINGS[kind](value, wanted)
    return found


_MEANINGS: dict[str, Callable[[Any, Any], bool]] = {
    "term": operator.eq,
    "terms": lambda value, wanted: value in wanted,
    "regexp": lambda value, wanted: re.fullmatch(wanted, str(value)) is not None,
    "match_phrase": lambda value, wanted: wanted.lower() in str(value).lower(),
}


def _compared(value: Any, sign: str, bound: Any) -> bool:
    if isinstance(value, str):
        value, bound = value[:23].rstrip("Z"), bound[:23].rstrip("Z")
    return bool({"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}[sign])


def _value(one: tuple[str, int, Json], name: str) -> Any:
    if name in {"_index", "_seq_no"}:
        return one[0] if name == "_index" else one[1]
    value: Any = one[2]
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    # A date has milliseconds, whatever the document says.
    return value[:23] if name == "@timestamp" and isinstance(value, str) else value


def _aggregated(aggregations: Json, found: list[tuple[str, int, Json]]) -> Json:
    """Buckets by a field, and the highest number in each."""
    answer = {}
    for title, aggregation in aggregations.items():
        terms = aggregation["terms"]
        groups: dict[Any, list[tuple[str, int, Json]]] = {}
        for one in found:
            groups.setdefault(_value(one, terms["field"]), []).append(one)
        answer[title] = {
            "buckets": [
                {"key": key, "doc_count": len(group), "highest": {"value": float(max(each[1] for each in group))}}
                for key, group in groups.items()
                if key is not None
            ]
        }
    return answer
