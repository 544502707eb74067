"""An Event as the API server gives it -> the document that OpenSearch gets. Pure: one Event, one answer, every time."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sidecar.config import Config
from sidecar.events.encode import encode
from sidecar.events.fit import MISFIT, fit
from sidecar.render import fields
from sidecar.render.indices import event_index
from sidecar.render.templates import event_properties

_KIND = {"kind": "Event", "apiVersion": "v1"}
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_PART = re.compile(r"[!-~]{1,200}\Z")  # OpenSearch takes ids of up to 512 bytes, and refuses a whole request else
_FAR = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """A document, ready for the journal: `line` is its JSON with a line break at its end."""

    id: str
    index: str
    line: bytes


class Recorder:
    """Makes records for one configuration."""

    def __init__(self, config: Config) -> None:
        self._cluster = config.cluster
        self._events = config.events
        self._properties = event_properties(config)

    def record(self, event: Any) -> Record:
        """The record of an Event, of whatever shape: an odd one is kept, never fatal.

        - The Event is as `kubectl get -o json` shows it, without `metadata.managedFields`.
        - `firstTimestamp`, `lastTimestamp` and `count` are filled in where its writer used events.k8s.io, whose
          `eventTime` and `series` stand for them.
        - `@timestamp` is when it was last seen.
        """
        # What is watched has these two, what is listed hasn't: at the same place, so that the bytes are the same.
        document = {**_KIND, **(event if isinstance(event, dict) else {MISFIT: event}), **_KIND}
        metadata = document.get("metadata")
        if isinstance(metadata, dict):
            document["metadata"] = metadata = {key: item for key, item in metadata.items() if key != "managedFields"}
        else:
            metadata = {}
        created = metadata.get("creationTimestamp")
        key, index = event_id(metadata, document), event_index(self._events, created)
        times = event_times(document, created)
        document |= times.filled(document)
        document["count"] = event_count(document)
        head = {fields.TIMESTAMP: times.last_seen, fields.ID: key, fields.INDEX: index, fields.CLUSTER: self._cluster}
        for name in head:
            document.pop(name, None)
        return Record(key, index, encode({**head, **fit(document, self._properties)}) + b"\n")


def event_id(metadata: dict[str, Any], event: Any) -> str:
    """`<uid>.<resourceVersion>`; a digest of the whole where one is none, which no API server does."""
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if all(isinstance(part, str) and _ID_PART.match(part) for part in (uid, version)):
        return f"{uid}.{version}"
    return "sha256." + hashlib.sha256(encode(event)).hexdigest()


@dataclass(frozen=True)
class EventTimes:
    """When an Event was first and last seen, as it says itself; `last_seen` in milliseconds, for `@timestamp`."""

    first: str | None
    last: str | None
    last_seen: str

    def filled(self, event: dict[str, Any]) -> dict[str, Any]:
        """`firstTimestamp` and `lastTimestamp`, the Event's own where it has them."""
        return {
            "firstTimestamp": event.get("firstTimestamp") or self.first,
            "lastTimestamp": event.get("lastTimestamp") or self.last,
        }


def event_times(event: dict[str, Any], created: Any) -> EventTimes:
    """The times of an Event. The last is the newest of all that it names: writers fill in different ones."""
    series = event.get("series")
    observed = series.get("lastObservedTime") if isinstance(series, dict) else None
    named = (event.get("firstTimestamp"), event.get("eventTime"), created, event.get("lastTimestamp"), observed)
    known = [(moment, text) for text in named if (moment := parse_time(text)) is not None]
    if not known:
        return EventTimes(None, None, _milliseconds(_EPOCH))
    moment, last = max(known)
    return EventTimes(known[0][1], last, _milliseconds(moment))


def parse_time(text: Any) -> datetime | None:
    """An RFC 3339 time in UTC, as Kubernetes writes it; None for anything else and for times out of any reason."""
    if not isinstance(text, str) or not _TIME.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if _EPOCH <= moment < _FAR else None


def _milliseconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def event_count(event: dict[str, Any]) -> Any:
    """How often the Event was seen: its own count, else its series', else once."""
    series = event.get("series")
    of_series = series.get("count") if isinstance(series, dict) else None
    return event.get("count") or of_series or 1
