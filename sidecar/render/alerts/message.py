"""What an alert's message says, as Mustache.

In a message for people values stand in three braces, as they are. A webhook gets a JSON object: there they stand in
two, which the alerting plugin escapes for JSON.
"""

import json

from sidecar.config.model import Config
from sidecar.render.alerts.alert import FOUND, Alert

_BUCKETS = f"ctx.results.0.aggregations.{FOUND}.buckets"
_HITS = "ctx.results.0.hits.hits"


def each(line: str, *, name: str = "key_as_string") -> str:
    """A line for each bucket that is alerted on: its name, and `line`."""
    return f"{{{{#{_BUCKETS}}}}}- {{{{{{{name}}}}}}}: {line}\n{{{{/{_BUCKETS}}}}}"


def frequent(name: str) -> str:
    """The values of an aggregation by value, each with how many documents have it."""
    path = f"ctx.results.0.aggregations.{name}.buckets"
    return f"{{{{#{path}}}}}{{{{{{key}}}}}} ({{{{doc_count}}}}) {{{{/{path}}}}}"


def newest(line: str) -> str:
    """A line about the newest document."""
    return f"{{{{#{_HITS}}}}}{line}{{{{/{_HITS}}}}}"


def subject(config: Config, alert: Alert) -> str:
    """The message's subject, where a channel has one."""
    return f"{config.cluster}: {alert.title}"


def text(config: Config, alert: Alert) -> str:
    """The message for people."""
    head = f"Cluster {config.cluster}: {alert.title}\n"
    if alert.paths is not None:
        head += (
            "{{#ctx.newAlerts}}Now: {{{bucket_keys}}}\n{{/ctx.newAlerts}}"
            "{{#ctx.completedAlerts}}No longer: {{{bucket_keys}}}\n{{/ctx.completedAlerts}}"
        )
    url = config.dashboards.url
    return head + alert.text + (f"\nDashboards: {url}" if url else "")


def webhook(config: Config, alert: Alert) -> str:
    """The JSON object for a webhook."""
    body = {
        "source": "fluent-sidecar",
        "cluster": config.cluster,
        "alert": alert.key,
        "title": alert.title,
        "severity": alert.severity,
        "text": text(config, alert).replace("{{{", "{{").replace("}}}", "}}"),
    }
    return json.dumps(body, ensure_ascii=False)
