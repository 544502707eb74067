"""One container's log file, written as containerd writes it."""

import os
import time
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.podlogs import lines
from tests.support.podlogs.spec import Log, Spec

PART = 16 * 1024
"""Bytes after which containerd cuts a line, and tags the piece P."""
_STDOUT, _STDERR = 0, 1
_STREAMS = (b"stdout", b"stderr")
_BLOCK, _BLOCK_LINES = 32 * 1024, 64
_BATCH = 1024
_STEP = 700  # ns from one line to the next


class Writer:
    """Writes the records of one container, and remembers what and where.

    A line is always written as a whole, as containerd does it; between two of them, be they parts of one text, the
    file may become another one.
    """

    def __init__(self, log: Log, spec: Spec) -> None:
        self.log = log
        self._spec = spec
        self._root = Path(spec.root)
        self._texts = lines.Texts(log.key, spec.seed)
        self._at = {int(number): lines.KINDS[name] for number, name in spec.at.items()}
        self._copies = {lines.COPIES: spec.copies, lines.COPIES_MS: spec.copies}
        self._streams = [self._records(_STDOUT), self._records(_STDERR)]
        self._until = [0.0, 0.0]
        self._blocks = 0
        self._next_stall = {lines.STALLED: spec.short_every, lines.PARTED: spec.long_every}
        self._began = time.monotonic()
        self._time = 0
        self._second, self._prefix = -1, b""
        self._drawn: list[str] = []
        self._pending = 0
        self.kinds: list[str] = []
        self.traces: dict[int, int] = {}
        self.offsets = array("Q")
        self.times = array("Q")
        self.streams: list[str] = []
        self.files: list[tuple[str, int]] = []
        self.written = 0
        self.lines = 0
        self._reopen = False
        self._unfinished: dict[int, int] = {}
        self._tracing: dict[int, int] = {}
        self.divided: set[int] = set()
        self._over = False
        self.path = self._root / log.path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()

    # -- what the kubelet does

    def reopen(self) -> None:
        """Go on in a new file of the same name, once the line being written is there; what was there is renamed."""
        self._reopen = True

    def renamed(self, name: str) -> None:
        """The file being written is called `name` now."""
        self.files[-1] = (name, self.files[-1][1])

    def rotated(self, name: Path) -> Path:
        """Rename the file being written, and go on in a new one, at once."""
        self.path.rename(name)
        self.renamed(name.name)
        self._next_file()
        return name

    def truncated(self, copy: str) -> None:
        """Truncate the file being written, whose content is now in `copy`, and go on in it."""
        self.renamed(copy)
        os.truncate(self.path, 0)
        self._next_file()

    # -- what the container does

    def write(self, least: int) -> int:
        """Write at least so many bytes, unless all its streams have stalled; returns how many."""
        before = self.written
        while self.written - before < least:
            now = time.monotonic()
            open_streams = [stream for stream in (_STDOUT, _STDERR) if self._until[stream] <= now]
            if not open_streams:
                break
            # Four of five blocks go to stdout.
            self._blocks += 1
            wanted = _STDOUT if self._blocks % 5 else _STDERR
            self._block(wanted if wanted in open_streams else open_streams[0])
        return self.written - before

    def finish(self) -> None:
        """Complete what has begun - stalled traces, parts - and close the file."""
        self._over = True
        for stream in (_STDOUT, _STDERR):
            time.sleep(max(0.0, self._until[stream] - time.monotonic()))
            self._drain(stream)
        if self.log.unfinished:
            number = self._begin(lines.PLAIN, _STREAMS[_STDOUT])
            self.lines += 1
            text = self._texts.line(lines.PLAIN, number)
            self._put([self._line(number, _STREAMS[_STDOUT], text, tag=b"P")])
        self._file.close()

    def truth(self) -> dict[str, Any]:
        """What was written, for `truth.json`."""
        return {
            "path": self.log.path,
            "restart": self.log.restart,
            "kinds": "".join(self.kinds),
            "streams": "".join(self.streams),
            "traces": self.traces,
            "copies": self._spec.copies,
            "files": self.files,
            "bytes": self.written,
            "lines": self.lines,
            "divided": sorted(self.divided),
        }

    def _begin(self, kind: str, stream: bytes) -> int:
        number = len(self.kinds)
        self.kinds.append(kind)
        self.streams.append("e" if stream == b"stderr" else "o")
        self.offsets.append(self._file.size + self._pending)
        self.times.append(0)
        return number

    def _line(self, number: int, stream: bytes, text: bytes, *, tag: bytes = b"F", moment: bytes = b"") -> bytes:
        line = b"%b %b %b %b\n" % (moment or self._now(), stream, tag, text)
        self._pending += len(line)
        if not self.times[number]:
            self.times[number] = self._time
        return line

    def _open(self) -> "_File":
        self.files.append((self.path.name, len(self.kinds)))
        return _File(self.path)

    def _next_file(self) -> None:
        """Go on in another file; what has begun is divided between both."""
        self.divided |= {*self._unfinished.values(), *self._tracing.values()}
        self._file.close()
        self._file = self._open()

    def _block(self, stream: int) -> None:
        """Write lines of one stream until a block is full or the stream stalls."""
        if self._reopen and (self._spec.split or not self._unfinished):
            self._reopen = False
            self._next_file()
        block: list[bytes] = []
        for item in self._streams[stream]:
            if isinstance(item, float):
                self._until[stream] = time.monotonic() + item
                break
            block.append(item)
            if self._pending >= _BLOCK or len(block) >= _BLOCK_LINES:
                break
        self._put(block)

    def _drain(self, stream: int) -> None:
        for item in self._streams[stream]:
            if isinstance(item, float):
                time.sleep(item)
            else:
                self._put([item])

    def _put(self, block: list[bytes]) -> None:
        self._pending = 0
        if block:
            self.written += self._file.write(b"".join(block))

    def _records(self, stream: int) -> Iterator[bytes | float]:
        """Physical lines of a stream, without end; a number is a stall of so many seconds."""
        name = _STREAMS[stream]
        while not self._over:
            number = self._begin(self._kind(), name)
            kind = self.kinds[number]
            if kind == lines.TRACE:
                yield from self._trace(number, stream)
                continue
            text = self._texts.line(kind, number)
            count = self._copies.get(kind, 1)
            self.lines += count
            # Copies have one time: all of them, or each one of its own.
            moment = self._now() if kind == lines.COPIES else b""
            for _ in range(count):
                start = 0
                while len(text) - start > PART:
                    self._unfinished[stream] = number
                    yield self._line(number, name, text[start : start + PART], tag=b"P")
                    start += PART
                self._unfinished.pop(stream, None)
                yield self._line(number, name, text[start:] if start else text, moment=moment)

    def _trace(self, number: int, stream: int) -> Iterator[bytes | float]:
        name = _STREAMS[stream]
        trace = self._texts.trace(number)
        self.traces[number] = trace.marked
        self.lines += len(trace.lines)
        stall = self._stall(number)
        # The first piece of one that is parted shall have a mark.
        stall_at = self._texts.random.randrange(4 if self.kinds[number] == lines.PARTED else 1, len(trace.lines))
        # Its lines are written before anything asks for more of them.
        self._tracing[stream] = number
        for line, text in enumerate(trace.lines):
            if stall and line == stall_at:
                yield stall
            yield self._line(number, name, text)
        self._tracing.pop(stream, None)

    def _stall(self, number: int) -> float:
        """Seconds for which a trace stops; mostly 0."""
        elapsed = time.monotonic() - self._began
        for kind, every in ((lines.PARTED, self._spec.long_every), (lines.STALLED, self._spec.short_every)):
            if every and elapsed >= self._next_stall[kind] and not self._over:
                self._next_stall[kind] = elapsed + every
                self.kinds[number] = kind
                return self._spec.long if kind == lines.PARTED else self._texts.random.uniform(*self._spec.short)
        return 0.0

    def _kind(self) -> str:
        number = len(self.kinds)
        if number in self._at:
            return self._at[number]
        if not self._drawn:
            kinds = [lines.KINDS[name] for name in self._spec.mix]
            self._drawn = self._texts.random.choices(kinds, list(self._spec.mix.values()), k=_BATCH)
        return self._drawn.pop()

    def _now(self) -> bytes:
        """The time as RFC3339Nano has it: zeros at the end left out."""
        self._time = now = max(time.time_ns(), self._time + _STEP)
        second, rest = divmod(now, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._prefix = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}".encode()
        return self._prefix + (b".%09d" % rest).rstrip(b"0").rstrip(b".") + b"Z"


class _File:
    """A file that only grows; every write is one call of the kernel's."""

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        self.size = os.fstat(self._number).st_size

    def write(self, content: bytes) -> int:
        written = os.write(self._number, content)
        assert written == len(content), "a log's disk is full"
        self.size += written
        return written

    def close(self) -> None:
        os.close(self._number)
