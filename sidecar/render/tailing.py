"""How Fluent Bit reads pod logs, and what it hands to the filter."""

from typing import Any

from sidecar.config.model import Config
from sidecar.render.layout import Layout
from sidecar.render.logpaths import exclude_paths, include_paths
from sidecar.render.lua import ENTRY

Json = dict[str, Any]

LOGS, BACKFILL, SYSTEMD, TICK = "logs", "backfill", "fluent-sidecar.systemd", "fluent-sidecar.tick"
"""Aliases of the inputs, and their tags; the backfill's lines have the tag of the others."""
FILTERED = r"^(logs|fluent-sidecar\.(tick|systemd))$"
"""Tags of what goes through the filter, and out with the logs."""
_JOURNAL = "/var/log/journal"


def log_inputs(config: Config, layout: Layout) -> list[Json]:
    """The inputs whose records the filter takes."""
    main = {
        **_tail(LOGS, ",".join(include_paths(config)), ",".join(exclude_paths(config))),
        # Positions, each with a digest of what is before it: a file cut off or replaced is read from its start.
        "db": layout.logs_db,
    }
    backfill = {
        # No positions: Fluent Bit can't take up a gzipped file in its middle.
        **_tail(BACKFILL, f"{layout.backfill}/*/*/*.log*", "*.tmp"),
    }
    tick = {
        "name": "dummy",
        "alias": "tick",
        "tag": TICK,
        "interval_sec": 1,
        # What the filter held back goes out with it.
        "storage.type": "filesystem",
    }
    return [tick, main, backfill, *([_systemd(config, layout)] if config.logs.systemd else ())]


def _tail(alias: str, path: str, exclude: str) -> Json:
    return {
        "name": "tail",
        "alias": alias,
        "tag": LOGS,
        # Rotated names too: what was written before a rotation that nobody saw is in them.
        "path": path,
        "exclude_path": exclude,
        # Lines as they are: a parser that joins them would hold what the position has passed, and lose it with the
        # process. The filter joins, and keeps a journal.
        "path_key": "path",
        "offset_key": "offset",
        "read_from_head": True,
        # A container may be rotated twice in ten seconds.
        "refresh_interval": 1,
        "rotate_wait": 30,
        # Chunks in memory would be lost with the process, although the position has moved on.
        "storage.type": "filesystem",
        # One buffer of the shortest lines, with their metadata, stays below what a server takes in a request.
        "buffer_chunk_size": "64k",
        # A container runtime cuts lines at 16 KiB. A longer one is cut, not dropped with the rest of its file.
        "buffer_max_size": "256k",
        "truncate_long_lines": True,
    }


def _systemd(config: Config, layout: Layout) -> Json:
    return {
        "name": "systemd",
        "alias": "systemd",
        "tag": SYSTEMD,
        "path": _JOURNAL,
        "systemd_filter": [f"_SYSTEMD_UNIT={unit}" for unit in config.logs.systemd],
        "systemd_filter_type": "or",
        "read_from_tail": False,
        "db": f"{layout.positions}/systemd.db",
        "storage.type": "filesystem",
    }


def log_filter(layout: Layout) -> Json:
    """The one filter: everything that takes code, in one call for a line."""
    return {
        "name": "lua",
        "alias": LOGS,
        "match_regex": FILTERED,
        "script": f"{layout.current}/{ENTRY}",
        "call": "logs",
    }
