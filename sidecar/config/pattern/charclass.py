"""Reading a character class or an escape: a set of bytes."""

import re

from sidecar.config.pattern import byteset
from sidecar.config.pattern.tree import refuse

_SETS = {"d": byteset.DIGIT, "w": byteset.WORD, "s": byteset.SPACE}
_SETS |= {name.upper(): byteset.inverse(chars) for name, chars in _SETS.items()}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_HEX = re.compile(r"\\x([0-7][0-9A-Fa-f])")
_POSIX = re.compile(r"\[[:.=]")

_REASONS = {
    "p": ("Unicode classes can't be translated", "write the ASCII characters as a class, for example [A-Za-z]"),
    "k": ("a named reference can't be translated", "write out what shall come again"),
    "g": ("a reference can't be translated", "write out what shall come again"),
    "A": ("\\A is unknown here", "write ^"),
    "Z": ("\\Z is unknown here", "write $"),
    "z": ("\\z is unknown here", "write $"),
    "b": ("\\b within a class is a backspace", "write \\x08 if you mean it"),
    "B": ("\\B can't be translated", "write a (?<!x) before or a (?!x) after a character of the class x"),
    "x": ("\\x takes two hexadecimal digits, up to 7F", "write a character outside ASCII as it is"),
    "0": ("an octal escape is unknown here", "write \\x00 to \\x7F"),
    "P": ("Unicode classes can't be translated", "write the ASCII characters as a class, for example [A-Za-z]"),
}


def escaped(text: str, at: int) -> tuple[int, int]:
    r"""The escape at `at`, where a backslash stands.

    Returns:
        Where it ends, and its set of bytes.

    Raises:
        ValueError: If the subset has no such escape.
    """
    column, name = at + 1, text[at + 1 : at + 2]
    if name in _SETS:
        return at + 2, _SETS[name]
    if name in _CONTROLS:
        return at + 2, byteset.of(_CONTROLS[name])
    if code := _HEX.match(text, at):
        return code.end(), 1 << int(code[1], 16)
    if name in _REASONS and name:
        refuse(column, *_REASONS[name])
    if not name:
        refuse(column, "a backslash at the end escapes nothing", "write \\\\ for the character")
    if name.isdecimal() and name.isascii():
        refuse(column, f"the backreference \\{name} can't be translated", "write out what shall come again")
    if not name.isascii():
        refuse(column, "a character outside ASCII needs no backslash", f"write {name}")
    if name.isalpha():
        refuse(column, f"the escape \\{name} is unknown here", f"write {name} for the letter")
    return at + 2, byteset.of(name)


def read_class(text: str, at: int) -> tuple[int, int]:
    """The class at `at`, where `[` stands.

    Returns:
        Where it ends, and its set of bytes.

    Raises:
        ValueError: If it is not closed, empty, or has what the subset lacks.
    """
    column = at + 1
    negated = text.startswith("^", at + 1)
    place = first = at + 1 + negated
    chars = 0
    while not text.startswith("]", place):
        if place >= len(text):
            refuse(column, "this class is never closed", "write \\[ for the character")
        place, found = _member(text, place)
        chars |= found
    if place == first:
        refuse(column, "an empty class matches nothing", "write \\] for a bracket within a class")
    if negated:
        chars = byteset.inverse(chars)
    if not chars:
        refuse(column, "this class matches nothing", "leave something in it")
    return place + 1, chars


def _member(text: str, at: int) -> tuple[int, int]:
    end, chars = _one(text, at)
    is_range = text.startswith("-", end) and end + 1 < len(text) and text[end + 1] != "]"
    if not is_range:
        return end, chars
    end, last_chars = _one(text, end + 1)
    first, last = byteset.single(chars), byteset.single(last_chars)
    if first is None or last is None:
        refuse(at + 1, "a range needs one character on either side", "write \\- for the character")
    if last < first:
        refuse(at + 1, f"the range {text[at:end]} runs backwards", "write the smaller character first")
    return end, byteset.between(first, last)


def _one(text: str, at: int) -> tuple[int, int]:
    if text[at] == "\\":
        return escaped(text, at)
    if _POSIX.match(text, at):
        refuse(
            at + 1, f"`{text[at : at + 2]}` begins a POSIX class, which can't be translated", "write \\w, \\d or a-z"
        )
    if not text[at].isascii():
        refuse(at + 1, f"{text[at]} is more than one byte, so no class can hold it", "write alternatives, (?:é|è)")
    return at + 1, byteset.of(text[at])
