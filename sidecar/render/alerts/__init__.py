"""Alerts: monitors and notification channels for OpenSearch's alerting plugin, as it takes them.

Monitors have no ids of one's own, and names need not be unique; so a monitor is known by its exact name, which begins
with `name_prefix`. OpenSearch Dashboards keeps the name when somebody edits a monitor there, and drops `ui_metadata`.
"""

from typing import Any

from sidecar.config.model import Config
from sidecar.render.alerts.alert import Alert
from sidecar.render.alerts.channels import channels
from sidecar.render.alerts.events import event_alerts
from sidecar.render.alerts.flow import flow_alerts
from sidecar.render.alerts.logs import log_alerts
from sidecar.render.alerts.monitor import MARK, document, name_prefix

__all__ = ["MARK", "Alert", "alerts", "channels", "monitors", "name_prefix"]

Json = dict[str, Any]


def alerts(config: Config) -> list[Alert]:
    """The alerts that the configuration has the documents for, those that are turned off included."""
    return [*event_alerts(config), *log_alerts(config), *flow_alerts(config)]


def monitors(config: Config) -> dict[str, Json]:
    """Monitors by key, such as `image-pull`, each as it is sent; its name is its `name`."""
    return {alert.key: document(config, alert) for alert in alerts(config)}
