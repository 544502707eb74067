"""Sizes from the environment, and Markdown tables of what was measured."""

import os
from collections.abc import Iterable


def size(name: str, default: int) -> int:
    """A size that an environment variable may change, for a run that is to be short."""
    return int(os.environ.get(name) or default)


def sizes(name: str, default: str) -> list[int]:
    """Several of them, separated by commas."""
    return [int(part) for part in (os.environ.get(name) or default).split(",")]


def chosen(variable: str, names: list[str]) -> list[str]:
    """Those that an environment variable names, separated by commas; all where it names none."""
    given = os.environ.get(variable)
    return given.split(",") if given else names


def print_head(*columns: str) -> None:
    """The head of a Markdown table."""
    print_row(*columns)
    print_row(*["---"] * len(columns))


def print_row(*cells: str) -> None:
    print("|", " | ".join(cells), "|", flush=True)


def quantile(values: Iterable[float], share: float) -> float:
    """The value that so large a share of the values does not pass; NaN where there are none."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, round(share * len(ordered) + 0.5) - 1))] if ordered else float("nan")
