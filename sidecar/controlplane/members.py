"""The members of a JSON object whose end may be missing, as far as it goes."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Members:
    """What was found of a JSON object.

    Attributes:
        values: Members that are whole, by name.
        texts: The same, as they are written.
        whole: Whether the text is the object, and nothing but it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    whole: bool = False


def members(text: str) -> Members:
    """The members of the JSON object that a text begins with, up to the one that was cut; none of another text."""
    found = Members()
    at = _space(text, 0)
    if text[at : at + 1] != "{":
        return found
    with suppress(ValueError, RecursionError):
        _read(text, _space(text, at + 1), found)
    return found


def _read(text: str, at: int, found: Members) -> None:
    while text[at : at + 1] == '"':
        name, at = _decode(text, at)
        at = _space(text, at)
        if text[at : at + 1] != ":":
            return
        begin = _space(text, at + 1)
        value, end = _decode(text, begin)
        at = _space(text, end)
        # What nothing follows may go on: of 403 there may be 40.
        mark = text[at : at + 1]
        if mark not in {",", "}"}:
            return
        found.values[name], found.texts[name] = value, text[begin:end]
        if mark == ",":
            at = _space(text, at + 1)
            if text[at : at + 1] != '"':
                return
    found.whole = text[at : at + 1] == "}" and _space(text, at + 1) == len(text)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_decode: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(strict=False, parse_constant=_refuse).raw_decode
_WHITESPACE = re.compile(r"[ \t\r\n]*+")


def _space(text: str, at: int) -> int:
    found = _WHITESPACE.match(text, at)
    return found.end() if found else at
