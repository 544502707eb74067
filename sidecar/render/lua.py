"""Data as a Lua table constructor, and the plugin's own files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"] | None

ENTRY = "lua/logs.lua"
SETTINGS = "lua/settings.lua"
_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_MOST_ITEMS = 10_000
"""In one piece: a function of LuaJIT holds 65,536 tables."""
_HERE = Path(__file__).parent
_PLACES = (_HERE / "plugin", _HERE.parents[1] / "fluentbit")  # of the installed package, and of the repository


def literal(value: Value, indent: str = "") -> str:
    """A Lua expression for `value`; None is nil. Text may hold any character: what isn't plain ASCII is escaped."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _quoted(value)
    deeper = f"{indent}  "
    if isinstance(value, Mapping):
        pairs = ((_quoted(key), literal(item, deeper)) for key, item in value.items() if item is not None)
        return _braced([f"[{key}] = {item}" for key, item in pairs], indent)
    items = [literal(item, deeper) for item in value]
    return _braced(items, indent) if len(items) <= _MOST_ITEMS else _in_pieces(items, indent)


def _braced(items: Sequence[str], indent: str) -> str:
    if not items:
        return "{}"
    body = "".join(f"{indent}  {item},\n" for item in items)
    return f"{{\n{body}{indent}}}"


def _in_pieces(items: Sequence[str], indent: str) -> str:
    """A long list, put together from the results of several functions."""
    pieces = [items[at : at + _MOST_ITEMS] for at in range(0, len(items), _MOST_ITEMS)]
    made = ", ".join(f"function() return {_braced(piece, indent)}, {len(piece)} end" for piece in pieces)
    return (
        "(function(...) local all, size = {}, 0 for _, make in ipairs({...}) do local piece, count = make() "
        f"for i = 1, count do all[size + i] = piece[i] end size = size + count end return all end)({made})"
    )


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    # A decimal escape of three digits can't run into a digit that follows.
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03d}" for b in text.encode()) + '"'  # noqa: PLR2004 - printable ASCII


def scripts() -> dict[str, str]:
    """The plugin's files by their place in the rendered folder."""
    folder = next(place for place in _PLACES if place.is_dir())
    return {f"lua/{file.name}": file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.lua"))}
