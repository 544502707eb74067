"""Rendered files on disk: written whole or not at all, compared with what they should be."""

import difflib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sidecar.errors import RenderError
from sidecar.render import MANIFEST

_FILE_MODE = 0o640


def write_tree(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write rendered files below a folder, and remove those that an earlier manifest names and that are no more.

    Returns:
        The relative paths that changed.

    Raises:
        RenderError: The folder can't be written.
    """
    try:
        if not folder.exists():
            return _create_tree(folder, files)
        stale = [path for path in _listed(folder) if path not in files]
        changed = [path for path, text in files.items() if _read(folder / path) != text]
        for path in stale:
            (folder / path).unlink()
            with suppress(OSError):
                (folder / path).parent.rmdir()
        # The manifest comes last: where it is right, everything is.
        for path in sorted(changed, key=lambda path: path == MANIFEST):
            write_file(folder / path, files[path])
    except OSError as error:
        raise cannot_write(error, folder, hint="is there space, and may this user write there?") from error
    return changed + stale


def _create_tree(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write into a folder that isn't there yet: nobody reads it before its manifest, so no file is to be replaced."""
    for parent in {(folder / path).parent for path in files}:
        parent.mkdir(parents=True, exist_ok=True)
    for path in sorted(files, key=lambda path: path == MANIFEST):
        _write(f"{folder}/{path}", files[path], _FILE_MODE)
    return list(files)


def cannot_write(error: OSError, folder: Path, *, hint: str) -> RenderError:
    """The error for a file below a folder; a full disk names no file."""
    return RenderError(f"{error.filename or folder}: can't be written: {error.strerror}", hint=hint)


def difference(folder: Path, files: Mapping[str, str]) -> str:
    """A unified diff from what is in the folder to what should be; empty where they are the same."""
    parts: list[str] = []
    for path in sorted({*files, *_listed(folder)}):
        there, wanted = _read(folder / path) or "", files.get(path, "")
        parts += difflib.unified_diff(
            there.splitlines(keepends=True), wanted.splitlines(keepends=True), f"{folder}/{path}", f"rendered/{path}"
        )
    return "".join(parts)


def write_file(path: Path, text: str, *, mode: int = _FILE_MODE) -> None:
    """Replace a file at once: a reader sees the old text or the new, never a part.

    Raises:
        OSError: It can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    _write(str(fresh), text, mode)
    fresh.replace(path)


def _write(path: str, text: str, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, mode)
        stream.write(text.encode())


def switch_link(link: Path, target: str) -> None:
    """Point a link at another folder beside it, at once.

    Raises:
        OSError: It can't be made.
    """
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _read(path: Path) -> str | None:
    try:
        # Not `read_text`: it would take \r\n for \n.
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _listed(folder: Path) -> list[str]:
    """The files below a folder that its manifest names and that are there; only such are ever removed."""
    try:
        names = list(json.loads(_read(folder / MANIFEST) or "{}")["files"])
    except (ValueError, KeyError, TypeError):
        return []
    return [name for name in names if isinstance(name, str) and _is_below(folder, name)]


def _is_below(folder: Path, name: str) -> bool:
    """Whether a file of that name is in the folder: not above it, and not behind a link that leads out of it."""
    try:
        return (folder / name).is_file() and (folder / name).resolve().is_relative_to(folder.resolve())
    except OSError:
        return False
