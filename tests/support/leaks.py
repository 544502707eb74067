"""Looks for the tests' secrets where none may be: in what processes, tests and commands wrote.

A secret is a text of `tests.support.markers`. It may be where a test hands it in - in a folder named `secrets`, in a
kubeconfig - and in the files of Fluent Bit's user and password.
"""

import base64
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.markers import MARKERS

_FOLDER, _KUBECONFIG = "secrets", "kubeconfig"
_VARIABLES = {"OPENSEARCH_USER", "OPENSEARCH_PASSWORD"}
_AROUND = 40


def _forms(marker: str) -> Iterator[bytes]:
    """A text as it is, and in base64 wherever it begins: what both hold of it whatever comes before and after."""
    raw = marker.encode()
    yield raw
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        yield encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]


_FORM = re.compile(b"|".join(re.escape(form) for marker in MARKERS for form in _forms(marker)))


def in_text(text: str) -> str:
    """The surroundings of a secret in a text, without it; empty where there is none."""
    found = _FORM.search(text.encode(errors="replace"))
    return _surroundings(text.encode(errors="replace"), found) if found else ""


def in_folder(folder: Path) -> list[str]:
    """One line for each file below a folder that holds a secret and may not."""
    return [f"a secret is in {file}: {where}" for file in _files(folder) if (where := _in_file(file))]


def in_report(report: pytest.TestReport) -> str:
    """Where a test's log or output shows a secret; empty where it doesn't."""
    found = ((name, in_text(text)) for name, text in report.sections)
    return next((f"a secret is in the {name.lower()}: {where}" for name, where in found if where), "")


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != _FOLDER]
        kept = {_KUBECONFIG} | (_VARIABLES if Path(place).name == "environment" else set())
        yield from (Path(place) / name for name in names if name not in kept)


def _in_file(file: Path) -> str:
    try:
        if file.is_symlink() or not file.is_file() or not file.stat().st_size:
            return ""
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = _FORM.search(content)
            return _surroundings(content, found) if found else ""
    except (OSError, ValueError):  # gone, or emptied, while we looked
        return ""


def _surroundings(content: Any, found: re.Match[bytes]) -> str:
    begin, end = found.span()
    before, after = content[max(begin - _AROUND, 0) : begin], content[end : end + _AROUND]
    return f"{_shown(before)}<secret>{_shown(after)}"


def _shown(part: bytes) -> str:
    return part.decode(errors="replace").encode("unicode_escape").decode()
