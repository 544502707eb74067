"""Runs a monitor as the alerting plugin does, on an OpenSearch that lacks it: the search, the condition, the message.

OpenSearch itself evaluates all three: the `bucket_selector` in the search has a bucket-level monitor's condition, the
painless API runs a query-level one, and the API for search templates fills in a message for a webhook.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from sidecar.config import Config
from sidecar.opensearch.client import Client
from sidecar.render.alerts import alerts
from sidecar.render.alerts.alert import FOUND
from sidecar.render.alerts.message import webhook
from sidecar.render.alerts.monitor import document

Json = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """What a run of a monitor came to: whether it alerts, for which buckets, and what its message says."""

    alerting: bool
    names: list[str]
    message: Json


def run(client: Client, config: Config, key: str, at: datetime) -> Ran:
    """Run a monitor as if it were `at`."""
    alert = next(alert for alert in alerts(config) if alert.key == key)
    monitor = document(config, alert)
    end = round(at.timestamp() * 1000)
    source = monitor["inputs"][0]["search"]
    body = orjson.dumps(source["query"]).replace(b"{{period_end}}", str(end).encode())
    answer = client.request("POST", f"/{','.join(source['indices'])}/_search", body)
    context: Json = {"results": [answer]}
    if alert.paths is None:
        names = []
        condition = monitor["triggers"][0]["query_level_trigger"]["condition"]["script"]["source"]
        alerting = _holds(client, condition, context)
    else:
        buckets = answer.get("aggregations", {}).get(FOUND, {}).get("buckets", [])
        names = [bucket.get("key_as_string", bucket["key"]) for bucket in buckets]
        alerting = bool(names)
        context["newAlerts"] = [{"bucket_keys": name} for name in names]
    template = {"source": webhook(config, alert), "params": {"ctx": context}}
    message = client.request("POST", "/_render/template", template)["template_output"]
    return Ran(alerting, names, message)


def _holds(client: Client, condition: str, context: Json) -> bool:
    body = {"script": {"source": f"def ctx = params.ctx; return {condition};", "params": {"ctx": context}}}
    result = client.request("POST", "/_scripts/painless/_execute", body)["result"]
    assert result in {"true", "false"}, result
    return bool(result == "true")
