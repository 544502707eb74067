"""Saved objects, judged as an OpenSearch Dashboards of any release from 1.3 to 3.x would."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Objects = Mapping[tuple[str, str], Json]

_COLUMNS = 48
_MIGRATIONS = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}
# All that the mappings of `.kibana` have for a type: they are strict.
_ATTRIBUTES = {
    "index-pattern": ({"title", "timeFieldName", "fields"}, {"fieldFormatMap", "sourceFilters", "type", "typeMeta"}),
    "search": ({"title", "description", "hits", "columns", "sort", "version", "kibanaSavedObjectMeta"}, set()),
    "visualization": (
        {"title", "visState", "uiStateJSON", "description", "version", "kibanaSavedObjectMeta"},
        {"savedSearchRefName"},
    ),
    "dashboard": (
        {
            "title",
            "description",
            "hits",
            "panelsJSON",
            "optionsJSON",
            "version",
            "timeRestore",
            "kibanaSavedObjectMeta",
        },
        {"timeTo", "timeFrom", "refreshInterval"},
    ),
}
_SCHEMAS = {
    "histogram": {"metric", "segment", "group"},
    "line": {"metric", "segment", "group"},
    "horizontal_bar": {"metric", "segment", "group"},
    "pie": {"metric", "segment"},
    "metric": {"metric", "group"},
    "table": {"metric", "bucket"},
    "markdown": set(),
    "input_control_vis": set(),
}
"""The classic types that all releases have, and the places that each has for aggregations."""
_PARAMS = {
    "histogram": {"categoryAxes", "valueAxes", "seriesParams", "legendPosition", "thresholdLine", "grid", "labels"},
    "pie": {"isDonut", "labels", "legendPosition"},
    "metric": {"metric"},
    "table": {"perPage", "showPartialRows", "showTotal", "totalFunc", "sort"},
    "markdown": {"markdown", "fontSize"},
    "input_control_vis": {"controls", "updateFiltersOnChange", "useTimeFilter", "pinFilters"},
}
_PARAMS["line"] = _PARAMS["horizontal_bar"] = _PARAMS["histogram"]


def faults(objects: Objects) -> list[str]:
    """What is wrong with saved objects, each fault with the object's type and title; none if all is well."""
    return [
        f"{kind} {thing['attributes'].get('title')}: {fault}"
        for (kind, _), thing in objects.items()
        for fault in (*_envelope(thing), *_references(objects, thing), *_CONTENT[kind](objects, thing))
    ]


def _envelope(thing: Json) -> Iterator[str]:
    kind = thing["type"]
    if extra := set(thing) - {"id", "type", "attributes", "references", "migrationVersion"}:
        yield f"has {extra} in its envelope"
    if thing["migrationVersion"] != {kind: _MIGRATIONS[kind]}:
        yield f"is of the migration {thing['migrationVersion']}"
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", thing["id"]):
        yield f"has the id {thing['id']}"
    required, allowed = _ATTRIBUTES[kind]
    if missing := required - set(thing["attributes"]):
        yield f"lacks {missing}"
    if extra := set(thing["attributes"]) - required - allowed:
        yield f"has {extra}, which no mapping has"


def _references(objects: Objects, thing: Json) -> Iterator[str]:
    names = [one["name"] for one in thing["references"]]
    if len(names) != len(set(names)):
        yield "has two references of one name"
    for one in thing["references"]:
        if (one["type"], one["id"]) not in objects:
            yield f"{one['name']} refers to nothing"
    used = set(re.findall(r'RefName\\*": ?\\*"([^"\\]+)', json.dumps(thing["attributes"])))
    if used != set(names):
        yield f"uses the references {used ^ set(names)} wrongly"


def _source(thing: Json) -> Json:
    source: Json = json.loads(thing["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return source


def _query_faults(source: Json) -> Iterator[str]:
    if set(source["query"]) != {"query", "language"} or source["query"]["language"] != "kuery":
        yield f"asks {source['query']}"
    for one in source["filter"]:
        if missing := {"alias", "disabled", "key", "negate", "params", "type", "indexRefName"} - set(one["meta"]):
            yield f"a filter lacks {missing}"
        asked = one.get("range" if one["meta"]["type"] == "range" else "query")
        if not asked or one["meta"]["key"] not in json.dumps(asked):
            yield f"a filter shows {one['meta']['key']} and asks {asked}"


def _index_pattern(_: Objects, thing: Json) -> Iterator[str]:
    specs = json.loads(thing["attributes"]["fields"])
    names = [spec["name"] for spec in specs]
    if len(names) != len(set(names)):
        yield "has a field twice"
    needed = {"name", "type", "count", "scripted", "searchable", "aggregatable", "readFromDocValues", "esTypes"}
    for spec in specs:
        # Without these two it would ask for the fields again, and write them back.
        if missing := needed - set(spec):
            yield f"{spec['name']} lacks {missing}"
        parent = spec.get("subType", {}).get("multi", {}).get("parent")
        if parent is not None and parent not in names:
            yield f"{spec['name']} is a second name of {parent}, which isn't there"
    time: Json = next((spec for spec in specs if spec["name"] == thing["attributes"]["timeFieldName"]), {})
    if time.get("type") != "date":
        yield "its time is no date"


def _search(_: Objects, thing: Json) -> Iterator[str]:
    yield from _query_faults(_source(thing))
    if "indexRefName" not in _source(thing):
        yield "has no index pattern"
    for order in thing["attributes"]["sort"]:
        if len(order) != 2 or order[1] not in {"asc", "desc"}:
            yield f"is sorted by {order}"


def _visualization(_: Objects, thing: Json) -> Iterator[str]:
    attributes, source = thing["attributes"], _source(thing)
    state = json.loads(attributes["visState"])
    json.loads(attributes["uiStateJSON"])
    yield from _query_faults(source)
    if state["title"] != attributes["title"]:
        yield f"calls itself {state['title']}"
    kind = state["type"]
    if kind not in _SCHEMAS:
        yield f"is of the type {kind}"
        return
    if missing := _PARAMS[kind] - set(state["params"]):
        yield f"lacks the parameters {missing}"
    ids = [one["id"] for one in state["aggs"]]
    if ids != [str(at) for at in range(1, len(ids) + 1)]:
        yield f"has the aggregations {ids}"
    for one in state["aggs"]:
        if one["schema"] not in _SCHEMAS[kind]:
            yield f"has an aggregation for {one['schema']}"
    if ids and "indexRefName" not in source:
        yield "has no index pattern"
    if ids and state["aggs"][0]["schema"] != "metric":
        yield "begins without a metric"
    metrics = {one["id"] for one in state["aggs"] if one["schema"] == "metric"}
    series = [one["data"]["id"] for one in state["params"].get("seriesParams", ())]
    if series and set(series) != metrics:
        yield f"has series of {series} and metrics {metrics}"
    yield from (fault for control in state["params"].get("controls", ()) for fault in _control(control))


def _control(control: Json) -> Iterator[str]:
    if missing := {"id", "indexPatternRefName", "fieldName", "parent", "label", "type", "options"} - set(control):
        yield f"a control lacks {missing}"
    if "indexPattern" in control:
        yield "a control names its index pattern, and does not refer to it"


def _dashboard(_: Objects, thing: Json) -> Iterator[str]:
    attributes = thing["attributes"]
    yield from _query_faults(_source(thing))
    json.loads(attributes["optionsJSON"])
    panels = json.loads(attributes["panelsJSON"])
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        grid = panel["gridData"]
        if missing := {"version", "gridData", "panelIndex", "embeddableConfig", "panelRefName"} - set(panel):
            yield f"a panel lacks {missing}"
        if grid["i"] != panel["panelIndex"]:
            yield f"the panel {panel['panelIndex']} is {grid['i']} in the grid"
        if min(grid["x"], grid["y"]) < 0 or min(grid["w"], grid["h"]) < 1 or grid["x"] + grid["w"] > _COLUMNS:
            yield f"the panel {grid['i']} is outside of the grid"
        for cell in (
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        ):
            if cell in taken:
                yield f"the panels {grid['i']} and {taken[cell]} overlap"
                break
            taken[cell] = grid["i"]
    if len({panel["panelIndex"] for panel in panels}) != len(panels):
        yield "two panels have one index"
    if set(Counter(row for _, row in taken).values()) != {_COLUMNS}:
        yield "there are holes between the panels"


_CONTENT: dict[str, Callable[[Objects, Json], Iterator[str]]] = {
    "index-pattern": _index_pattern,
    "search": _search,
    "visualization": _visualization,
    "dashboard": _dashboard,
}
