"""An alert -> the monitor that the alerting plugin takes, in the form in which it gives it back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sidecar.config.model import Config
from sidecar.render.alerts.alert import FOUND, Alert
from sidecar.render.alerts.channels import channel_ids
from sidecar.render.alerts.message import subject, text, webhook
from sidecar.render.alerts.query import script
from sidecar.render.templates import content_hash

Json = dict[str, Any]

MARK = "fluent_sidecar"
"""Key in `ui_metadata` that says what a monitor was made from. An edit in OpenSearch Dashboards removes it."""

_LOOKS = 5
"""How often within its period a monitor runs; so much later an alert may begin."""
_MOST_MINUTES = 15
_AGAIN_MINUTES = 60
"""How long the same alert says nothing again."""


def name_prefix(cluster: str) -> str:
    """What the names of all monitors of a cluster begin with, and of no other's: no cluster's name has a space."""
    return f"fluent-sidecar {cluster}: "


def document(config: Config, alert: Alert) -> Json:
    """The monitor."""
    monitor: Json = {
        "type": "monitor",
        "name": f"{name_prefix(config.cluster)}{alert.title}",
        "monitor_type": "query_level_monitor" if alert.paths is None else "bucket_level_monitor",
        "enabled": config.alerts.enabled and alert.enabled,
        "schedule": {"period": {"interval": _interval(alert.period), "unit": "MINUTES"}},
        "inputs": [{"search": {"indices": list(alert.indices), "query": alert.search}}],
        "triggers": [_trigger(config, alert)],
    }
    mark = {"managed_by": "fluent-sidecar", "hash": content_hash(monitor)}
    return {**monitor, "ui_metadata": {MARK: mark}}


def _interval(period: timedelta) -> int:
    """In minutes."""
    return min(max(int(period.total_seconds() / 60 / _LOOKS), 1), _MOST_MINUTES)


def _trigger(config: Config, alert: Alert) -> Json:
    body: Json = {
        # Ids of our own: those that the server makes would change with every update, and with them its alerts.
        "id": f"fluent-sidecar-{alert.key}",
        "name": alert.title,
        "severity": str(alert.severity),
        "condition": {"script": script(alert.condition)},
        "actions": list(_actions(config, alert)),
    }
    if alert.paths is None:
        return {"query_level_trigger": body}
    body["condition"] = {
        "buckets_path": dict(alert.paths),
        "parent_bucket_path": FOUND,
        "script": script(alert.condition),
        "gap_policy": "skip",
    }
    return {"bucket_level_trigger": body}


def _actions(config: Config, alert: Alert) -> Iterator[Json]:
    for kind, channel in channel_ids(config):
        message = webhook(config, alert) if kind == "webhook" else text(config, alert)
        action: Json = {
            "id": f"fluent-sidecar-{alert.key}-{kind if kind != 'existing' else channel}",
            "name": f"tell {kind if kind != 'existing' else channel}",
            "destination_id": channel,
            "subject_template": {"source": subject(config, alert), "lang": "mustache"},
            "message_template": {"source": message, "lang": "mustache"},
        }
        if alert.paths is None:
            throttle = {"value": _AGAIN_MINUTES, "unit": "MINUTES"}
            yield {**action, "throttle_enabled": True, "throttle": throttle}
        else:
            # When it begins, and when it is over.
            scope = {"per_alert": {"actionable_alerts": ["NEW", "COMPLETED"]}}
            policy = {"action_execution_scope": scope}
            yield {**action, "throttle_enabled": False, "action_execution_policy": policy}
