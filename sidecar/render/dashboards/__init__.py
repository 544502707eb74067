"""OpenSearch Dashboards: index patterns, saved searches, classic visualizations and dashboards, as one file to import.

Only types that every OpenSearch Dashboards from 1.3 to 3.x has, in the form of their newest migrations, which is the
same in all of them: an older form would be migrated on import, a newer one refused. Ids follow from names, so that a
second import replaces the first. Nothing in them names a cluster: all that share the indices share the dashboards.
"""

import json
from collections.abc import Sequence

from sidecar.config.model import Config
from sidecar.render.dashboards import control_plane, events, health, logs
from sidecar.render.dashboards.board import Board, dashboard
from sidecar.render.dashboards.objects import Json, index_pattern
from sidecar.render.dashboards.patterns import patterns

__all__ = ["DASHBOARDS_FILE", "ndjson", "saved_objects"]

DASHBOARDS_FILE = "dashboards/opensearch-dashboards.ndjson"


def saved_objects(config: Config) -> list[Json]:
    """All saved objects of a configuration, in the order of an import: what is referred to comes first."""
    titles = patterns(config)
    boards: list[Board] = [
        events.board(titles),
        *([logs.board(titles, level=config.logs.level)] if config.logs.enabled else []),
        control_plane.board(titles, config.control_plane.types),
        health.board(titles),
    ]
    finished = [dashboard(board, boards) for board in boards]
    parts = [part for one in finished for part in one.parts]
    return [*map(index_pattern, titles.values()), *parts, *(one.object for one in finished)]


def ndjson(objects: Sequence[Json]) -> str:
    """Saved objects as the text of the file that is imported: one JSON object a line."""
    return "".join(json.dumps(thing, ensure_ascii=False, separators=(",", ":")) + "\n" for thing in objects)
