r"""From regular expressions of the subset to Lua patterns.

Each alternative becomes a pattern of its own, to be tried one after another: a text matches the expression if it
matches any of them. In a replacement, each is applied to what the one before left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidecar.config.pattern import byteset, parse_replacement, sequences
from sidecar.config.pattern.tree import Anchor, Element, Frontier, Item, Mark

UNKNOWN = -1
"""The `lead` of a pattern that begins with `^`, has no needle, or a repetition before it."""

_ANY = "."
_NAMED = (
    (byteset.UPPER | byteset.LOWER | byteset.DIGIT, "%w"),
    (byteset.UPPER | byteset.LOWER, "%a"),
    (byteset.DIGIT, "%d"),
    (byteset.SPACE, "%s"),
)
_MAGIC = frozenset(b"^$()%.[]*+-?")
# These mean something at the end of a range, or anywhere in a class.
_SPECIAL = frozenset(b"\0^]%-[")


@dataclass(frozen=True, slots=True)
class LuaPattern:
    """What Lua needs for one alternative.

    Attributes:
        pattern: For string.find and string.gsub.
        replace: The third argument of string.gsub.
        needle: A text without which nothing matches, for a plain string.find beforehand; may be empty.
        fold: The needle is in lower case, to be looked for in string.lower(text).
        lead: The bytes of a match before the needle, or UNKNOWN; with it, `^` and the pattern, tried there and nowhere
            else, tell whether there is a match.
    """

    pattern: str
    replace: str
    needle: str
    fold: bool
    lead: int


def lua_patterns(text: str, replace: str = "***") -> tuple[LuaPattern, ...]:
    r"""What to try one after another for the regular expression `text`.

    Args:
        text: A pattern of the subset that sidecar.config.pattern reads.
        replace: What a match is replaced with; `\1` to `\9` stand for groups, empty where an alternative lacks them.

    Raises:
        ValueError: If either is outside the subset.
    """
    wanted = [part for part in parse_replacement(replace) if isinstance(part, int)]
    found: dict[LuaPattern, None] = {}
    for sequence in sequences(text):
        numbers = _captures(sequence, wanted)
        needle, fold, lead = _needle(sequence)
        found[LuaPattern(_pattern(sequence, numbers), lua_replacement(replace, numbers), needle, fold, lead)] = None
    return tuple(found)


def lua_replacement(text: str, numbers: Mapping[int, int] | None = None) -> str:
    r"""A replacement as string.gsub takes it.

    Args:
        text: With `\1` to `\9` for groups of the expression.
        numbers: Group of the expression -> capture of the Lua pattern; a group that isn't here is empty.

    Raises:
        ValueError: If a backslash stands before anything but a digit or a backslash.
    """
    known = numbers or {}
    parts = parse_replacement(text)
    return "".join(
        part.replace("%", "%%") if isinstance(part, str) else f"%{known[part]}" if part in known else ""
        for part in parts
    )


def _captures(sequence: Sequence[Element], wanted: Sequence[int]) -> dict[int, int]:
    """The wanted groups that capture something here, numbered as Lua counts them."""
    numbers: dict[int, int] = {}
    opened = {part.number: place for place, part in enumerate(sequence) if isinstance(part, Mark) and part.opening}
    closed = {part.number: place for place, part in enumerate(sequence) if isinstance(part, Mark) and not part.opening}
    for number, place in opened.items():
        # Lua's () is a number, not an empty text.
        if number in wanted and any(isinstance(part, Item) for part in sequence[place : closed[number]]):
            numbers[number] = len(numbers) + 1
    return numbers


def _pattern(sequence: Sequence[Element], numbers: Mapping[int, int]) -> str:
    inner = b"".join(_element(part, numbers) for part in sequence)
    kinds = {part.kind for part in sequence if isinstance(part, Anchor)}
    # Anchors belong outside of all captures: within them, they are characters.
    return f"{'^' if '^' in kinds else ''}{inner.decode()}{'$' if '$' in kinds else ''}"


def _element(part: Element, numbers: Mapping[int, int]) -> bytes:
    if isinstance(part, Item):
        return _repeated(part)
    if isinstance(part, Frontier):
        return b"%f" + _bracketed(part.chars).encode()
    if isinstance(part, Mark) and part.number in numbers:
        return b"(" if part.opening else b")"
    return b""


def _repeated(item: Item) -> bytes:
    one = _one(item.chars)
    if item.most is not None:
        return one * item.least + (one + b"?") * (item.most - item.least)
    if item.least and not item.lazy:
        return one * item.least + b"+"
    return one * (item.least + 1) + (b"-" if item.lazy else b"*")


def _one(chars: int) -> bytes:
    if chars == byteset.ALL:
        return _ANY.encode()
    code = byteset.single(chars)
    if code is not None:
        return _escaped(code)
    for named, name in _NAMED:
        if chars == named:
            return name.encode()
        if chars == byteset.inverse(named):
            return name.upper().encode()
    return _bracketed(chars).encode()


def _escaped(code: int) -> bytes:
    if not code:
        return b"%z"
    return b"%" * (code in _MAGIC) + bytes([code])


def _bracketed(chars: int) -> str:
    """A class of Lua; what lies beyond ASCII is in a set as a whole or not at all, so it is never named."""
    negated = bool(chars & ~byteset.ASCII)
    members = byteset.inverse(chars) if negated else chars
    found = []
    for named, name in _NAMED:
        if members & named == named:
            found.append(name)
            members &= ~named
    for first, last in byteset.ranges(members):
        found += _range(first, last)
    return f"[{'^' if negated else ''}{''.join(found)}]"


def _range(first: int, last: int) -> list[str]:
    before: list[str] = []
    after: list[str] = []
    while first <= last and first in _SPECIAL:
        before.append(_escaped(first).decode())
        first += 1
    while first <= last and last in _SPECIAL:
        after.insert(0, _escaped(last).decode())
        last -= 1
    codes = range(first, last + 1)
    if len(codes) > 2:  # noqa: PLR2004 - shorter as a range only from three on
        return [*before, f"{chr(first)}-{chr(last)}", *after]
    return [*before, *(_escaped(code).decode() for code in codes), *after]


def _needle(sequence: Sequence[Element]) -> tuple[str, bool, int]:
    """The longest text in every match, whether it is in lower case instead of as it stands, and what stands before."""
    # Bytes so far, as long as that is the same for every match.
    passed = UNKNOWN if any(isinstance(part, Anchor) and part.kind == "^" for part in sequence) else 0
    runs: list[tuple[int, list[tuple[int, bool]]]] = [(passed, [])]
    for part in sequence:
        if not isinstance(part, Item):
            continue
        letter = _letter(part.chars)
        if letter is not None:
            runs[-1][1].extend([letter] * part.least)
        passed = passed + part.least if passed != UNKNOWN and part.most == part.least else UNKNOWN
        if part.most != part.least or letter is None:
            # The last of the repeated ones stands before what follows.
            runs.append((passed, [letter] * part.least if letter is not None else []))
    lead, longest = max(runs, key=lambda run: len(run[1]))
    fold = any(both for _, both in longest)
    text = bytes(code for code, _ in longest)
    return (text.lower() if fold else text).decode(), fold, lead if text else UNKNOWN


def _letter(chars: int) -> tuple[int, bool] | None:
    """The only byte of a set, or the small letter where it has both cases of one (and True)."""
    code = byteset.single(chars)
    if code is not None:
        return code, False
    small = byteset.single(chars & byteset.LOWER)
    return (small, True) if small is not None and chars == byteset.folded(1 << small) else None
