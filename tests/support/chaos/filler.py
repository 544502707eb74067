"""A file that takes all the room of a file system."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_PIECE = bytes(4096)
_LOOK_SECONDS = 0.02


class Filler:
    """Fills the file system of a folder from entering to leaving, also what is freed meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self.size = 0

    def _fill(self) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                with suppress(OSError):
                    while not self._over.is_set():
                        self.size += os.write(file, _PIECE)
                if self._over.wait(_LOOK_SECONDS):
                    return
        finally:
            os.close(file)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._path.unlink()
