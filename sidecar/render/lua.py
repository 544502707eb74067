"""Data as a Lua table constructor, and the plugin's own files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

Value = bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"] | None

ENTRY = "lua/logs.lua"
SETTINGS = "lua/settings.lua"
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
    items = (
        [f"[{_quoted(key)}] = {literal(item, deeper)}" for key, item in value.items() if item is not None]
        if isinstance(value, Mapping)
        else [literal(item, deeper) for item in value]
    )
    if not items:
        return "{}"
    body = "".join(f"{deeper}{item},\n" for item in items)
    return f"{{\n{body}{indent}}}"


def _quoted(text: str) -> str:
    # A decimal escape of three digits can't run into a digit that follows.
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03d}" for b in text.encode()) + '"'  # noqa: PLR2004 - printable ASCII


def scripts() -> dict[str, str]:
    """The plugin's files by their place in the rendered folder."""
    folder = next(place for place in _PLACES if place.is_dir())
    return {f"lua/{file.name}": file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.lua"))}
