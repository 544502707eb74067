"""Events read back: every version in a window, or of each Event the newest."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sidecar.reading.search import Reader
from sidecar.reading.selection import Selection, event_query
from sidecar.reading.window import Window
from sidecar.render import fields
from sidecar.render.indices import event_index_pattern

Json = dict[str, Any]
Made = TypeVar("Made")

ADDED = (*fields.RECORD_FIELDS, "workload")
"""What a document has on top of the Event."""


def versions(
    reader: Reader,
    wanted: Selection,
    when: Window,
    *,
    only: Sequence[str] = (),
    newest_first: bool = False,
    gaps: bool = True,
) -> Iterator[Json]:
    """Every version of every Event that was seen in a window, by when it was seen; and the gaps in it.

    Args:
        reader: OpenSearch.
        wanted: Which.
        when: By `@timestamp`, the time at which the Event was last seen.
        only: Fields; whole documents where none is said.
        newest_first: The newest first.
        gaps: Whether documents of kind `EventGap` are wanted too, whatever else is.

    Raises:
        OpenSearchError: They can't be read.
    """
    query = event_query(wanted, when, gaps=gaps)
    for hit in reader.hits(event_pattern(reader), query, only=only, newest_first=newest_first):
        yield hit.source


def event_pattern(reader: Reader) -> str:
    """The pattern of the indices that Events are in."""
    return event_index_pattern(reader.config.events)


def newest(found: Iterable[Json], make: Callable[[Json], Made], *, last: int | None = None) -> list[Made]:
    """Of each Event its newest version, as kubectl shows one row an Event: the one that was last seen comes last.

    Args:
        found: Versions, the newest first; only what is made of them is held.
        make: What is kept of one.
        last: The most that are wanted: the newest of them. No more is read than that takes.
    """
    kept: dict[str, tuple[int, Made]] = {}
    for event in found:
        key, number = identity(event), version(event)
        there = kept.get(key)
        if there is None and last is not None and len(kept) >= last:
            break
        # Several of one second come in no order; the clock of who wrote an Event may also have been set back.
        if there is None or number > there[0]:
            kept[key] = (number, make(event))
    return [made for _, made in reversed(kept.values())]


def identity(event: Mapping[str, Any]) -> str:
    """What is the same in all versions of an Event."""
    metadata = event.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, Mapping) else None
    return uid if isinstance(uid, str) and uid else str(event.get(fields.ID, id(event)))


def version(event: Mapping[str, Any]) -> int:
    """Its resourceVersion, which grows; 0 where it is none."""
    metadata = event.get("metadata")
    number = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
    return int(number) if isinstance(number, str) and number.isdecimal() else 0


def is_gap(event: Mapping[str, Any]) -> bool:
    """Whether a document says that Events may be missing."""
    return event.get("kind") == fields.GAP


def as_kubernetes(event: Mapping[str, Any]) -> Json:
    """An Event as the API server has it, without what a document has on top."""
    found = {name: value for name, value in event.items() if name not in ADDED}
    about = found.get("involvedObject")
    if isinstance(about, Mapping):
        found["involvedObject"] = {
            name: value for name, value in about.items() if name not in {"labels", "annotations"}
        }
    return {"apiVersion": found.pop("apiVersion", "v1"), "kind": found.pop("kind", "Event"), **found}


def sort_key(event: Mapping[str, Any], path: str) -> tuple[int, float, str]:
    """What Events are sorted by: the value at a path. Those without it come first, then numbers, then texts."""
    value: Any = event
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return 0, 0.0, ""
    return (1, float(value), "") if isinstance(value, (int, float)) else (2, 0.0, str(value))
