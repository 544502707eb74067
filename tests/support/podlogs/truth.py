"""What a generator wrote."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from tests.support.podlogs import lines
from tests.support.podlogs.writer import Writer


@dataclass(frozen=True)
class LogTruth:
    """What was written of one container.

    Attributes:
        path: Its file, below the folder of all pods.
        kinds: A letter of `lines.KINDS` for each record, by number.
        traces: How many lines of a stack trace are marked, by record.
        copies: Lines of a record of kind COPIES or COPIES_MS.
        files: Final names of its files, each with the number of the first record that begins in it.
        offsets: Where each record begins in its file.
        times: When its first line was written, in ns since 1970.
        restart: The container's restart count.
        streams: `o` for stdout or `e` for stderr, by record.
        bytes: Of all its files.
        lines: All of them, a text in parts counted once.
        divided: Records that a rotation divides: a record is of one file, so each is two documents.
    """

    key: str
    path: str
    kinds: str
    traces: dict[int, int]
    copies: int
    files: list[tuple[str, int]]
    offsets: "array[int]"
    times: "array[int]"
    bytes: int
    lines: int
    restart: int
    streams: str
    divided: frozenset[int]

    @property
    def marked(self) -> int:
        """Lines that have a mark: all but the first of a Python trace and the empty ones of a Go trace."""
        return sum(self.owed(number) for number in range(len(self.kinds)))

    @property
    def documents(self) -> int:
        """What a pipeline makes of it that joins stack traces: a trace that paused too long is two."""
        return sum(
            2 if kind == lines.PARTED else self.copies if kind in {lines.COPIES, lines.COPIES_MS} else 1
            for kind in self.kinds
        )

    def owed(self, number: int) -> int:
        """Lines with a mark that a record has."""
        kind = self.kinds[number]
        if kind in lines.TRACES:
            return self.traces[number]
        return self.copies if kind in {lines.COPIES, lines.COPIES_MS} else 1

    def place(self, number: int) -> str:
        """Where a record was written, for messages."""
        name = next(name for name, first in reversed(self.files) if first <= number)
        return f"{self.key}#{number} ({self.kinds[number]}) in {name} at {self.offsets[number]}"


@dataclass(frozen=True)
class Truth:
    """All that one generator, or several, wrote."""

    logs: dict[str, LogTruth]
    seconds: float
    rotations: int
    removed: int
    """Files that rotation removed."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What a generator's process has written."""
        content: dict[str, Any] = orjson.loads((folder / "truth.json").read_bytes())
        logs = {}
        for key, log in content["logs"].items():
            numbers = {what: _numbers(folder / f"{key}.{what}") for what in ("offsets", "times")}
            logs[key] = _log_truth(key, log, numbers["offsets"], numbers["times"])
        return cls(logs, content["seconds"], content["rotations"], content["removed"])

    @classmethod
    def of(cls, writers: Iterable[Writer]) -> Self:
        """What writers of this process have written."""
        logs = {each.log.key: _log_truth(each.log.key, each.truth(), each.offsets, each.times) for each in writers}
        return cls(logs, 0, 0, 0)

    @property
    def bytes(self) -> int:
        return sum(log.bytes for log in self.logs.values())

    @property
    def lines(self) -> int:
        """Lines, a text in parts counted once."""
        return sum(log.lines for log in self.logs.values())

    @property
    def documents(self) -> int:
        """What a pipeline makes of it that joins stack traces."""
        return sum(log.documents for log in self.logs.values())

    def plus(self, other: "Truth") -> "Truth":
        """Both; their containers must be different ones."""
        assert not self.logs.keys() & other.logs.keys()
        return Truth(
            {**self.logs, **other.logs},
            max(self.seconds, other.seconds),
            self.rotations + other.rotations,
            self.removed + other.removed,
        )


def _numbers(file: Path) -> "array[int]":
    numbers = array("Q")
    numbers.frombytes(file.read_bytes())
    return numbers


def _log_truth(key: str, content: dict[str, Any], offsets: "array[int]", times: "array[int]") -> LogTruth:
    traces = {int(number): count for number, count in content.pop("traces").items()}
    divided = frozenset(content.pop("divided"))
    files = [(name, first) for name, first in content.pop("files")]
    return LogTruth(key=key, traces=traces, files=files, offsets=offsets, times=times, divided=divided, **content)
