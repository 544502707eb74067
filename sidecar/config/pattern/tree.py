"""What a pattern consists of, once it is read.

A pattern is a `Group` without number. Its sequences (expand.py) have no groups and no alternatives any more: the
`Group`s have become `Mark`s, the `Boundary`s `Frontier`s.
"""

from dataclasses import dataclass
from typing import Literal, NoReturn

from sidecar.config.pattern import byteset


@dataclass(frozen=True, slots=True)
class Item:
    """One character of the set `chars`, `least` to `most` times (None: without a limit)."""

    chars: int
    text: str
    column: int
    least: int = 1
    most: int | None = 1
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Anchor:
    """`^` or `$`: the start or the end of the whole text, never of a line within it."""

    kind: Literal["^", "$"]
    column: int

    @property
    def chars(self) -> int:
        """What Lua sees on the far side of the text's edge."""
        return byteset.NUL


@dataclass(frozen=True, slots=True)
class Boundary:
    r"""`\b`, `(?<!x)` or `(?!x)` with the set that it speaks of."""

    kind: Literal["word", "not-before", "not-after"]
    chars: int
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Frontier:
    """Between a byte outside `chars` and one of `chars`; beyond both ends of the text stands a NUL."""

    chars: int


@dataclass(frozen=True, slots=True)
class Mark:
    """The start or the end of what group `number` captures."""

    number: int
    opening: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives, in the order of preference; `number` is 0 where nothing is captured."""

    branches: tuple[tuple["Node", ...], ...]
    number: int
    column: int


Node = Item | Anchor | Boundary | Group
Element = Item | Anchor | Frontier | Mark


def refuse(column: int, what: str, instead: str) -> NoReturn:
    """Ends the reading of a pattern.

    Args:
        column: The character of the pattern where it goes wrong, from 1.
        what: What can't be done, and with which part.
        instead: What to write.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"column {column}: {what}; {instead}")
