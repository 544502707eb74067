"""Sets of bytes as bit masks: bit n stands for byte n."""

import re

ALL = (1 << 256) - 1
NUL = 1 << 0
_CASE = ord("a") - ord("A")


def of(chars: str) -> int:
    """The set of these ASCII characters."""
    return sum(1 << code for code in {ord(char) for char in chars})


def between(first: int, last: int) -> int:
    """The set of the bytes `first` to `last`, both included."""
    return ((1 << (last - first + 1)) - 1) << first


UPPER = between(ord("A"), ord("Z"))
LOWER = between(ord("a"), ord("z"))
DIGIT = between(ord("0"), ord("9"))
WORD = UPPER | LOWER | DIGIT | of("_")
SPACE = of(" \t\n\r\f\v")
NEWLINE = of("\n")
ASCII = between(0, 127)


def inverse(chars: int) -> int:
    """All other bytes."""
    return ALL & ~chars


def folded(chars: int) -> int:
    """The set with both cases of each of its ASCII letters."""
    return chars | (chars & UPPER) << _CASE | (chars & LOWER) >> _CASE


def single(chars: int) -> int | None:
    """The byte, if the set has exactly one."""
    return chars.bit_length() - 1 if chars and not chars & (chars - 1) else None


def ranges(chars: int) -> list[tuple[int, int]]:
    """The set's bytes as runs (first, last), ascending."""
    bits = bin(chars)[:1:-1]
    return [(run.start(), run.end() - 1) for run in re.finditer("1+", bits)]
