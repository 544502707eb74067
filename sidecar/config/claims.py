"""Routes of pod logs: which of them claim the same namespace."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from sidecar.config.globs import matches, overlap, prefix
from sidecar.config.route import Route
from sidecar.config.section import Found
from sidecar.config.show import quoted

_ANY = ("*",)


class _Claim(NamedTuple):
    """A glob of a route; `begin` and `end` (backwards) are what all that it matches has in common."""

    begin: str
    glob: str
    end: str
    route: int


def clashes(routes: Sequence[Route]) -> Found:
    """Routes that claim what an earlier one does, with no label to tell them apart, or that no log would ever take.

    The first route that matches holds, so the one with more labels has to come first. Paths begin at `logs`.
    """
    labels = [frozenset(route.labels.items()) for route in routes]
    shared: dict[int, str] = {}
    taken: dict[int, dict[str, str]] = {}
    for one, other in _near(routes):
        earlier, later = (one, other) if one.route < other.route else (other, one)
        first, second = earlier.route, later.route
        if first == second or second in shared or not labels[first] <= labels[second]:
            continue
        if labels[first] == labels[second] and overlap(earlier.glob, later.glob):
            meeting = "" if earlier.glob == later.glob else f", which meets {quoted(later.glob)}"
            shared[second] = f"the route {quoted(routes[first].name)} claims {quoted(earlier.glob)} already{meeting}"
        elif labels[first] != labels[second] and matches(earlier.glob, later.glob):
            taken.setdefault(second, {})[later.glob] = routes[first].name
    found = {at: f"{text}, and no label tells the two apart" for at, text in shared.items()}
    for at, names in taken.items():
        if at not in found and len(names) == len(set(routes[at].namespaces or _ANY)):
            before = " and ".join(sorted({quoted(name) for name in names.values()}))
            found[at] = f"no log would take this route, because all go to {before}; put it before"
    return [(("routes", at, "namespaces"), text) for at, text in found.items()]


def _near(routes: Sequence[Route]) -> Iterator[tuple[_Claim, _Claim]]:
    """Pairs of claims whose beginnings and ends agree: of a thousand routes mostly few."""
    claims = sorted(
        _Claim(prefix(glob), glob, prefix(glob[::-1]), at)
        for at, route in enumerate(routes)
        for glob in route.namespaces or _ANY
    )
    for position, claim in enumerate(claims):
        begin, glob, end, _ = claim
        exact = begin == glob
        for other in islice(claims, position + 1, None):
            # In sorted order: all that begin with the same, and no others.
            if not other.begin.startswith(begin) or (exact and other.begin != begin):
                break
            if exact or other.end.startswith(end) or end.startswith(other.end):
                yield claim, other
