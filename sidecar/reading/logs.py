"""Lines of pods read back in the order of their writing: by the nanosecond, then by their place in the file."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from sidecar.reading.search import Reader
from sidecar.reading.selection import Selection, log_query
from sidecar.reading.window import Window
from sidecar.render import fields
from sidecar.render.indices import index_pattern, log_families

Json = dict[str, Any]

_MILLISECONDS = len("2026-05-04T10:00:00.123")
_FRACTION = re.compile(r"\.([0-9]+)")
_NANOSECONDS = 9


class Place(NamedTuple):
    """Where a line stood, as far as its document tells; sorts by time, and within one file by offset."""

    time: str
    pod: str
    container: str
    restart: int
    offset: int


def log_pattern(reader: Reader) -> str:
    """The patterns of all indices that pods' lines are in, those of the routes included."""
    return ",".join(index_pattern(family) for family in log_families(reader.config))


def lines(reader: Reader, wanted: Selection, when: Window) -> Iterator[Json]:
    """Log records in order; no more than those of one millisecond are held beside a page.

    Raises:
        OpenSearchError: They can't be read.
    """
    hits = reader.hits(log_pattern(reader), log_query(wanted, when))
    yield from in_order(hit.source for hit in hits)


def last_lines(reader: Reader, wanted: Selection, when: Window, number: int) -> list[Json]:
    """The last so many log records, in order.

    Raises:
        OpenSearchError: They can't be read.
    """
    found: list[Json] = []
    moment = ""
    # All of the millisecond in which the number is reached: which of them are the last, only their places tell.
    for hit in reader.hits(log_pattern(reader), log_query(wanted, when), newest_first=True):
        if len(found) >= number and _millisecond(hit.source) != moment:
            break
        moment = _millisecond(hit.source)
        found.append(hit.source)
    found.sort(key=place)
    return found[-number:] if number else []


def in_order(found: Iterable[Json]) -> Iterator[Json]:
    """Records that come by the millisecond -> by the nanosecond and the offset, which OpenSearch doesn't sort by."""
    for _, same in groupby(found, key=_millisecond):
        yield from sorted(same, key=place)


def place(record: Mapping[str, Any]) -> Place:
    """Where a line stood.

    Its id tells (`<pod>/<container>/<restart>/<stream>/<time>/<offset>`); one that is none of ours tells nothing.
    """
    time = record.get(fields.TIMESTAMP)
    parts = str(record.get(fields.ID) or "").rsplit("/", 5)
    pod, container, restart, _, _, offset = parts if len(parts) == len(Place._fields) + 1 else [""] * 6
    return Place(_padded(time) if isinstance(time, str) else "", pod, container, _number(restart), _number(offset))


def _padded(time: str) -> str:
    """A time whose text sorts: with nine digits behind the point, however many were written."""
    match = _FRACTION.search(time)
    digits = match[1] if match else ""
    head = time[: match.start()] if match else time.rstrip("Z")
    return f"{head}.{digits:0<{_NANOSECONDS}}"


def _millisecond(record: Mapping[str, Any]) -> str:
    time = record.get(fields.TIMESTAMP)
    return _padded(time)[:_MILLISECONDS] if isinstance(time, str) else ""


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
