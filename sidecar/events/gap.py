"""A gap -> the document that says so, among the Events. Pure."""

import hashlib
import math
from datetime import UTC, datetime

from sidecar.config import Config
from sidecar.events.following import Gap
from sidecar.events.record import Record
from sidecar.opensearch.encode import encode
from sidecar.render import fields
from sidecar.render.indices import event_index

KIND = fields.GAP
_LAST = 253_402_300_799  # of the year 9999
_TEXTS = {
    "history": "Versions of events between {start} and {end} may be missing: the API server's watch history did not "
    "reach back. The last version of each event that it still had is there.",
    "outage": "Events between {start} and {end} may be missing: collection stood still for longer than the API server "
    "keeps events ({ttl}).",
}


def gap_record(gap: Gap, config: Config) -> Record:
    """The document of kind `EventGap`.

    It looks like an Event of type Warning. Its id is made of what it describes, so that it is written once.
    """
    start = _time(math.floor(gap.start.time))
    # The server's clock is told in whole seconds: rounded so that all that may be missing lies within.
    end = _time(math.ceil(gap.end.time) + 1)
    described = [config.cluster, gap.start.resource_version, start, gap.end.resource_version, end]
    key = f"gap.{hashlib.sha256(encode(described)).hexdigest()[:40]}"
    index = event_index(config.events, end)
    ttl = f"{config.events.api_ttl.total_seconds() / 3600:g} h"
    document = {
        fields.TIMESTAMP: end,
        fields.ID: key,
        fields.INDEX: index,
        fields.CLUSTER: config.cluster,
        "kind": KIND,
        "metadata": {"name": key, "uid": key, "creationTimestamp": end},
        "type": "Warning",
        "reason": KIND,
        "message": _TEXTS[gap.cause].format(start=start, end=end, ttl=ttl),
        "firstTimestamp": start,
        "lastTimestamp": end,
        "count": 1,
        "reportingComponent": "fluent-sidecar",
        "gap": {
            "from": start,
            "to": end,
            "cause": gap.cause,
            "fromResourceVersion": gap.start.resource_version,
            "toResourceVersion": gap.end.resource_version,
        },
    }
    return Record(key, index, encode(document) + b"\n")


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(min(max(seconds, 0), _LAST), UTC):%Y-%m-%dT%H:%M:%S.000Z}"
