"""Retention: one index-state-management policy for a family of indices, which deletes each as a whole by its age."""

from datetime import timedelta
from typing import Any

from sidecar.config.model import Config
from sidecar.render.indices import IndexFamily, families, index_pattern

Json = dict[str, Any]

PERIODS = {"daily": timedelta(days=1), "monthly": timedelta(days=31)}
"""How long an index is written to."""
_PRIORITY = 500


def policies(config: Config) -> dict[str, Json]:
    """Policies by name; none for a family that is kept for ever."""
    return {
        f"fluent-sidecar-{family.index}": _delete_after(age, index_pattern(family))
        for family in families(config)
        if (age := greatest_age(family)) is not None
    }


def greatest_age(family: IndexFamily) -> timedelta | None:
    """How old an index gets: as old as its first document, while its last came up to one period later."""
    return None if family.retention is None else family.retention + PERIODS[family.rotate]


def _delete_after(age: timedelta, pattern: str) -> Json:
    hours = -(-int(age.total_seconds()) // 3600)
    return {
        "policy": {
            "description": f"fluent-sidecar: delete {pattern} after {hours} hours",
            "default_state": "kept",
            "states": [
                {
                    "name": "kept",
                    "actions": [],
                    "transitions": [{"state_name": "deleted", "conditions": {"min_index_age": f"{hours}h"}}],
                },
                {"name": "deleted", "actions": [{"delete": {}}], "transitions": []},
            ],
            "ism_template": [{"index_patterns": [pattern], "priority": _PRIORITY}],
        }
    }
