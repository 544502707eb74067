"""What an alert's message says, as Mustache.

In a message for people values stand in three braces, as they are. A webhook gets a JSON object: there they stand in
two, which the alerting plugin escapes for JSON.

Where a search or a condition fails, the plugin sends the message all the same, with `ctx.error` and no results; so it
does of an alert for each bucket as long as no index is there, at every run.
"""

import json

from sidecar.config.model import Config
from sidecar.render.alerts.alert import FOUND, Alert

_BUCKETS = f"ctx.results.0.aggregations.{FOUND}.buckets"
_HITS = "ctx.results.0.hits.hits"
# No name may be looked up within a section of `ctx.error`: it is no map.
_FAILED = (
    "{{#ctx.error}}This can't be told, for the monitor's search failed: {{/ctx.error}}{{{ctx.error}}}"
    "{{#ctx.error}}\nBefore the first document that is to be expected. "
    "Look at: Alerting in OpenSearch Dashboards, where the monitor can be run; sidecar doctor{{/ctx.error}}"
)


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
    return f"{config.cluster}: {alert.title}{{{{#ctx.error}}}}? It can't be told{{{{/ctx.error}}}}"


def text(config: Config, alert: Alert) -> str:
    """The message for people."""
    told = alert.text
    if alert.paths is not None:
        told = (
            "{{#ctx.newAlerts}}Now: {{{bucket_keys}}}\n{{/ctx.newAlerts}}"
            "{{#ctx.completedAlerts}}No longer: {{{bucket_keys}}}\n{{/ctx.completedAlerts}}" + told
        )
    url = config.dashboards.url
    dashboards = f"\nDashboards: {url}" if url else ""
    head = f"Cluster {config.cluster}: {alert.title}\n"
    return f"{head}{{{{^ctx.error}}}}{told}{{{{/ctx.error}}}}{_FAILED}{dashboards}"


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
