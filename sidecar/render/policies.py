"""Retention: one index-state-management policy for a family of indices, which deletes each as a whole by its age."""

from datetime import timedelta
from typing import Any

from sidecar.config.model import Config
from sidecar.render.indices import event_index_pattern

Json = dict[str, Any]

_PERIOD = {"daily": timedelta(days=1), "monthly": timedelta(days=31)}
_PRIORITY = 500


def policies(config: Config) -> dict[str, Json]:
    """Policies by name; empty where everything is kept."""
    events = config.events
    if events.retention is None:
        return {}
    # An index is as old as its first document; its last came up to one period later.
    age = events.retention + _PERIOD[events.rotate]
    return {f"fluent-sidecar-{events.index}": _delete_after(age, event_index_pattern(events))}


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
