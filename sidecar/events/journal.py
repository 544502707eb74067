"""The journal: append-only segments of JSON lines, which Fluent Bit tails and the confirmation reads.

A segment is never truncated, rewritten or renamed, because Fluent Bit is reading it; it is deleted as a whole when all
of it is confirmed. Its name never comes again. After a crash every segment that is there is left as it is, a torn last
line included: what it was to hold comes again, because the position was not moved past it, and goes to a new one.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from sidecar.errors import JournalError
from sidecar.events.folder import Closed, Lock, failed, files, next_name, read_position, remove, size_of, write_position
from sidecar.events.following import Position
from sidecar.events.marks import Marks
from sidecar.events.segment import Segment, make_folder

_HINT = "leave that folder alone, and check its disk"
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
        self._position = read_position(folder / "position.json")
        self._pending: Position | None = None
        self._marks = Marks()
        self._torn = self._dirty = self._lost = self._ended = False
        self._open: frozenset[Path] = frozenset()
        self._newest = 0
        try:
            make_folder(folder)
            self._owner = Lock(folder / "lock")
            self._closed = Closed({path: size_of(path) for path in self.segments()})
            self._old = self._closed.size
            # The next segment is there before it is needed, so that Fluent Bit has found it by then.
            self._active, self._next = self._create(), self._create()
        except OSError as error:
            raise failed(folder, error) from error

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
        """All segments, oldest first; the open ones come last, whatever names others have brought."""
        opened = self._open
        return sorted(files(self._folder), key=lambda path: (path in opened, path))

    def is_open(self, segment: Path) -> bool:
        """Whether more may be appended to a segment."""
        return segment in self._open

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
            if self._ended:  # another journal may have the folder by now
                raise JournalError("journal: is closed")
            try:
                while self.size + len(data) > self._cap and self.size and not self._lost:
                    if stop():
                        return False
                    if self._active.size:
                        self._roll()  # only a closed segment can be deleted
                    self._room.wait(0.2)
                if self._lost:
                    self._lost = False
                    raise JournalError("journal: what was lost with a segment is read again")
                self._write(data)
            except OSError as error:
                if self._active.spoiled:
                    self._forget()
                raise failed(self._folder, error) from error
            if position is not None:
                self._pending = position
                self._marks.set(self._active.path, self._active.size, position)
            self._dirty = True
        if data:
            self._appended.set()
        return True

    def commit(self) -> None:
        """Make what was appended safe from a crash of the machine, then move the position."""
        if self._ended:
            return
        self.check()
        with self._lock:
            if not self._dirty:
                return
            active, pending = self._active, self._pending
            self._pending, self._dirty = None, False
        try:
            active.sync()
            lost = "was removed while it was written to" if active.is_lost() else ""
        except OSError as error:
            lost = f"could not be made safe: {error.strerror}"
        if lost:
            self._begin_anew(active)
            raise JournalError(f"journal: {active.path} {lost}", hint=_HINT)
        if pending is None:
            return
        try:
            write_position(self._folder / "position.json", pending)
            self._position = pending
        except OSError as error:
            self._keep(pending)
            raise failed(self._folder, error) from error

    def _keep(self, pending: Position) -> None:
        """It could not be written: the next commit does, unless a newer one came or its lines were lost meanwhile."""
        with self._lock:
            self._dirty = True
            if not self._lost:
                self._pending = self._pending or pending

    def check(self) -> None:
        """Notice what others did to closed segments of which not all is confirmed; what is lost is read again.

        Raises:
            JournalError: One was removed or cut; raised once.
        """
        with self._lock:
            lost = self._closed.take_lost()
            if not lost:
                return
            self._forget()
            self._count()
        raise JournalError(f"journal: {lost[0]} was removed or cut before all of it was confirmed", hint=_HINT)

    def _begin_anew(self, lost: Segment) -> None:
        """What is in the file that was written to is lost, so the position must not move."""
        with self._lock:
            self._forget()
            self._dirty = True
            try:
                make_folder(self._folder)
                self._owner.renew()
                while self._active.is_lost():  # the one made ahead may have gone too
                    self._roll()
                self._closed.drop(lost.path)
                self._count()
            except OSError as error:
                raise failed(self._folder, error) from error

    def _forget(self) -> None:
        """Lines are lost: no position may move past them, and the next append tells who reads it all again."""
        self._lost = True
        self._pending = None
        self._marks.drop()

    def _count(self) -> None:
        self._old = sum(max(size_of(path), 0) for path in self.segments() if not self.is_open(path))
        self._room.notify_all()

    def forget_positions(self) -> None:
        """`confirmed` is to be of what comes from now on: somebody else went on meanwhile, and further."""
        with self._lock:
            self._marks = Marks()

    def reached(self, segment: Path, offset: int) -> None:
        """All lines of earlier segments, and of this one up to `offset`, are confirmed."""
        with self._lock:
            self._closed.reached(segment, offset)
            if segment <= self._next.path:  # a file of others, named for the future, is before none of ours
                self._marks.reached(segment, offset)

    def wait_for_lines(self, seconds: float) -> bool:
        """Wait until something is appended; True if it was."""
        there = self._appended.wait(seconds)
        self._appended.clear()
        return there

    def delete(self, segment: Path) -> None:
        """Delete a segment that nobody needs any more, and wake who waits for room."""
        with self._lock:
            if self._ended:
                return
            self._closed.drop(segment)
        remove(segment)
        with self._lock:
            self._count()  # anew: somebody else may have deleted one

    def close(self) -> None:
        """Commit, and close the files; empty segments are removed."""
        try:
            with ExitStack() as stack:  # each is done whatever comes of the others
                stack.callback(self._owner.release)
                stack.callback(self._end)
                self.commit()
        except OSError as error:
            raise failed(self._folder, error) from error

    def _end(self) -> None:
        with self._lock:
            self._ended = True
        try:
            self._active.end()
        finally:
            self._next.end()

    def _write(self, data: bytes) -> None:
        # After a write that failed half-way (a full disk) the torn line stays, and what follows goes elsewhere.
        full = self._active.size and self._active.size + len(data) > self._segment_bytes
        if self._torn or self._active.spoiled or full:
            self._roll()
        before = self._active.size
        try:
            self._active.write(data)
        except OSError:
            self._torn = self._active.size > before
            raise

    def _roll(self) -> None:
        # What may fail comes first, so that it can be repeated.
        if not self._active.spoiled:
            self._active.sync()
        fresh = self._create()
        closed, self._active, self._next = self._active, self._next, fresh
        self._open = frozenset({self._active.path, self._next.path})
        self._old += closed.size
        if not closed.spoiled:
            self._closed.add(closed.path, closed.size)
        self._torn = False
        closed.close()

    def _create(self) -> Segment:
        self._newest = next_name({int(path.stem) for path in self.segments()}, self._newest)
        path = self._folder / f"{self._newest:016d}.jsonl"
        self._open |= {path}  # before it is there: who sees it must not take it for closed
        return Segment(path)
