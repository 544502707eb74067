"""Events as rows of a table, as `kubectl get events` has them. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sidecar.events.record import event_times
from sidecar.reading.events import is_gap
from sidecar.render import fields

HEADS = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
WIDE_HEADS = (
    "LAST SEEN", "TYPE", "REASON", "OBJECT", "SUBOBJECT", "SOURCE", "MESSAGE", "FIRST SEEN", "COUNT", "NAME",
)  # fmt: skip
SHOWN = (
    "kind", "cluster", "type", "reason", "message", "metadata.name", "metadata.namespace", "metadata.uid",
    "metadata.resourceVersion", "metadata.creationTimestamp", "involvedObject.kind", "involvedObject.name",
    "involvedObject.fieldPath", "source", "reportingComponent", "reportingInstance", "count", "series",
    "firstTimestamp", "lastTimestamp", "eventTime", fields.TIMESTAMP, fields.ID,
)  # fmt: skip
"""The fields that rows are made of."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
_STEPS = (
    (2 * 60, "s", ""), (10 * 60, "m", "s"), (3 * 3600, "m", ""), (8 * 3600, "h", "m"), (48 * 3600, "h", ""),
    (8 * 86400, "d", "h"), (2 * 365 * 86400, "d", ""), (float("inf"), "y", "d"),
)  # fmt: skip
"""Below how many seconds a time is written in which unit, and a smaller one."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Row(NamedTuple):
    """A row, and what it is coloured by.

    Attributes:
        seen: When the Event was last seen.
        first: When it was first seen.
        cells: The columns behind LAST SEEN; those of the wide table without FIRST SEEN.
        type: Normal, Warning, or `gap` where Events may be missing.
    """

    seen: datetime | None
    first: datetime | None
    cells: tuple[str, ...]
    type: str


def row(event: Mapping[str, Any], *, wide: bool, namespace: bool) -> Row:
    """The row of an Event, or of a gap.

    Args:
        event: A document, or what the API server shows.
        wide: With all columns.
        namespace: With its namespace in front.
    """
    metadata, about, source = (_map(event.get(name)) for name in ("metadata", "involvedObject", "source"))
    times = event_times(dict(event), metadata.get("creationTimestamp"))
    gap = is_gap(event)
    cells = [_text(event.get("type")), _text(event.get("reason"))]
    cells.append(f"cluster/{event.get(fields.CLUSTER, '')}" if gap else _object(about))
    if wide:
        cells += [_text(about.get("fieldPath")), _source(event, source)]
    cells.append(one_line(_text(event.get("message"))))
    if wide:
        cells += [str(event.get("count") or 1), _text(metadata.get("name"))]
    front = ("" if gap else _text(metadata.get("namespace")),) if namespace else ()
    kind = "gap" if gap else _text(event.get("type"))
    return Row(_moment(event.get("lastTimestamp") or times.last), _moment(times.first), (*front, *cells), kind)


def heads(*, wide: bool, namespace: bool) -> tuple[str, ...]:
    """The heads of the columns."""
    return (*(("NAMESPACE",) if namespace else ()), *(WIDE_HEADS if wide else HEADS))


def columns(found: Row, now: datetime, *, wide: bool, namespace: bool) -> tuple[str, ...]:
    """All cells of a row, with ages as of now."""
    front, rest = found.cells[: int(namespace)], found.cells[int(namespace) :]
    last = age(found.seen, now)
    if not wide:
        return (*front, last, *rest)
    *head, count, name = rest
    return (*front, last, *head, age(found.first, now), count, name)


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, as kubectl writes it: 45s, 5m30s, 64m, 5h10m, 26h, 3d4h, 12d, 2y3d."""
    if moment is None:
        return "<unknown>"
    return span((now - moment).total_seconds())


def span(duration: float) -> str:
    """A time in seconds, as kubectl writes it: the longer, the coarser."""
    seconds = max(0, int(duration))
    unit, smaller = next((unit, smaller) for below, unit, smaller in _STEPS if seconds < below)
    much, little = divmod(seconds, _SECONDS[unit])
    little = little // _SECONDS[smaller] if smaller else 0
    return f"{much}{unit}{little}{smaller}" if little else f"{much}{unit}"


def one_line(text: str) -> str:
    """A text as a cell: no line breaks, and nothing that a terminal would obey."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def _object(about: Mapping[str, Any]) -> str:
    return one_line(f"{_text(about.get('kind')).lower()}/{_text(about.get('name'))}")


def _source(event: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    component = _text(source.get("component")) or _text(event.get("reportingComponent"))
    host = _text(source.get("host")) or _text(event.get("reportingInstance"))
    return one_line(", ".join(part for part in (component, host) if part))


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
