"""Index families: no index of one may match the pattern of another."""

from collections.abc import Iterable, Sequence

from sidecar.config.family import Family
from sidecar.config.section import Found
from sidecar.config.show import quoted
from sidecar.config.source import Path, dotted

Placed = tuple[Path, Family]
"""A family, and its path in the file."""


def meetings(families: Sequence[Placed], routes: int) -> Found:
    """Families whose indices would meet.

    Args:
        families: Each with its path in the file. The last `routes` of them are routes of pod logs, of which several may
            share an index if they keep it equally.
        routes: How many are routes.
    """
    found: Found = []
    first: dict[str, int] = {}
    for at, (_, family) in enumerate(families):
        before = first.setdefault(family.index, at)
        if before != at:
            found += _sharing(families[before], families[at], both_routes=before >= len(families) - routes)
    for at in first.values():
        for begin in _beginnings(families[at][1].index):
            if begin in first:
                found.append(_within(families[first[begin]], families[at]))
    return found


def _beginnings(index: str) -> Iterable[str]:
    return (index[:at] for at, character in enumerate(index) if character == "-" and at)


def _sharing(one: Placed, other: Placed, *, both_routes: bool) -> Found:
    name = quoted(one[1].index)
    if not both_routes:
        (path, _), (taken, _) = _to_change(one, other)
        return [((*path, "index"), f"{name} is {dotted((*taken, 'index'))} already; choose another name")]
    if one[1].rotate != other[1].rotate:
        key = "rotate"
    elif one[1].retention != other[1].retention:
        key = "retain"
    else:
        return []
    text = f"must be the same as in {dotted(one[0])}, which has the index {name} too"
    return [((*other[0], key), f"{key} {text}")]


def _within(short: Placed, long: Placed) -> tuple[Path, str]:
    (path, family), (other, _) = _to_change(short, long)
    begin = short[1].index
    return (*path, "index"), (
        f'{dotted((*long[0], "index"))} ("{long[1].index}") begins with "{begin}-", so that what belongs to '
        f"{dotted((*short[0], 'index'))} alone would hold for both; choose another name for {quoted(family.index)} or "
        f"for {dotted((*other, 'index'))}"
    )


def _to_change(one: Placed, other: Placed) -> tuple[Placed, Placed]:
    """The two, that one first whose index is in the file; the later one where both are."""
    return (other, one) if "index" in other[1].model_fields_set else (one, other)
