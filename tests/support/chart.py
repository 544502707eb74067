"""What is generated of the chart: its schema and the table in its README, from values.yaml and the models.

    python -m tests.support.chart      writes both again; `make chart` calls it

In values.yaml the comment above a key is its description, and a line `# @schema {...}` in it adds to what follows from
its value: a map is closed (no other keys), unless it is empty or its type is given; `# @schema pipeline` is the schema
of pipeline.yaml.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sidecar.config.schema import json_schema

Json = dict[str, Any]

CHART = Path(__file__).parents[2] / "charts/fluent-sidecar"
VALUES, SCHEMA, README = CHART / "values.yaml", CHART / "values.schema.json", CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->"
_MARK = "@schema"
_TYPES = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object"}


@dataclass(frozen=True)
class Value:
    """A key of values.yaml: its name, value and description, what its schema says on top, and the keys in it."""

    name: str
    value: Any
    text: str
    extra: Json | str
    inner: tuple["Value", ...]


def values(text: str) -> tuple[Value, ...]:
    """The keys of a values.yaml, in its order."""
    return _values(yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text), text.splitlines())


def _values(node: yaml.Node | None, data: Json, lines: list[str]) -> tuple[Value, ...]:
    assert isinstance(node, yaml.MappingNode)
    found = []
    for key, child in node.value:
        text, extra = _comment(lines, key.start_mark.line)
        value = data[key.value]
        closed = isinstance(child, yaml.MappingNode) and child.value and not extra
        found.append(Value(key.value, value, text, extra, _values(child, value, lines) if closed else ()))
    return tuple(found)


def _comment(lines: list[str], line: int) -> tuple[str, Json | str]:
    """The comment above a line: its words, and what its mark says."""
    above: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        above.insert(0, lines[line].lstrip().removeprefix("#").strip())
    words = [text for text in above if not text.startswith(_MARK)]
    marks = [text.removeprefix(_MARK).strip() for text in above if text.startswith(_MARK)]
    extra = marks[0] if marks else ""
    return " ".join(words), json.loads(extra) if extra.startswith("{") else extra


def schema(text: str) -> Json:
    """The schema of a values.yaml, for Helm 3 and 4: draft 7, which both know."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart fluent-sidecar",
        **_closed(values(text)),
        "$defs": json_schema()["$defs"],
    }


def _closed(inner: tuple[Value, ...]) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {value.name: _entry(value) for value in inner},
    }


def _entry(value: Value) -> Json:
    told = {"description": value.text} if value.text else {}
    if value.extra == "pipeline":
        # What must be there is said by the templates, in words that help; a ConfigMap of one's own may have it instead.
        whole = json_schema()
        return told | {key: whole[key] for key in ("type", "additionalProperties", "properties")}
    if value.inner:
        return told | _closed(value.inner)
    extra = value.extra if isinstance(value.extra, dict) else {}
    return told | {"type": _TYPES[type(value.value)], "default": value.value} | extra


def table(text: str) -> str:
    """The table of all keys, for the README."""
    rows = [f"| `{path}` | `{_shown(value.value)}` | {value.text} |" for path, value in _leaves(values(text))]
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *rows, ""])


def _leaves(found: tuple[Value, ...], above: str = "") -> Iterator[tuple[str, Value]]:
    for value in found:
        path = f"{above}{value.name}"
        if value.inner:
            yield from _leaves(value.inner, f"{path}.")
        else:
            yield path, value


def _shown(value: Any) -> str:
    return json.dumps(value).replace("|", "\\|")


def generated() -> dict[Path, str]:
    """What the files must hold."""
    text, page = VALUES.read_text(), README.read_text()
    head, mark, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    assert mark, f"{README} has no place for the table"
    return {
        SCHEMA: json.dumps(schema(text), indent=2, ensure_ascii=False) + "\n",
        README: f"{head}{BEGIN}{table(text)}{END}{tail}",
    }


if __name__ == "__main__":
    for path, content in generated().items():
        path.write_text(content)
