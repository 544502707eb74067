"""The starter file and the reference: both made from the schema, so that they say what there is."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from sidecar.config.schema import Json, json_schema

_WIDTH = 100
_SAMPLES = {
    "cluster": "my-cluster",
    "opensearch.url": "https://localhost:9200",
    "opensearch.tls.ca": "/etc/ssl/opensearch-ca.crt",
}
"""Values for keys that have no default; the first two must be there."""
_SECRETS = {"username": "{env: OPENSEARCH_USER}", "password": "{file: /run/secrets/opensearch/password}"}


@dataclass(frozen=True)
class Key:
    """A key of pipeline.yaml.

    `depth` counts from 0; `value` is its default as it is written, or None where it has none; `section` is a map.
    """

    path: str
    depth: int
    description: str
    required: bool
    section: bool
    value: str | None
    kind: str

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition(".")[2]


def keys() -> Iterator[Key]:
    """Every key, in the order of the models; what is in a section comes right after it."""
    schema = json_schema()
    yield from _keys(schema, schema["$defs"], "", 0)


def _keys(schema: Json, definitions: Json, path: str, depth: int) -> Iterator[Key]:
    for name, entry in schema["properties"].items():
        inner = definitions.get(str(entry.get("$ref", "")).rpartition("/")[2], {})
        secret = "oneOf" in inner
        section = bool(inner) and not secret
        default = entry.get("default")
        yield Key(
            path=f"{path}{name}",
            depth=depth,
            description=" ".join(entry["description"].split()),
            required=name in schema.get("required", ()),
            section=section,
            value=None if default is None else _written(default),
            kind="reference to a secret" if secret else _kind(entry),
        )
        if section:
            yield from _keys(inner, definitions, f"{path}{name}.", depth + 1)


def _written(value: Any) -> str:
    """A scalar as YAML that this project reads as the same value."""
    if isinstance(value, str) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value)


def _kind(entry: Json) -> str:
    if "enum" in entry:
        return " \\| ".join(f"`{value}`" for value in entry["enum"])
    if "examples" in entry and "pattern" in entry:
        return "duration" if "d" in entry["pattern"].partition("(ms")[2] else "size"
    return {"string": "text", "integer": "number", "boolean": "`true` \\| `false`"}.get(entry.get("type", ""), "map")


def starter() -> str:
    """A commented pipeline.yaml: what must be there, and every other key with its default, to be uncommented."""
    lines = [
        "# What the sidecar and Fluent Bit do. Two values are needed; every other key shows its default.",
        "# sidecar validate -c FILE checks it.",
        "",
    ]
    for key in keys():
        indent = "  " * key.depth
        live = key.path in {"cluster", "opensearch", "opensearch.url"}
        lines += [f"{indent}# {line}" for line in textwrap.wrap(key.description, _WIDTH - len(indent))]
        sample = _SAMPLES.get(key.path) or key.value or _SECRETS.get(key.name) or ("" if key.section else "30d")
        text = f"{key.name}:{f' {sample}' if sample else ''}"
        lines += [f"{indent}{text}" if live else f"{'' if key.depth == 0 else indent}#{text}", ""]
    return "\n".join(lines).rstrip() + "\n"


def reference() -> str:
    """A Markdown table of every key."""
    rows = ["| key | kind | default | meaning |", "| --- | --- | --- | --- |"]
    for key in keys():
        if not key.section:
            default = "required" if key.required else f"`{key.value}`" if key.value is not None else ""
            rows.append(f"| `{key.path}` | {key.kind} | {default} | {key.description} |")
    return "\n".join(rows) + "\n"
