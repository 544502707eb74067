"""What Fluent Bit's filter counts, from the file that it replaces once a second.

Its values begin at 0 with every start of Fluent Bit; what is shown goes on from where it was.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.logs.metrics import ContainerCounters

COUNTED = {
    "unenriched": "Records that went out without what is known of their pod: it is not in the table of pods.",
    "old": "Records that did not go out, because they are older than the index keeps them.",
    "skewed": "Records of more than a day ahead, which went to an index of their own.",
    "truncated": "Records that were cut at logs.maxLine.",
    "malformed": "Lines that are not as a container runtime writes them; they go out as they are.",
    "limited": "Records that did not go out, because their container wrote more than logs.limit in that minute.",
    "redacted": "Records in which something was replaced.",
    "not_json": "Lines that look like JSON and are not.",
    "flushed_by_timer": "Records that went out by a guess that they are complete: the file is gone, or not read on.",
    "not_journaled": "Held lines that could not be written to the filter's journal: a crash would lose them.",
    "failed": "Failures of the filter itself; the lines go out as they are.",
}
"""What each name in the file means."""
DONE = "done"
_HEADER = re.compile(r"# fluent-sidecar counters 1\t(\S+)\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_PARTS = 3
_MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Reading:
    """The file's content.

    Attributes:
        start: Id of the start of Fluent Bit that wrote it.
        values: By name and key: `-`, or `<namespace>/<pod>/<container>`.
        done: Links of the backfill that were read to their ends, and their bytes.
    """

    start: str
    values: dict[tuple[str, str], int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)


def parse(text: str) -> Reading | None:
    """The content of the file; None where it isn't one. Lines that are not understood are left out."""
    head, _, rest = text.partition("\n")
    header = _HEADER.match(head)
    if not header:
        return None
    reading = Reading(header[1])
    lines, _, _torn = rest.rpartition("\n")
    for line in lines.split("\n"):
        parts = line.split("\t")
        if len(parts) != _PARTS or not (parts[2].isascii() and parts[2].isdigit()):
            continue
        name, key, value = parts[0], parts[1], int(parts[2])
        if name == DONE:
            reading.done[key] = value
        elif _NAME.match(name):
            reading.values[name, key] = value
    return reading


class FilterCounters:
    """Reads the file, and shows what it counts."""

    def __init__(self, path: Path, shown: ContainerCounters) -> None:
        self._path = path
        self._shown = shown
        self._last: Reading | None = None
        self._stamp: tuple[int, int] | None = None
        for name, text in COUNTED.items():
            shown.declare(name, text)

    def read(self) -> Reading | None:
        """The newest content that could be read, after what it adds was counted; None until there is one."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp == self._stamp or found.st_size > _MOST_BYTES:
                return self._last
            reading = parse(self._path.read_text(errors="replace"))
        except OSError:
            return self._last
        if reading is not None:
            self._count(reading)
            self._last, self._stamp = reading, stamp
        return self._last

    def _count(self, reading: Reading) -> None:
        before = self._last.values if self._last and self._last.start == reading.start else {}
        for (name, key), value in reading.values.items():
            earlier = before.get((name, key), 0)
            # One that was forgotten and counted anew.
            more = value - earlier if value >= earlier else value
            if more:
                self._shown.add(name, key, more)
