r"""From a pattern to its sequences: alternatives apart, groups as marks, boundaries as frontiers.

Lua has no alternatives, so each becomes a pattern of its own, in the order in which they are written. Of the
boundaries it has one, the frontier %f[x]: before it a byte outside x, after it one of x. `\b` is a frontier where one
of its neighbours is known to be, or not to be, a word character; `(?<!x)` where x follows, `(?!x)` where x precedes.
"""

from collections.abc import Iterable
from itertools import product
from math import prod

from sidecar.config.pattern import byteset
from sidecar.config.pattern.tree import Anchor, Boundary, Element, Frontier, Group, Item, Mark, Node, refuse

MOST_SEQUENCES = 32

_Flat = Item | Anchor | Boundary | Mark


def expand(tree: Group) -> tuple[tuple[Element, ...], ...]:
    """The sequences of a pattern: 1 to 32, the preferred one first.

    Raises:
        ValueError: If there are more, an anchor stands within, or a boundary is no frontier.
    """
    _check_count(tree)
    flat = _alternatives(tree)
    for sequence in flat:
        _check_anchors(sequence)
    return tuple(_with_frontiers(sequence) for sequence in flat)


def _count(node: Node) -> int:
    return sum(prod(map(_count, branch)) for branch in node.branches) if isinstance(node, Group) else 1


def _check_count(tree: Group) -> None:
    if _count(tree) <= MOST_SEQUENCES:
        return
    column = next((node.column for branch in tree.branches for node in branch if _count(node) > 1), tree.column)
    what = f"the alternatives make {_count(tree)} patterns, and at most {MOST_SEQUENCES} are translated"
    refuse(column, what, "write classes, as in [ab] for a|b, or several patterns")


def _alternatives(node: Node) -> list[tuple[_Flat, ...]]:
    if not isinstance(node, Group):
        return [(node,)]
    found: list[tuple[_Flat, ...]] = []
    for branch in node.branches:
        for choice in product(*map(_alternatives, branch)):
            inner = tuple(part for parts in choice for part in parts)
            found.append((Mark(node.number, opening=True), *inner, Mark(node.number, opening=False)))
    return found if node.number else [sequence[1:-1] for sequence in found]


def _check_anchors(sequence: tuple[_Flat, ...]) -> None:
    shown = [part for part in sequence if not isinstance(part, Mark)]
    for place, part in enumerate(shown):
        if isinstance(part, Anchor) and place != (0 if part.kind == "^" else len(shown) - 1):
            where = "start" if part.kind == "^" else "end"
            refuse(
                part.column, f"`{part.kind}` can only stand at the {where}", f"write \\{part.kind} for the character"
            )


def _with_frontiers(sequence: tuple[_Flat, ...]) -> tuple[Element, ...]:
    found: list[Element] = []
    for place, part in enumerate(sequence):
        if isinstance(part, Boundary):
            before, after = _neighbour(reversed(sequence[:place])), _neighbour(sequence[place + 1 :])
            found.append(Frontier(_frontier(part, before, after)))
        else:
            found.append(part)
    return tuple(found)


def _neighbour(parts: Iterable[_Flat]) -> int:
    """What the next byte may be; an edge of the text looks like a NUL."""
    chars = 0
    for part in parts:
        if isinstance(part, Item | Anchor):
            chars |= part.chars
            if isinstance(part, Anchor) or part.least:
                return chars
    return byteset.ALL


def _frontier(part: Boundary, before: int, after: int) -> int:
    outside = byteset.inverse(part.chars)
    if part.kind != "word" and part.chars & byteset.NUL:
        refuse(
            part.column, f"`{part.text}` speaks of a NUL, as which Lua sees the ends", "name characters, as in [\\w-]"
        )
    if part.kind != "not-after" and not after & outside:
        return part.chars
    if part.kind != "not-before" and not before & outside:
        return outside
    if part.kind == "word" and not before & part.chars:
        return part.chars
    if part.kind == "word" and not after & part.chars:
        return outside
    return _no_frontier(part)


def _no_frontier(part: Boundary) -> int:
    reasons = {
        "word": ("beside what may or may not be a word character", "put it beside a letter, \\w, \\d or a sign"),
        "not-before": ("before what its class doesn't cover", "add what follows to the class"),
        "not-after": ("after what its class doesn't cover", "add what stands before to the class"),
    }
    where, instead = reasons[part.kind]
    refuse(part.column, f"`{part.text}` stands {where}, which can't be translated", instead)
