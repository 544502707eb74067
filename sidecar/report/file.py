"""Where a report goes: a file of its own, and never in the place of somebody's file that is none."""

import os
from pathlib import Path

from sidecar.agent.output import write_file
from sidecar.errors import RenderError

MARK = '<meta name="generator" content="fluent-sidecar '
"""Every report has it near its beginning."""
_HEAD = 2_000
_MODE = 0o644


def check(path: Path, *, force: bool = False) -> None:
    """See that a report can be written there.

    Args:
        path: Of the file.
        force: Whether anything may be replaced.

    Raises:
        RenderError: Something else is there, which may not be replaced, or nothing can be written there.
    """
    try:
        if not force and (path.is_symlink() or path.exists()) and not _is_report(path):
            raise RenderError(f"{path} is there already, and is no report", hint="--force replaces it")
    except OSError as error:
        raise _cannot_write(path, error.strerror) from error
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK) or not folder.is_dir():
        raise _cannot_write(path, f"{folder} is not to be written to")


def write(path: Path, html: str, *, force: bool = False) -> None:
    """Write a report, over an earlier one if there is one; folders above it are made. Arguments and errors: `check`."""
    check(path, force=force)
    try:
        write_file(path, html, mode=_MODE)
    except OSError as error:
        raise _cannot_write(path, error.strerror) from error


def _cannot_write(path: Path, why: str | None) -> RenderError:
    return RenderError(f"{path}: can't be written: {why}", hint="choose another file")


def _is_report(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return MARK in stream.read(_HEAD)
