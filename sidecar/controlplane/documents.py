"""Pure: from lines of the control plane to documents. Every line is one, whatever it looks like."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.config.fixed import CLUSTER, DATA, LEVEL, TIMESTAMP, UNDATED
from sidecar.config.function import Settings
from sidecar.controlplane import audit
from sidecar.controlplane.line import Line, instant, parse
from sidecar.controlplane.payload import Batch, LogEvent
from sidecar.opensearch.documents import Document
from sidecar.opensearch.encode import encode
from sidecar.opensearch.fit import cut, flat

Json = dict[str, Any]

AUDIT, AUTHENTICATOR = "audit", "authenticator"
_STREAMS = (
    # The longer first: an audit log's stream begins like the API server's.
    ("kube-apiserver-audit-", AUDIT),
    ("kube-apiserver-", "kube-apiserver"),
    ("authenticator-", AUTHENTICATOR),
    ("kube-controller-manager-", "kube-controller-manager"),
    ("cloud-controller-manager-", "cloud-controller-manager"),
    ("kube-scheduler-", "kube-scheduler"),
)
KNOWN = frozenset(component for _, component in _STREAMS)
_INSTANCE = re.compile(r"-[0-9a-f]{8,}\Z")

_MAX_MESSAGE, _MAX_TEXT = 2**20, 2**16
"""Bytes, as many as CloudWatch takes; of control characters alone it is 6 MiB in JSON, and still sent."""
_WINDOW = timedelta(minutes=14)
"""How far a line's own time may be from CloudWatch's to be believed: less than a time zone is from the next."""
_FIRST, _LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (2000, 2100))
_DATES = {"daily": "%Y.%m.%d", "monthly": "%Y.%m"}


def component_of(stream: str) -> str:
    """What writes to a log stream: `kube-scheduler-0123456789abcdef` is `kube-scheduler`'s."""
    for begin, component in _STREAMS:
        if stream.startswith(begin):
            return component
    return _INSTANCE.sub("", stream)


def index_of(settings: Settings, milliseconds: int | None) -> str:
    """The index of a line, by CloudWatch's time alone: it is the same whenever, and however often, it is delivered."""
    if settings.rotate == "never":
        return settings.index
    if milliseconds is None or not _FIRST <= milliseconds < _LAST:
        return f"{settings.index}-{UNDATED}"
    return f"{settings.index}-{_time(milliseconds):{_DATES[settings.rotate]}}"


def documents_of(batches: Iterable[Batch], settings: Settings, *, now: datetime) -> Iterator[Document]:
    """A document for each line of the types that are taken, and of what is none of EKS's.

    Args:
        batches: Lines.
        settings: What to make of them.
        now: For a line that comes without a time.
    """
    for batch in batches:
        component = component_of(batch.stream)
        if component in settings.components or component not in KNOWN:
            for event in batch.events:
                yield _document(event, batch, component, settings, now)


def _document(event: LogEvent, batch: Batch, component: str, settings: Settings, now: datetime) -> Document:
    dated = event.timestamp is not None and _FIRST <= event.timestamp < _LAST
    received = _time(event.timestamp or 0) if dated else now
    message = cut(event.message, _MAX_MESSAGE)
    head: Json = {
        TIMESTAMP: "",
        CLUSTER: settings.cluster,
        "@id": event.id,
        "@message": message,
        "@owner": batch.owner,
        "@log_group": batch.group,
        "@log_stream": batch.stream,
        "component": component,
    }
    if message is not event.message:
        head["truncated"] = True
    more, written = _of_audit(event.message) if component == AUDIT else _of_program(event.message, component, received)
    if event.extracted:
        more[DATA] = {**more.get(DATA, {}), **flat(event.extracted, DATA)}
    # A clock that is wrong, there or here, must not put a line to another hour.
    believed = written if written is not None and abs(written - received) <= _WINDOW else received
    head[TIMESTAMP] = _rfc3339(believed)
    return Document(index_of(settings, event.timestamp), event.id, encode({**head, **more}))


def _of_audit(text: str) -> tuple[Json, datetime | None]:
    found, cut_off = audit.fields_of(text)
    more: Json = {"truncated": True} if cut_off else {}
    return ({**more, "audit": found} if found else more), instant(found.get("stageTimestamp"))


def _of_program(text: str, component: str, received: datetime) -> tuple[Json, datetime | None]:
    line = parse(text, received) or Line()
    more: Json = {}
    for name, value in ((LEVEL, line.level), ("message", line.message), ("source", line.source)):
        if value:
            more[name] = cut(value, _MAX_TEXT)
    if line.values:
        more[DATA] = flat(line.values, DATA)
        if component == AUTHENTICATOR and (who := _identity(line.values)):
            more[AUTHENTICATOR] = who
    return more, line.time


def _identity(values: Json) -> Json:
    """Who asked the authenticator for access: `groups="[system:masters a]"` is a list."""
    found: Json = {name: values[name] for name in ("arn", "username", "client") if isinstance(values.get(name), str)}
    groups = values.get("groups")
    if isinstance(groups, str):
        found["groups"] = groups.removeprefix("[").removesuffix("]").split()
    return found


def _time(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _rfc3339(time: datetime) -> str:
    precise = "microseconds" if time.microsecond % 1000 else "milliseconds"
    return f"{time.replace(tzinfo=None).isoformat(timespec=precise)}Z"
