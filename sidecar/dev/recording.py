"""A recording of a real cluster's Events: what one LIST answered, and the WATCH lines that followed.

The file is JSON Lines, so that a diff of it can be read:

    {"recording": "events/v1", "recorded": ..., "server": ..., "path": ..., "stripped": [...]}   the header
    {"list": {...}}                                     the answer to the LIST, an EventList
    {"at": 1.25, "type": "ADDED", "object": {...}}      a line of the WATCH, and its seconds since the LIST
    {"at": 1.25, "mark": "applied"}                     what the recorder did at that moment

Everything here is pure but `load`, which reads one file.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from sidecar.errors import DemoError

Json = dict[str, Any]

FORMAT = "events/v1"
SCENARIOS = Path(__file__).parent / "data" / "scenarios.jsonl"
WATCH_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED"})

# metav1.Time has seconds, metav1.MicroTime six digits more.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


@dataclass(frozen=True)
class Header:
    """Where a recording comes from.

    Attributes:
        recorded: When it was made, in RFC 3339.
        server: What the API server answered to GET /version.
        path: The API path that was listed and watched.
        stripped: What was taken out of the answers, in words.
    """

    recorded: str
    server: Json
    path: str
    stripped: tuple[str, ...] = ()


@dataclass(frozen=True)
class WatchLine:
    """One line of the WATCH: seconds since the LIST, ADDED, MODIFIED or DELETED, and the Event."""

    at: float
    type: str
    object: Json

    @property
    def version(self) -> int:
        """The resourceVersion that a watcher has seen once it has seen this line."""
        return version_of(self.object)


@dataclass(frozen=True)
class Recording:
    """A recording as a whole.

    Attributes:
        header: Where it comes from.
        listed: The EventList that the LIST answered: the state before the first line.
        lines: The lines of the WATCH, in the order in which they came.
        marks: What the recorder did, and how many seconds after the LIST: `applied`, `fixed`, `running`.
    """

    header: Header
    listed: Json
    lines: tuple[WatchLine, ...]
    marks: Mapping[str, float]

    @property
    def start_version(self) -> int:
        """The resourceVersion of the LIST."""
        return version_of(self.listed)

    @property
    def last_version(self) -> int:
        """The resourceVersion after the last line."""
        return self.lines[-1].version

    @property
    def seconds(self) -> float:
        """From the LIST to the last line."""
        return self.lines[-1].at

    @property
    def end(self) -> datetime:
        """The latest time in any of its objects."""
        return max(moment for document in self.documents() for moment in _moments(document))

    @property
    def total(self) -> int:
        """How many versions of Events it shows: the listed ones and those of ADDED and MODIFIED lines."""
        return sum(1 for _ in self.documents())

    def documents(self, *, until: str | None = None) -> Iterator[Json]:
        """Every version of every Event, in order.

        Args:
            until: A mark; what came after it is left out.
        """
        yield from self.listed["items"]
        limit = self.seconds if until is None else self.marks[until]
        yield from (line.object for line in self.lines if line.at <= limit and line.type != "DELETED")

    def shifted(self, now: datetime) -> "Recording":
        """The same, with every time moved by one constant so that it ends at `now`.

        The constant is whole seconds - it ends up to a second before `now` - because most times of Kubernetes have
        no fraction: with one, the distances between them and those with microseconds would change. Names keep the
        hexadecimal time that client-go puts into them: a name is opaque.
        """
        delta = timedelta(seconds=(now - self.end) // timedelta(seconds=1))
        return dataclasses.replace(
            self,
            listed=self.listed | {"items": [_shift(item, delta) for item in self.listed["items"]]},
            lines=tuple(dataclasses.replace(line, object=_shift(line.object, delta)) for line in self.lines),
        )


def version_of(thing: Json) -> int:
    """The resourceVersion of an object or a list, as the number that it is."""
    return int(thing["metadata"]["resourceVersion"])


def load(path: Path = SCENARIOS) -> Recording:
    """Reads a recording.

    Raises:
        DemoError: The file can't be read, or is not a recording.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DemoError(
            f"{path}: the recording can't be read: {error.strerror}", hint="reinstall the package"
        ) from error
    return parse(content, str(path))


def parse(content: bytes, name: str) -> Recording:
    """Makes a recording of a file's content, and checks it.

    Raises:
        DemoError: What is wrong, and in which line of `name`.
    """
    rows = [_row(text, f"{name}:{number}") for number, text in enumerate(content.splitlines(), 1)]
    if len(rows) < 2:  # noqa: PLR2004 - the header and the list
        raise DemoError(f"{name}: not a recording: it has {len(rows)} lines", hint=_HINT)
    header = _header(rows[0], f"{name}:1")
    listed = _listed(rows[1], f"{name}:2")
    lines: list[WatchLine] = []
    marks: dict[str, float] = {}
    seen, at = version_of(listed), 0.0
    for number, row in enumerate(rows[2:], 3):
        where = f"{name}:{number}"
        at = _offset(row, at, where)
        if "mark" in row:
            marks[str(row["mark"])] = at
            continue
        lines.append(_line(row, at, seen, where))
        seen = lines[-1].version
    if not lines:
        raise DemoError(f"{name}: not a recording: the watch has no line", hint=_HINT)
    return Recording(header, listed, tuple(lines), MappingProxyType(marks))


def dump(recording: Recording) -> bytes:
    """The content of the file that `parse` reads."""
    head = {"recording": FORMAT} | dataclasses.asdict(recording.header)
    lines: list[Json] = [dataclasses.asdict(line) for line in recording.lines]
    marks: list[Json] = [{"at": at, "mark": mark} for mark, at in recording.marks.items()]
    # A mark comes before the lines of the same moment only if it was made before: sorted() is stable.
    rows = [head, {"list": recording.listed}, *sorted([*marks, *lines], key=lambda row: float(row["at"]))]
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


_HINT = "make a new one with python -m sidecar.dev.record"


def _row(text: bytes, where: str) -> Json:
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DemoError(f"{where}: not JSON: {error}", hint=_HINT) from error
    if not isinstance(row, dict):
        raise DemoError(f"{where}: not a JSON object", hint=_HINT)
    return row


def _header(row: Json, where: str) -> Header:
    if row.get("recording") != FORMAT:
        raise DemoError(f"{where}: not a recording of format {FORMAT}: {row.get('recording')!r}", hint=_HINT)
    try:
        return Header(str(row["recorded"]), dict(row["server"]), str(row["path"]), tuple(row["stripped"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DemoError(f"{where}: the header lacks something: {error!r}", hint=_HINT) from error


def _listed(row: Json, where: str) -> Json:
    listed = row.get("list")
    if not isinstance(listed, dict) or listed.get("kind") != "EventList" or not isinstance(listed.get("items"), list):
        raise DemoError(f"{where}: not an EventList", hint=_HINT)
    _check_version(listed, where)
    for item in listed["items"]:
        _check_event(item, where)
    return listed


def _line(row: Json, at: float, seen: int, where: str) -> WatchLine:
    if row.get("type") not in WATCH_TYPES:
        raise DemoError(f"{where}: {row.get('type')!r} is none of {', '.join(sorted(WATCH_TYPES))}", hint=_HINT)
    event = row.get("object")
    _check_event(event, where)
    assert isinstance(event, dict)
    if version_of(event) <= seen:
        raise DemoError(f"{where}: resourceVersion {version_of(event)} does not follow {seen}", hint=_HINT)
    return WatchLine(at, row["type"], event)


def _offset(row: Json, before: float, where: str) -> float:
    at = row.get("at")
    if not isinstance(at, int | float) or isinstance(at, bool) or at < before:
        raise DemoError(f"{where}: at: {at!r} is not a number of seconds from {before}", hint=_HINT)
    return float(at)


def _check_event(event: Any, where: str) -> None:
    if not isinstance(event, dict) or event.get("kind", "Event") != "Event":
        raise DemoError(f"{where}: not an Event", hint=_HINT)
    _check_version(event, where)
    for field in ("uid", "name", "namespace"):
        if not isinstance(event["metadata"].get(field), str):
            raise DemoError(f"{where}: metadata.{field} is missing", hint=_HINT)
    for holder, key in _times(event):
        if not _TIME.fullmatch(str(holder[key])):
            raise DemoError(f"{where}: {key}: {holder[key]!r} is not a time as Kubernetes writes it", hint=_HINT)


def _check_version(thing: Json, where: str) -> None:
    metadata = thing.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not (isinstance(version, str) and version.isdecimal()):
        raise DemoError(f"{where}: metadata.resourceVersion: {version!r} is not a number in quotes", hint=_HINT)


def _times(event: Json) -> Iterator[tuple[Json, str]]:
    """Where an Event has a time: the object and the key; null is none."""
    metadata = event["metadata"]
    places = [
        (metadata, "creationTimestamp"),
        (metadata, "deletionTimestamp"),
        (event, "firstTimestamp"),
        (event, "lastTimestamp"),
        (event, "eventTime"),
        (event.get("series") or {}, "lastObservedTime"),
        *((entry, "time") for entry in metadata.get("managedFields") or ()),
    ]
    yield from ((holder, key) for holder, key in places if holder.get(key) is not None)


def _moments(event: Json) -> Iterator[datetime]:
    yield from (datetime.fromisoformat(holder[key]) for holder, key in _times(event))


def _shift(event: Json, delta: timedelta) -> Json:
    copy: Json = orjson.loads(orjson.dumps(event))
    for holder, key in _times(copy):
        text = holder[key]
        moment = datetime.fromisoformat(text).astimezone(UTC) + delta
        holder[key] = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if "." in text else "%Y-%m-%dT%H:%M:%SZ")
    return copy
