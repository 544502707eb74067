"""Golden files: what was rendered when somebody last looked, to compare with what is rendered now."""

import difflib
import shutil
from collections.abc import Mapping
from pathlib import Path

HOW = "right? then once more with --update-golden"


def check_golden(folder: Path, files: Mapping[str, str], *, update: bool) -> None:
    """Compare files with the golden ones below a folder, byte by byte; none may lack, none be too many.

    Args:
        folder: Holds the golden files and nothing else.
        files: Text by relative path.
        update: Write them instead.

    Raises:
        AssertionError: With a unified diff of everything that differs.
    """
    if update:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
    there = {
        str(path.relative_to(folder)): path.read_bytes().decode()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    parts: list[str] = []
    for path in sorted({*there, *files}):
        before, now = there.get(path, ""), files.get(path, "")
        if path not in there or path not in files:
            parts.append(f"{path}: {'is new' if path in files else 'is no more'}\n")
        parts += difflib.unified_diff(
            before.splitlines(keepends=True), now.splitlines(keepends=True), f"golden/{path}", f"rendered/{path}"
        )
    assert there == files, f"{HOW}\n{''.join(parts)}"
