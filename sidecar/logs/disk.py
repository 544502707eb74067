"""Files that are replaced whole."""

import os
from pathlib import Path

_FILE_MODE, _FOLDER_MODE = 0o640, 0o2770


def replace_file(path: Path, text: str, *, sync: bool = False) -> None:
    """Replace a file at once: a reader sees the old text or the new, never a part.

    Args:
        path: The file; its folder is made if it isn't there.
        text: What it is to hold.
        sync: Whether it must survive a crash of the machine.

    Raises:
        OSError: It can't be written.
    """
    make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as stream:
        os.fchmod(stream.fileno(), _FILE_MODE)
        stream.write(text)
        if sync:
            stream.flush()
            os.fsync(stream.fileno())
    fresh.replace(path)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, that a group shares: Fluent Bit reads it by its group."""
    missing = [folder, *folder.parents]
    for path in reversed([path for path in missing if not path.is_dir()]):
        path.mkdir(exist_ok=True)
        path.chmod(_FOLDER_MODE)
