"""What lies in the journal's folder: the segments' names and sizes, the lock, and the position."""

import fcntl
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from sidecar.errors import JournalError
from sidecar.events.following import Position
from sidecar.events.segment import FILE_MODE, same_file

_NAME = re.compile(r"[0-9]{16}\.jsonl\Z")
_DAY, _LAST = 86_400 * 10**6, 10**16 - 1
"""Microseconds, and the last of 16 digits."""


def files(folder: Path) -> list[Path]:
    """All that are named like segments, in no order.

    Raises:
        JournalError: The folder can't be read.
    """
    try:
        return [path for path in folder.iterdir() if _NAME.match(path.name)]
    except OSError as error:
        raise failed(folder, error) from error


def next_name(names: set[int], last: int) -> int:
    """The number of a new segment: the time, and more than that of any before, even if the clock was set back.

    Args:
        names: What is there. One that is more than a day ahead is no place to go on from: soon none would be left.
        last: The last number given; 0 for none.
    """
    now = min(time.time_ns() // 1000, _LAST - _DAY)
    newest = max((name for name in names if name <= now + _DAY), default=0)
    number = max(now, newest + 1, last + 1)
    while number in names:
        number += 1
    return number


class Closed:
    """The closed segments of which not all is confirmed, with their sizes: nobody else is to touch them."""

    def __init__(self, sizes: Mapping[Path, int]) -> None:
        self._sizes = {path: size for path, size in sizes.items() if size}

    @property
    def size(self) -> int:
        """What they were to take together."""
        return sum(self._sizes.values())

    def add(self, path: Path, size: int) -> None:
        """One more was closed."""
        if size:
            self._sizes[path] = size

    def drop(self, path: Path) -> None:
        """Nobody needs it any more, or it is known to be lost."""
        self._sizes.pop(path, None)

    def reached(self, path: Path, offset: int) -> None:
        """All of it up to `offset` is confirmed."""
        if offset >= self._sizes.get(path, offset + 1):
            del self._sizes[path]

    def take_lost(self) -> list[Path]:
        """Those that are gone or shorter than they were, once."""
        lost = [path for path, size in self._sizes.items() if size_of(path) < size]
        for path in lost:
            del self._sizes[path]
        return lost


class Lock:
    """A file that is locked for as long as this process lives: two sidecars would read each other's open segments.

    Raises:
        JournalError: Another one has it.
        OSError: It can't be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _locked(path)

    def renew(self) -> None:
        """Lock it again where it went with its folder."""
        if not same_file(self._file, self._path):
            before, self._file = self._file, _locked(self._path)
            os.close(before)

    def release(self) -> None:
        """Let another one have it."""
        os.close(self._file)


def _locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise JournalError(
            f"journal: another sidecar uses {path.parent}", hint="stop it, or give this one a paths.state of its own"
        ) from None
    return handle


def write_position(path: Path, position: Position) -> None:
    """Put a position in the place of the last one, safe from a crash of the machine."""
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, FILE_MODE)) as stream:
        stream.write(orjson.dumps({"resourceVersion": position.resource_version, "time": position.time}))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def read_position(path: Path) -> Position | None:
    """The position that was written last; None where there is none, or none that can be read."""
    try:
        found = orjson.loads(path.read_bytes())
        return Position(str(found["resourceVersion"]), float(found["time"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a list of everything serves as well


def size_of(path: Path) -> int:
    """What a file takes; -1 where it isn't there.

    Raises:
        JournalError: It can't be told.
    """
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return -1
    except OSError as error:
        raise failed(path, error) from error


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        JournalError: It can't be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise failed(path, error) from error


def failed(path: Path, error: OSError) -> JournalError:
    """The error for what the system says of the folder."""
    return JournalError(f"journal: {path}: {error.strerror}", hint="check space, owner and mode of paths.state")
