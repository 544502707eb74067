"""A dashboard: rows of panels, above them the lists that filter it and the links to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.render.dashboards.charts import controls, words
from sidecar.render.dashboards.objects import (
    object_id,
    reference,
    saved_object,
    search_source,
    text,
    visualization,
)
from sidecar.render.dashboards.patterns import Pattern

Json = dict[str, Any]

WIDTH = 48
"""Columns of a dashboard."""
_PANEL_VERSION = "1.3.0"
_TOP = 7
_LISTS = 30


@dataclass(frozen=True)
class Row:
    """Panels side by side, each a saved object and its columns, and their height (in 20 pixels and a margin)."""

    height: int
    panels: Sequence[tuple[Json, int]]


@dataclass(frozen=True)
class Board:
    """What a dashboard shows.

    Attributes:
        title: Its title, from which its id follows.
        description: What it is for.
        since: Beginning of its time range, such as `now-24h`.
        filters: Lists to choose values from: label, index pattern, field.
        rows: From top to bottom.
        note: A sentence to have in mind.
    """

    title: str
    description: str
    since: str
    filters: Sequence[tuple[str, Pattern, str]]
    rows: Sequence[Row]
    note: str = ""


@dataclass(frozen=True)
class Finished:
    """A dashboard, and the saved objects that are its panels."""

    object: Json
    parts: list[Json]


def dashboard(board: Board, boards: Sequence[Board]) -> Finished:
    """The saved objects of a dashboard.

    Args:
        board: What it shows.
        boards: All of them, to which it links.
    """
    rows = [_top(board, boards), *board.rows]
    parts = [panel for row in rows for panel, _ in row.panels]
    panels = _panels(board, rows)
    source, _ = search_source(None)
    attributes = {
        "title": board.title,
        "hits": 0,
        "description": board.description,
        "panelsJSON": text(panels),
        "optionsJSON": text({"hidePanelTitles": False, "useMargins": True}),
        "version": 1,
        "timeRestore": True,
        "timeTo": "now",
        "timeFrom": board.since,
        "refreshInterval": {"pause": True, "value": 0},
        "kibanaSavedObjectMeta": {"searchSourceJSON": text(source)},
    }
    references = [reference(f"panel_{at}", part["type"], part["id"]) for at, part in enumerate(parts)]
    return Finished(saved_object("dashboard", board.title, attributes, references), parts)


def _top(board: Board, boards: Sequence[Board]) -> Row:
    lists = visualization(f"{board.title}: filters", controls(board.filters), "Lists that filter every panel below")
    links = " · ".join(
        f"**{other.title}**" if other is board else f"[{other.title}](#/view/{object_id('dashboard', other.title)})"
        for other in boards
    )
    markdown = "\n\n".join(part for part in (links, board.description, board.note) if part)
    about = visualization(f"{board.title}: about", words(markdown), "What the dashboard shows, and links to the others")
    return Row(_TOP, [(lists, _LISTS), (about, WIDTH - _LISTS)])


def _panels(board: Board, rows: Sequence[Row]) -> list[Json]:
    found: list[Json] = []
    top = 0
    for row in rows:
        left = 0
        for panel, width in row.panels:
            at = len(found)
            title = panel["attributes"]["title"].removeprefix(f"{board.title}: ")
            found.append(
                {
                    "version": _PANEL_VERSION,
                    "gridData": {"x": left, "y": top, "w": width, "h": row.height, "i": str(at + 1)},
                    "panelIndex": str(at + 1),
                    "embeddableConfig": {},
                    # The dashboard's name stands above all of them.
                    "title": title[:1].upper() + title[1:],
                    "panelRefName": f"panel_{at}",
                }
            )
            left += width
        top += row.height
    return found
