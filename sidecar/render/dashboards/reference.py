"""The reference of the dashboards, made from the saved objects themselves."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

Json = dict[str, Any]

_KINDS = {
    "histogram": "bars over time",
    "line": "lines over time",
    "horizontal_bar": "bars",
    "pie": "ring",
    "metric": "number",
    "table": "table",
    "markdown": "text",
    "input_control_vis": "lists",
    "search": "documents",
}


def dashboards_reference(objects: Sequence[Json]) -> str:
    """Markdown: for each dashboard a heading, what it is for, and a table of its panels.

    Args:
        objects: All saved objects.
    """
    by_id = {thing["id"]: thing for thing in objects}
    dashboards = (thing for thing in objects if thing["type"] == "dashboard")
    return "\n".join(line for dashboard in dashboards for line in _section(dashboard, by_id))


def _section(dashboard: Json, by_id: dict[str, Json]) -> Iterator[str]:
    attributes = dashboard["attributes"]
    since = attributes["timeFrom"].removeprefix("now-")
    yield from (f"### {attributes['title']}", "", f"{attributes['description']} At first: the last {since}.", "")
    yield from ("| panel | is | shows |", "| --- | --- | --- |")
    panels = json.loads(attributes["panelsJSON"])
    for panel, reference in zip(panels, dashboard["references"], strict=True):
        thing = by_id[reference["id"]]
        yield f"| {panel['title']} | {_KINDS[_kind(thing)]} | {thing['attributes']['description']} |"
    yield ""


def _kind(thing: Json) -> str:
    if thing["type"] == "search":
        return "search"
    return str(json.loads(thing["attributes"]["visState"])["type"])
