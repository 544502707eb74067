"""The journal: append-only segments of JSON lines, which Fluent Bit tails and the confirmation reads.

A segment is never truncated, rewritten or renamed, because Fluent Bit is reading it; it is deleted as a whole when all
of it is confirmed. Its name never comes again. After a crash every segment that is there is left as it is, a torn last
line included: what it was to hold comes again, because the position was not moved past it, and goes to a new one.
"""

import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson

from sidecar.errors import JournalError
from sidecar.events.following import Position
from sidecar.events.marks import Marks
from sidecar.events.segment import FILE_MODE, Segment, make_folder, same_file

_NAME = re.compile(r"\d{16}\.jsonl\Z")
_POSITION = "position.json"
_LOCK = "lock"
SEGMENT_BYTES = 16 * 1024 * 1024


class Journal:
    """Appends lines; safe to use from several threads.

    Args:
        folder: Where the segments are; made if it isn't there.
        cap: Bytes that all segments together may take; `append` waits above it.
        segment_bytes: Size at which a segment is closed.

    Raises:
        JournalError: By every method: the folder can't be written or read.
    """

    def __init__(self, folder: Path, *, cap: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._cap = cap
        self._segment_bytes = min(segment_bytes, max(cap // 8, 1))
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._appended = threading.Event()
        self._position = _read_position(folder / _POSITION)
        self._pending: Position | None = None
        self._marks = Marks()
        self._torn = self._dirty = self._removed = False
        try:
            make_folder(folder)
            self._owner = _own(folder / _LOCK)
            self._old = sum(path.stat().st_size for path in self.segments())
            # The next segment is there before it is needed, so that Fluent Bit has found it by then.
            self._active, self._next = self._create(), self._create()
        except OSError as error:
            raise _failed(folder, error) from error

    @property
    def position(self) -> Position | None:
        """The last position that is safe on disk, also from before a restart."""
        return self._position

    @property
    def confirmed(self) -> Position | None:
        """The last position of which all is confirmed; None while there is none since the start."""
        return self._marks.confirmed

    @property
    def size(self) -> int:
        """What all segments take."""
        return self._old + self._active.size

    def segments(self) -> list[Path]:
        """All segments, oldest first."""
        try:
            return sorted(path for path in self._folder.iterdir() if _NAME.match(path.name))
        except OSError as error:
            raise _failed(self._folder, error) from error

    def is_open(self, segment: Path) -> bool:
        """Whether more may be appended to a segment."""
        return segment in {self._active.path, self._next.path}

    def append(
        self, lines: Iterable[bytes], *, position: Position | None = None, stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Append whole lines, and note the position that they reach.

        They are safe from a crash of the process at once, from one of the machine after the next `commit`.

        Args:
            lines: JSON, each with a line break at its end and nowhere else.
            position: Everything up to it has been appended.
            stop: Asked while the journal is full; True gives up.

        Returns:
            False where `stop` gave up; then nothing was appended.
        """
        data = b"".join(lines)
        with self._lock:
            if self._removed:
                self._removed = False
                raise JournalError("journal: what went with a removed segment is read again")
            try:
                while self.size + len(data) > self._cap and self.size:
                    if stop():
                        return False
                    if self._active.size:
                        self._roll()  # only a closed segment can be deleted
                    self._room.wait(0.2)
                self._write(data)
            except OSError as error:
                raise _failed(self._folder, error) from error
            if position is not None:
                self._pending = position
                self._marks.set(self._active.path, self._active.size, position)
            self._dirty = True
        if data:
            self._appended.set()
        return True

    def commit(self) -> None:
        """Make what was appended safe from a crash of the machine, then move the position."""
        with self._lock:
            if not self._dirty:
                return
            active, pending = self._active, self._pending
            self._pending, self._dirty = None, False
        try:
            if active.is_gone():
                self._begin_anew(active)
            active.sync()
            if pending is not None:
                _write_position(self._folder / _POSITION, pending)
                self._position = pending
        except OSError as error:
            with self._lock:
                self._dirty = True
                if self._pending is None:
                    self._pending = pending
            raise _failed(self._folder, error) from error

    def _begin_anew(self, gone: Segment) -> None:
        """Somebody removed the file that is written to; what is in it is lost, so the position must not move."""
        with self._lock:
            make_folder(self._folder)
            if not same_file(self._owner, self._folder / _LOCK):  # the lock went with its folder
                before, self._owner = self._owner, _own(self._folder / _LOCK)
                os.close(before)
            while self._active.is_gone():  # the one made ahead may have gone too
                self._roll()
            self._removed = True
            self._pending = None
            self._marks.drop()
        text = f"journal: {gone.path} was removed while it was written to"
        raise JournalError(text, hint="leave that folder alone")

    def forget_positions(self) -> None:
        """`confirmed` is to be of what comes from now on: somebody else went on meanwhile, and further."""
        with self._lock:
            self._marks = Marks()

    def reached(self, segment: Path, offset: int) -> None:
        """All lines of earlier segments, and of this one up to `offset`, are confirmed."""
        with self._lock:
            self._marks.reached(segment, offset)

    def wait_for_lines(self, seconds: float) -> bool:
        """Wait until something is appended; True if it was."""
        there = self._appended.wait(seconds)
        self._appended.clear()
        return there

    def delete(self, segment: Path) -> None:
        """Delete a segment that nobody needs any more, and wake who waits for room."""
        try:
            segment.unlink(missing_ok=True)
            with self._lock:
                # Counted anew: somebody else may have deleted one.
                self._old = sum(path.stat().st_size for path in self.segments() if not self.is_open(path))
                self._room.notify_all()
        except OSError as error:
            raise _failed(segment, error) from error

    def close(self) -> None:
        """Commit, and close the files; empty segments are removed."""
        try:
            self.commit()
            for segment in (self._active, self._next):
                segment.close()
                if not segment.size:
                    segment.path.unlink(missing_ok=True)
        finally:
            os.close(self._owner)

    def _write(self, data: bytes) -> None:
        # After a write that failed half-way (a full disk) the torn line stays, and what follows goes elsewhere.
        if self._torn or (self._active.size and self._active.size + len(data) > self._segment_bytes):
            self._roll()
        before = self._active.size
        try:
            self._active.write(data)
        except OSError:
            self._torn = self._active.size > before
            raise

    def _roll(self) -> None:
        # What may fail comes first, so that it can be repeated.
        self._active.sync()
        fresh = self._create()
        closed, self._active, self._next = self._active, self._next, fresh
        self._old += closed.size
        self._torn = False
        closed.close()

    def _create(self) -> Segment:
        newest = max((int(path.stem) for path in self.segments()), default=0)
        # Never a name that was there before, even if the clock was set back while the folder was empty.
        return Segment(self._folder / f"{max(time.time_ns() // 1000, newest + 1):016d}.jsonl")


def _own(path: Path) -> int:
    """Lock a file for as long as this process lives: two sidecars would take each other's open segments for closed."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise JournalError(
            f"journal: another sidecar uses {path.parent}", hint="stop it, or give this one a paths.state of its own"
        ) from None
    return handle


def _write_position(path: Path, position: Position) -> None:
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, FILE_MODE)) as stream:
        stream.write(orjson.dumps({"resourceVersion": position.resource_version, "time": position.time}))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def _read_position(path: Path) -> Position | None:
    try:
        found = orjson.loads(path.read_bytes())
        return Position(str(found["resourceVersion"]), float(found["time"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none, or none that can be read: a list of everything serves as well


def _failed(path: Path, error: OSError) -> JournalError:
    return JournalError(f"journal: {path}: {error.strerror}", hint="check space, owner and mode of paths.state")
