"""LuaJIT within the test: the same engine as Fluent Bit's, with texts as bytes both ways."""

from pathlib import Path
from typing import Any

from lupa.luajit21 import LuaRuntime  # type: ignore[import-untyped]  # lupa has no type information

_GSUB = "function(text, pattern, replace) return (string.gsub(text, pattern, replace)) end"
_FIND = "function(text, pattern, start) return string.find(text, pattern, start) ~= nil end"
_CLOCK = "function(call, ...) local start = os.clock(); local found = call(...); return os.clock() - start, found end"


class LuaJit:
    """One Lua state. Texts are bytes; what a function returns is bytes, a number, a boolean, None or a table."""

    def __init__(self) -> None:
        self.runtime: Any = LuaRuntime(encoding=None)
        self._gsub: Any = self.eval(_GSUB)
        self._find: Any = self.eval(_FIND)
        self._clock: Any = self.eval(_CLOCK)

    def eval(self, expression: str) -> Any:
        """The value of a Lua expression."""
        return self.runtime.eval(expression.encode())

    def load(self, file: Path, *arguments: Any) -> Any:
        """What the chunk in `file` returns, called with `arguments` (its `...`)."""
        chunk = self.eval("function(text, name) return assert(loadstring(text, name)) end")
        return chunk(file.read_bytes(), b"@" + file.name.encode())(*arguments)

    def table(self, value: dict[str, Any] | list[Any] | tuple[Any, ...]) -> Any:
        """A Lua table of `value`, inner ones too; str becomes UTF-8."""
        items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        table = self.runtime.table()
        for key, item in items:
            table[_lua(key)] = self.table(item) if isinstance(item, dict | list | tuple) else _lua(item)
        return table

    def gsub(self, text: bytes, pattern: str, replace: str) -> bytes:
        """`text` with all matches replaced."""
        replaced = self._gsub(text, pattern.encode(), replace.encode())
        assert isinstance(replaced, bytes)
        return replaced

    def find(self, text: bytes, pattern: str, start: int = 1) -> bool:
        """Whether a Lua pattern matches, from the byte `start` (from 1) on."""
        return bool(self._find(text, pattern.encode(), start))

    def seconds(self, call: Any, *arguments: Any) -> tuple[float, Any]:
        """The processor time of a call of a Lua function, and what it returned."""
        taken, found = self._clock(call, *arguments)
        assert isinstance(taken, float)
        return taken, found


def python(value: Any, *, like: Any) -> Any:
    """A value of Lua as Python has it; `like` says of a table whether it is a list, and of bytes that they are text."""
    if isinstance(like, dict):
        known = {key.encode(): key for key in like}
        return {known.get(key, key): python(item, like=like.get(known.get(key))) for key, item in value.items()}
    if isinstance(like, list | tuple):
        return (
            [python(value[at], like=item) for at, item in enumerate(like, start=1)]
            if len(value) == len(like)
            else value
        )
    return value.decode() if isinstance(value, bytes) else value


def _lua(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
