"""A file of the journal that only grows, and what makes files and folders safe from a crash."""

import errno
import os
import threading
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o640, 0o2770
"""Shared with Fluent Bit by a group."""


class Segment:
    """An open file that only grows.

    Attributes:
        size: What was written.
        spoiled: Whether a sync failed: the system may have dropped what it could not write, and a later sync that
            succeeds says nothing of that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.spoiled = False
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        os.fchmod(self._file, FILE_MODE)
        sync_folder(path.parent)

    def write(self, data: bytes) -> None:
        """Append all of it; after an error `size` tells how much was."""
        view = memoryview(data)
        while view:
            done = os.write(self._file, view)
            self.size += done
            view = view[done:]

    def is_lost(self) -> bool:
        """Whether somebody removed the file, or put another in its place, or it is spoiled."""
        with self._lock:
            return self.spoiled or (self._file >= 0 and not same_file(self._file, self.path))

    def sync(self) -> None:
        """Make what was written safe from a crash of the machine.

        Raises:
            OSError: It isn't safe, and never will be.
        """
        with self._lock:
            if self.spoiled:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if self._file >= 0:
                try:
                    os.fdatasync(self._file)
                except OSError:
                    self.spoiled = True
                    raise

    def close(self) -> None:
        """Close without a sync; a second time does nothing."""
        with self._lock:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def end(self) -> None:
        """Close, and remove the file if it is empty."""
        self.close()
        if not self.size:
            self.path.unlink(missing_ok=True)


def same_file(handle: int, path: Path) -> bool:
    """Whether a path still leads to an open file: not so once it, or a folder above it, was removed or renamed."""
    try:
        there = path.stat()
    except OSError:
        return False
    here = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def make_folder(folder: Path) -> None:
    """Make a folder that a group shares (2770): Fluent Bit reads it as root without capabilities, by its group."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries safe from a crash of the machine."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
