"""The filter in a LuaJIT of its own, as Fluent Bit runs it: with its settings rendered, and a folder for its state."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sidecar.render.lua import literal
from tests.support.lua import LuaJit

LOGS, TICK, SYSTEMD = "logs", "fluent-sidecar.tick", "fluent-sidecar.systemd"
UID = "0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f0000"
POD = f"shop_web-1_{UID}"
PLUGIN = Path(__file__).parents[3] / "fluentbit"
Document = dict[str, Any]

DEFAULTS: dict[str, Any] = {
    "cluster": "c1",
    "enrich": False,
    "families": [{"index": "logs", "rotate": "daily"}],
    "routes": [],
    "include_labels": {},
    "exclude_labels": {},
    "multiline": ["java", "python", "go", "ruby", "dotnet"],
    "multiline_rules": [],
    "multiline_timeout": 5.0,
    "max_line": 2**20,
    "json": True,
    "level": True,
    "redact": [],
}


def install(folder: Path, **more: Any) -> Path:
    """Write the filter and its settings into a folder; gives back the script that Fluent Bit would load."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    lua = folder / "lua"
    lua.mkdir(exist_ok=True)
    for file in PLUGIN.glob("*.lua"):
        (lua / file.name).symlink_to(file)
    given = {**DEFAULTS, "state": str(state), "pods": str(folder / "pods.tsv"), **more}
    (lua / "settings.lua").write_text(f"return {literal(given)}\n")
    return lua / "logs.lua"


class Filter:
    """One start of the filter."""

    def __init__(self, script: Path) -> None:
        self.lua = LuaJit()
        self.lua.eval("function(file) dofile(file) end")(str(script).encode())
        self._logs = self.lua.eval("logs")

    def call(self, tag: str, record: dict[str, Any], timestamp: float = 0.0) -> list[Document]:
        """The documents that a record becomes."""
        code, _, found = self._logs(tag.encode(), timestamp, self.lua.table(record))
        if code == -1:
            return []
        assert code == 2
        documents = python(found)
        return documents if isinstance(documents, list) else [documents]

    def line(self, path: str | Path, offset: int, raw: bytes) -> list[Document]:
        return self.call(LOGS, {"path": str(path), "offset": offset, "log": raw})

    def tick(self, times: int = 1) -> list[Document]:
        return [document for _ in range(times) for document in self.call(TICK, {})]

    def lines(self, path: str | Path, raws: Iterable[bytes], offset: int = 0) -> list[Document]:
        """Lines one after the other, from `offset` on."""
        found: list[Document] = []
        for raw in raws:
            found += self.line(path, offset, raw)
            offset += len(raw) + 1
        return found


def python(value: Any) -> Any:
    """A Lua value: tables as lists or dicts, texts as str where they are UTF-8, else as bytes."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if hasattr(value, "items"):
        items = dict(value.items())
        if items and all(isinstance(key, int) for key in items):
            return [python(items[key]) for key in range(1, len(items) + 1)]
        return {python(key): python(item) for key, item in items.items()}
    return value


def cri(text: bytes | str, second: float = 0, stream: str = "stdout", flag: str = "F") -> bytes:
    """A line as containerd writes it, `second` seconds after 10:00 on a day that is not old."""
    body = text.encode() if isinstance(text, str) else text
    whole, nanos = divmod(round(second * 10**9), 10**9)
    hour, rest = divmod(whole, 3600)
    minute, sec = divmod(rest, 60)
    return f"2026-11-22T{10 + hour:02d}:{minute:02d}:{sec:02d}.{nanos:09d}Z {stream} {flag} ".encode() + body
