"""Read the journal from its oldest line on, a batch at a time, and delete what is done with."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from sidecar.errors import JournalError
from sidecar.events.journal import Journal
from sidecar.opensearch import Document
from sidecar.render import fields

_INDEX = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}\Z")
_MAX_ID = 512
"""Bytes; OpenSearch refuses the whole request for a longer id."""
_READ_BYTES = 4 * 1024 * 1024


class Place(NamedTuple):
    """Before a line: in the `turn`th segment that was read, at `offset`. An earlier place is less."""

    turn: int
    segment: Path
    offset: int


@dataclass(frozen=True)
class Batch:
    """Documents in the order of the journal; `unreadable` lines were none (a torn line, a damaged disk)."""

    documents: list[Document]
    unreadable: int


class Reader:
    """A cursor. Use it from one thread."""

    def __init__(self, journal: Journal, *, lines: int = 1000) -> None:
        self._journal = journal
        self._lines = lines
        self._turn = 0
        self._segment: Path | None = None
        self._offset = 0
        self._ahead = 0
        # Gone past, and not deleted yet. What is kept holds up all that comes after it.
        self._behind: list[tuple[int, Path]] = []
        self._kept: Place | None = None

    @property
    def place(self) -> Place | None:
        """Before the last batch; None before the first."""
        return None if self._segment is None else Place(self._turn, self._segment, self._offset)

    def next(self) -> Batch:
        """The next lines, up to as many as one batch holds; an empty batch where there are none yet.

        Raises:
            JournalError: A segment can't be read; or lines are lost, which is said once and read again.
        """
        self._journal.check()
        past = {segment for _, segment in self._behind}
        segments = [segment for segment in self._journal.segments() if segment not in past]
        for segment in sorted(segments, key=lambda segment: segment != self._segment):  # to its end first
            if segment != self._segment:
                self._leave()
                self._turn, self._segment, self._offset = self._turn + 1, segment, 0
            # Asked before reading: what is appended in between is seen by the next call.
            growing = self._journal.is_open(segment)
            batch = self._read(segment)
            if batch.documents or batch.unreadable or growing:
                return batch
        return Batch([], 0)

    def done(self, kept: Place | None = None) -> None:
        """The last batch is safe; go past it, and delete what lies behind.

        Args:
            kept: What comes after this place, and was set aside, is not safe yet.
        """
        self._offset += self._ahead
        self._ahead = 0
        self._kept = kept
        if (here := self.place) is not None:
            safe = here if kept is None else min(here, kept)
            self._journal.reached(safe.segment, safe.offset)
        self._delete()

    def _leave(self) -> None:
        self._journal.check()  # before what was cut meanwhile is taken for its end
        if self._segment is not None and not self._journal.is_open(self._segment):
            self._behind.append((self._turn, self._segment))
        self._delete()

    def _delete(self) -> None:
        while self._behind and (self._kept is None or self._behind[0][0] < self._kept.turn):
            self._journal.delete(self._behind[0][1])
            del self._behind[0]

    def _read(self, segment: Path) -> Batch:
        try:
            with segment.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read(_READ_BYTES)
                while data and b"\n" not in data and (more := stream.read(_READ_BYTES)):
                    data += more
        except OSError as error:
            raise JournalError(
                f"journal: {segment}: {error.strerror}", hint="check owner and mode of paths.state"
            ) from error
        # What has no line break at its end is still being written, or was torn by a crash.
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)[: self._lines]
        self._ahead = sum(map(len, lines))
        documents = [document for line in lines if (document := parse_line(line)) is not None]
        return Batch(documents, len(lines) - len(documents))


def parse_line(line: bytes) -> Document | None:
    """The document of a line, or None where it isn't one."""
    try:
        found = orjson.loads(line)
        index, key = found[fields.INDEX], found[fields.ID]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    sound = isinstance(index, str) and isinstance(key, str) and _INDEX.match(index) and 0 < len(key.encode()) <= _MAX_ID
    return Document(index, key, line) if sound else None
