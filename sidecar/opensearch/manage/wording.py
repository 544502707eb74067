"""How many things there are, and what they do, in English."""

from collections.abc import Sequence


def some(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 2 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def count(names: Sequence[str]) -> str:
    """`the index x`, `3 indices`."""
    return f"the index {names[0]}" if len(names) == 1 else f"{len(names)} indices"


def s(names: Sequence[str]) -> str:
    """The end of a verb."""
    return "s" if len(names) == 1 else ""


def have(names: Sequence[str]) -> str:
    """`has` or `have`."""
    return "has" if len(names) == 1 else "have"


def are(names: Sequence[str]) -> str:
    """`is` or `are`."""
    return "is" if len(names) == 1 else "are"


def exist(names: Sequence[str]) -> str:
    """`exists` or `exist`."""
    return "exists" if len(names) == 1 else "exist"
