"""Looks at the pods' log folder, once a second, without asking for what can't have changed."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from sidecar.logs.files import Sight, is_rotated
from sidecar.logs.gz import unpacked_size

_RACY_NS = 2_000_000_000
"""A folder that changed less than this ago may change again without a newer time on it."""
_GZ = ".gz"


@dataclass
class _Folder:
    """A folder's entries, and its modification time when they were listed; None asks again."""

    names: list[str] = field(default_factory=list)
    modified: int | None = None


@dataclass
class _Final:
    """A file that doesn't grow any more: inode and size, of a gzip file that of its content."""

    inode: int
    size: int


class Scanner:
    """Lists `<pod>/<container>/<file>` below a folder.

    Args:
        root: The folder.
        wanted: Whether a file counts, by its path relative to the folder; asked once for each container.
    """

    def __init__(self, root: str, wanted: Callable[[str], bool]) -> None:
        self._root = root
        self._wanted = wanted
        self._folders: dict[str, _Folder] = {}
        self._final: dict[str, dict[str, _Final]] = {}
        self._chosen: dict[str, bool] = {}

    def look(self) -> Sight:
        """What is there now.

        Raises:
            OSError: The folder itself can't be listed; one below it that can't is taken as it was.
        """
        plain: dict[str, tuple[int, int]] = {}
        packed: dict[str, int] = {}
        seen: set[str] = set()
        os.stat(self._root)  # noqa: PTH116 - strings are twice as fast here
        for container in self._containers(seen):
            self._files(container, seen, plain, packed)
        for gone in self._folders.keys() - seen:
            del self._folders[gone]
            self._final.pop(gone, None)
            self._chosen.pop(gone, None)
        return Sight(plain, packed)

    def _containers(self, seen: set[str]) -> Iterator[str]:
        for pod in self._names("", seen):
            for container in self._names(pod, seen):
                path = f"{pod}/{container}"
                if path not in self._chosen:
                    self._chosen[path] = self._wanted(f"{path}/0.log")
                if self._chosen[path]:
                    yield path

    def _names(self, path: str, seen: set[str]) -> list[str]:
        """The entries of a folder, listed again if it has changed; none where it is none."""
        seen.add(path)
        folder = self._folders.setdefault(path, _Folder())
        full = f"{self._root}/{path}"
        try:
            modified = os.stat(full).st_mtime_ns  # noqa: PTH116 - see above
            if modified != folder.modified:
                folder.names = [name for name in os.listdir(full) if not name.startswith(".")]  # noqa: PTH208 - see above
                old = 0 <= modified <= time.time_ns() - _RACY_NS
                folder.modified = modified if old else None
                self._final.pop(path, None)
        except (FileNotFoundError, NotADirectoryError):
            folder.names = []
        except OSError:
            if not path:
                raise
            # Not to be listed now; what was there is not gone for that.
            folder.modified = None
        return folder.names

    def _files(self, container: str, seen: set[str], plain: dict[str, tuple[int, int]], packed: dict[str, int]) -> None:
        names = self._names(container, seen)
        final = self._final.setdefault(container, {})
        for name in names:
            path = f"{container}/{name}"
            if ".log" not in name or name.endswith(".tmp"):
                continue
            found = final.get(name) or self._ask(path)
            if found is None:
                continue
            if name.endswith(_GZ):
                packed[path.removesuffix(_GZ)] = found.size
                final[name] = found
            else:
                plain[path] = (found.inode, found.size)
                if is_rotated(path):
                    final[name] = found

    def _ask(self, path: str) -> _Final | None:
        full = f"{self._root}/{path}"
        with suppress(OSError):
            found = os.stat(full)  # noqa: PTH116 - see above
            if stat.S_ISREG(found.st_mode):
                size = unpacked_size(full, found.st_size) if path.endswith(_GZ) else found.st_size
                return _Final(found.st_ino, size)
        return None
