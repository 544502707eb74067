"""Rotation of the containers' log files, step by step as the kubelet's log manager does it.

Too many files are removed first, then every rotated file that is plain is gzipped (through a `.tmp`), and only then is
the file that is being written renamed: so the newest rotated one stays plain until the next rotation.
"""

import contextlib
import threading
import time
import zlib
from pathlib import Path

from tests.support.podlogs.spec import Spec
from tests.support.podlogs.writer import Writer

TEMPORARY, COMPRESSED = ".tmp", ".gz"
REOPEN_SECONDS = 0.02
"""From the file's new name until the container writes into a new file: the runtime is asked in between."""
_PIECE = 2**20
_GZIP = 31  # zlib's name for "with gzip's header"


class Kubelet(threading.Thread):
    """Looks at the writers' files every `spec.check_every` seconds, until it is stopped.

    Args:
        spec: When a file is rotated, and how many are kept.
        writers: Those that are alive; may grow and shrink.
    """

    def __init__(self, spec: Spec, writers: list[Writer]) -> None:
        super().__init__(name="kubelet", daemon=True)
        self._spec = spec
        self._writers = writers
        self._over = threading.Event()
        self._due = time.monotonic() + spec.rotate_every
        self.rotations = 0
        self.removed = 0
        self.error: Exception | None = None

    def stop(self) -> None:
        self._over.set()
        self.join()
        if self.error:
            raise self.error

    def run(self) -> None:
        try:
            while not self._over.wait(self._spec.check_every):
                self._look()
        except Exception as error:  # noqa: BLE001 - told by stop()
            self.error = error

    def _look(self) -> None:
        by_time = bool(self._spec.rotate_every) and time.monotonic() >= self._due
        if by_time:
            self._due += self._spec.rotate_every
        for writer in list(self._writers):
            size = writer.path.stat().st_size if writer.path.exists() else 0
            if (by_time and size) or (self._spec.rotate_size and size >= self._spec.rotate_size):
                self._rotate(writer)

    def _rotate(self, writer: Writer) -> None:
        rotated = sorted(writer.path.parent.glob(f"{writer.path.name}.*"))
        for path in [path for path in rotated if not _in_use(path, rotated)]:
            path.unlink()
            rotated.remove(path)
        excess = max(len(rotated) - (self._spec.keep - 2), 0)
        for path in rotated[:excess]:
            path.unlink()
            self.removed += 1
        if self._spec.compress:
            for path in rotated[excess:]:
                if path.suffix != COMPRESSED:
                    compress(path)
        name = unused_name(writer.path)
        writer.path.rename(name)
        writer.renamed(name.name)
        time.sleep(REOPEN_SECONDS)
        writer.reopen()
        self.rotations += 1


def unused_name(path: Path) -> Path:
    """`0.log` -> `0.log.20261122-100000`, by the local clock.

    The kubelet looks every 10 s, so that it never meets a name twice; who looks more often waits for the next second.
    """
    while True:
        name = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}")
        if not name.exists() and not name.with_name(name.name + COMPRESSED).exists():
            return name
        time.sleep(0.05)


def compress(path: Path, *, until: int | None = None) -> Path:
    """Gzip a rotated file, and remove it.

    Args:
        path: The plain file.
        until: Stop after so many bytes of it, as a kubelet that is killed: the `.tmp` and the plain file stay.

    Returns:
        The gzipped file, or the half-written one.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    packer = zlib.compressobj(wbits=_GZIP)
    done = 0
    with path.open("rb") as source, temporary.open("wb") as target:
        while piece := source.read(_PIECE):
            target.write(packer.compress(piece))
            done += len(piece)
            if until is not None and done >= until:
                target.write(packer.flush(zlib.Z_SYNC_FLUSH))
                return temporary
        target.write(packer.flush())
    temporary.chmod(path.stat().st_mode)
    packed = path.with_name(path.name + COMPRESSED)
    temporary.rename(packed)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    return packed


def _in_use(path: Path, others: list[Path]) -> bool:
    """Left-overs of a rotation that was interrupted are not: temporary files, and plain ones that are gzipped."""
    if path.suffix == TEMPORARY:
        return False
    return path.suffix == COMPRESSED or path.with_name(path.name + COMPRESSED) not in others
