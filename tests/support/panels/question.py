"""A saved object -> the searches that OpenSearch Dashboards sends for it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.panels.aggregations import nested

Json = dict[str, Any]
Objects = Mapping[tuple[str, str], Json]


class StrangePanelError(AssertionError):
    """Something that OpenSearch Dashboards would not take, or that this doesn't know."""


@dataclass
class Question:
    """One search: the index pattern's title, the body, and every field that it names."""

    index: str
    body: Json
    fields: set[str] = field(default_factory=set)


def by_id(objects: Iterable[Json]) -> dict[tuple[str, str], Json]:
    """Saved objects by type and id."""
    return {(thing["type"], thing["id"]): thing for thing in objects}


def questions(objects: Objects, panel: Json, *, since: str, until: str = "now") -> list[Question]:
    """The searches of a panel; none where it is but a text.

    Args:
        objects: All saved objects, by type and id.
        panel: A visualization or a saved search.
        since: Begin of the dashboard's time range.
        until: Its end.

    Raises:
        StrangePanelError: The panel can't be understood.
    """
    references = {one["name"]: (one["type"], one["id"]) for one in panel["references"]}
    attributes = panel["attributes"]
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    if panel["type"] == "search":
        pattern = _pattern(objects, references, source.get("indexRefName"))
        return [_search(pattern, attributes, source, since, until)]
    state = json.loads(attributes["visState"])
    if state["type"] == "markdown":
        return []
    if state["type"] == "input_control_vis":
        return [_control(objects, references, control) for control in state["params"]["controls"]]
    pattern = _pattern(objects, references, source.get("indexRefName"))
    question = _asked(pattern, source, since, until)
    question.body["aggs"] = nested(state["aggs"], question.fields, state["type"])
    return [question]


def _pattern(objects: Objects, references: Mapping[str, tuple[str, str]], name: str | None) -> Json:
    if name is None or name not in references:
        raise StrangePanelError(f"no index pattern is referred to by {name}")
    target = references[name]
    if target[0] != "index-pattern" or target not in objects:
        raise StrangePanelError(f"{name} refers to {target}, which is no index pattern here")
    attributes: Json = objects[target]["attributes"]
    return attributes


def _search(pattern: Json, attributes: Json, source: Json, since: str, until: str) -> Question:
    question = _asked(pattern, source, since, until)
    question.fields |= set(attributes["columns"])
    # Without an order of its own the index pattern's time decides.
    order = attributes["sort"] or [[pattern["timeFieldName"], "desc"]]
    question.fields |= {name for name, _ in order}
    question.body |= {
        "size": 20,
        "sort": [{name: {"order": way, "unmapped_type": "boolean"}} for name, way in order],
    }
    return question


def _control(objects: Objects, references: Mapping[str, tuple[str, str]], control: Json) -> Question:
    pattern = _pattern(objects, references, control.get("indexPatternRefName"))
    name = control["fieldName"]
    terms = {"field": name, "order": {"_count": "desc"}}
    return Question(pattern["title"], {"size": 0, "aggs": {"termsAgg": {"terms": terms}}}, {name})


def _asked(pattern: Json, source: Json, since: str, until: str) -> Question:
    """The query: the time range, and the filters."""
    if source["query"]["query"]:
        raise StrangePanelError("a query in words: this knows filters only")
    time = pattern["timeFieldName"]
    question = Question(pattern["title"], {"size": 0, "track_total_hits": True}, {time})
    wanted: list[Json] = [{"match_all": {}}, {"range": {time: {"gte": since, "lte": until}}}]
    unwanted: list[Json] = []
    for one in source["filter"]:
        if one["meta"]["disabled"]:
            continue
        query = one.get("query") or {key: value for key, value in one.items() if key not in {"meta", "$state"}}
        (unwanted if one["meta"]["negate"] else wanted).append(query)
        question.fields |= set(_queried(query))
    question.body["query"] = {"bool": {"filter": wanted, "must_not": unwanted}}
    return question


def _queried(query: Json) -> Iterable[str]:
    """The fields that a filter's query names."""
    for kind, content in query.items():
        if kind in {"match_phrase", "range"}:
            yield from content
        elif kind == "exists":
            yield content["field"]
        elif kind == "bool":
            for clauses in content.values():
                for clause in clauses if isinstance(clauses, list) else ():
                    yield from _queried(clause)
        else:
            raise StrangePanelError(f"a filter of the kind {kind}")
