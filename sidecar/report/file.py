"""Where a report goes: a file of its own, and never in the place of somebody's file that is none."""

from pathlib import Path

from sidecar.agent.output import write_file
from sidecar.errors import RenderError

MARK = '<meta name="generator" content="fluent-sidecar '
"""Every report has it near its beginning."""
_HEAD = 2_000
_MODE = 0o644


def write(path: Path, html: str, *, force: bool = False) -> None:
    """Write a report, over an earlier one if there is one.

    Args:
        path: Of the file; folders above it are made.
        html: The page.
        force: Whether anything else may be replaced too.

    Raises:
        RenderError: Something else is there, or it can't be written.
    """
    try:
        if not force and (path.is_symlink() or path.exists()) and not _is_report(path):
            raise RenderError(
                f"{path} is there already, and is no report", hint="-o FILE writes another one, --force replaces it"
            )
        write_file(path, html, mode=_MODE)
    except OSError as error:
        raise RenderError(f"{path}: can't be written: {error.strerror}", hint="-o FILE writes another one") from error


def _is_report(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return MARK in stream.read(_HEAD)
