"""An Event as the API server gives it -> the document that OpenSearch gets. Pure: one Event, one answer, every time."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sidecar.config import Config
from sidecar.opensearch.encode import encode
from sidecar.opensearch.fit import MISFIT, Fitter
from sidecar.render import fields
from sidecar.render.indices import event_index
from sidecar.render.templates import event_properties

_KIND = {"kind": "Event", "apiVersion": "v1"}
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z\Z")
_LONGEST, _DAY = len("2026-05-04T10:00:00.123456789Z"), len("2026-05-04T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_PART = re.compile(r"[!-~]{1,200}\Z")  # OpenSearch takes ids of up to 512 bytes, and refuses a whole request else
_FAR = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """A document, ready for the journal: `line` is its JSON with a line break at its end."""

    id: str
    index: str
    line: bytes


@dataclass(frozen=True, slots=True)
class Involved:
    """What is known of the object that an Event is about.

    Attributes:
        labels: Its labels; None where they are unknown.
        kind: Kind of the workload that it belongs to; empty where it belongs to none, or that is unknown.
        workload: Name of that.
    """

    labels: Mapping[str, str] | None = None
    kind: str = ""
    workload: str = ""


class Recorder:
    """Makes records for one configuration."""

    def __init__(self, config: Config) -> None:
        self._cluster = config.cluster
        self._events = config.events
        self._fitter = Fitter(event_properties(config))
        # Events come in bursts: the same few seconds again and again.
        self._index = lru_cache(maxsize=1024)(lambda created: event_index(self._events, created))

    def record(self, event: Any, involved: Involved | None = None) -> Record:
        """The record of an Event, of whatever shape: an odd one is kept, never fatal.

        - The Event is as `kubectl get -o json` shows it, without `metadata.managedFields`.
        - `firstTimestamp`, `lastTimestamp` and `count` are filled in where its writer used events.k8s.io, whose
          `eventTime` and `series` stand for them.
        - `@timestamp` is when it was last seen.
        - `involvedObject.labels` and `workload` are what `involved` says of the object that it is about.
        """
        # What is watched has these two, what is listed hasn't: at the same place, so that the bytes are the same.
        document = {**_KIND, **(event if isinstance(event, dict) else {MISFIT: event}), **_KIND}
        metadata = document.get("metadata")
        if isinstance(metadata, dict):
            document["metadata"] = metadata = {key: item for key, item in metadata.items() if key != "managedFields"}
        else:
            metadata = {}
        created = metadata.get("creationTimestamp")
        key, index = event_id(metadata, document), self._index(created[:_DAY] if isinstance(created, str) else None)
        times = event_times(document, created)
        document |= times.filled(document)
        document["count"] = event_count(document)
        if involved is not None:
            _add_involved(document, involved)
        head = {fields.TIMESTAMP: times.last_seen, fields.ID: key, fields.INDEX: index, fields.CLUSTER: self._cluster}
        for name in head:
            document.pop(name, None)
        return Record(key, index, encode({**head, **self._fitter.fit(document)}) + b"\n")


def _add_involved(document: dict[str, Any], involved: Involved) -> None:
    about = document.get("involvedObject")
    if involved.labels and isinstance(about, dict):
        document["involvedObject"] = {**about, "labels": dict(involved.labels)}
    if involved.workload:
        document["workload"] = {"kind": involved.kind, "name": involved.workload}


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
    known = [(moment, text) for text in named if text and (moment := parse_time(text)) is not None]
    if not known:
        return EventTimes(None, None, _milliseconds(_EPOCH))
    moment, last = max(known)
    return EventTimes(known[0][1], last, _milliseconds(moment))


def parse_time(text: Any) -> datetime | None:
    """An RFC 3339 time in UTC, as Kubernetes writes it; None for anything else and for times out of any reason."""
    return _parse_time(text) if isinstance(text, str) and len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _parse_time(text: str) -> datetime | None:
    if not _TIME.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if _EPOCH <= moment < _FAR else None


def written_at(metadata: Mapping[str, Any]) -> float:
    """When the API server wrote this version, in Unix seconds, or earlier; 0 where it doesn't say.

    Of the times that the server sets, and nobody else: `creationTimestamp`, and when a field's manager last changed it.
    """
    managed = metadata.get("managedFields")
    times = [entry.get("time") for entry in managed if isinstance(entry, dict)] if isinstance(managed, list) else []
    known = [moment for text in (metadata.get("creationTimestamp"), *times) if (moment := parse_time(text)) is not None]
    return max(known).timestamp() if known else 0.0


@lru_cache(maxsize=4096)
def _milliseconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def event_count(event: dict[str, Any]) -> Any:
    """How often the Event was seen: its own count, else its series', else once."""
    series = event.get("series")
    of_series = series.get("count") if isinstance(series, dict) else None
    return event.get("count") or of_series or 1
