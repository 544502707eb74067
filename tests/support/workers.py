"""Tests in several processes (pytest-xdist): which process this is, and what should be begun first."""

from pathlib import Path
from typing import Any

import pytest

_ORDER = ("cluster", "integration")


def is_worker(config: pytest.Config) -> bool:
    """Whether this is one of several processes that run tests."""
    return hasattr(config, "workerinput")


def tell(config: pytest.Config, told: dict[str, Any]) -> None:
    """Tell the first process, whose hook `pytest_testnodedown` gets it."""
    config.workeroutput.update(told)  # type: ignore[attr-defined] # pytest-xdist's


def longest_first(path: Path) -> int:
    """A sort key of files: those with real parts, of which one may take minutes, before those that fill the rest."""
    return next((rank for rank, folder in enumerate(_ORDER) if path.parent.name == folder), len(_ORDER))
