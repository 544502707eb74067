"""How often a file was opened, by whatever process on this node: by inotify, which looks through every mount."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

_IN_OPEN = 0x20
_READ_BYTES = 64 * 1024


class Opens:
    """Counts from its making on; `close` it. Where there is no inotify `known` is False, and it counts nothing."""

    def __init__(self, path: Path) -> None:
        self._handle = -1
        self.known = False
        if sys.platform != "linux":
            return
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle >= 0:
            self.known = libc.inotify_add_watch(self._handle, os.fsencode(path), _IN_OPEN) >= 0

    def seen(self) -> bool:
        """Whether it was opened since this was last asked."""
        if self._handle < 0:
            return False
        with suppress(OSError):  # nothing to read
            return bool(os.read(self._handle, _READ_BYTES))
        return False

    def close(self) -> None:
        """Stop counting."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
