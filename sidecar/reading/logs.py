"""Lines of pods read back in the order of their writing: by the nanosecond, then by their place in the file."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

from sidecar.errors import InputError
from sidecar.reading.search import Hit, Reader
from sidecar.reading.selection import Selection, any_of, log_query
from sidecar.reading.window import Window
from sidecar.render import fields
from sidecar.render.indices import index_pattern, log_families

Json = dict[str, Any]
Runs = list[Json] | None
Hits = Iterator[Hit]

_MOST_PODS = 500
_LAST = {"order": {"_key": "desc"}}

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


def hits(reader: Reader, wanted: Selection, when: Window, *, newest_first: bool = False, runs: Runs = None) -> Hits:
    """Log records by the millisecond.

    Args:
        reader: OpenSearch.
        wanted: Which.
        when: By when they were written.
        newest_first: The newest first.
        runs: Only of these; see `previous_runs`.

    Raises:
        OpenSearchError: They can't be read.
    """
    query = log_query(wanted, when)
    if runs is not None:
        query = {"bool": {"filter": [query, any_of(runs) if runs else {"match_none": {}}]}}
    yield from reader.hits(log_pattern(reader), query, newest_first=newest_first)


def lines(reader: Reader, wanted: Selection, when: Window, *, runs: Runs = None) -> Iterator[Json]:
    """Log records in order; no more than those of one millisecond are held beside a page. See `hits`."""
    yield from in_order(hit.source for hit in hits(reader, wanted, when, runs=runs))


def last_lines(reader: Reader, wanted: Selection, when: Window, number: int, *, runs: Runs = None) -> list[Json]:
    """The last so many log records, in order. See `hits`."""
    return last_of((hit.source for hit in hits(reader, wanted, when, newest_first=True, runs=runs)), number)


def last_of(found: Iterable[Json], number: int) -> list[Json]:
    """The last so many of records that come the newest first, by the millisecond; in order."""
    kept: list[Json] = []
    moment = ""
    # All of the millisecond in which the number is reached: which of them are the last, only their places tell.
    for record in found:
        if len(kept) >= number and _millisecond(record) != moment:
            break
        moment = _millisecond(record)
        kept.append(record)
    kept.sort(key=place)
    return kept[-number:]


def previous_runs(reader: Reader, wanted: Selection, when: Window) -> list[Json]:
    """Queries for the run of each container before its last one, as far as there are lines of both.

    Raises:
        OpenSearchError: They can't be told.
        InputError: There are too many containers.
    """
    pod, container, run = (f"kubernetes.{name}" for name in ("pod_id", "container_name", "restart_count"))
    names = {
        "terms": {"field": container, "size": 100},
        "aggs": {"runs": {"terms": {"field": run, "size": 2, **_LAST}}},
    }
    body = {
        "size": 0,
        "query": log_query(replace(wanted, level="", words=""), when),
        "aggs": {"pods": {"terms": {"field": pod, "size": _MOST_PODS + 1}, "aggs": {"containers": names}}},
    }
    pods = reader.search(log_pattern(reader), body).get("aggregations", {}).get("pods", {}).get("buckets", [])
    if len(pods) > _MOST_PODS:
        raise InputError(f"--previous of more than {_MOST_PODS} pods", hint="name a pod, a workload or a shorter time")
    return [
        {"bool": {"filter": [{"term": {pod: one["key"]}}, {"term": {container: part["key"]}}, {"term": {run: last}}]}}
        for one in pods
        for part in one["containers"]["buckets"]
        for last in [each["key"] for each in part["runs"]["buckets"]][1:]
    ]


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
