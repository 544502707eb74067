"""The starter file and the reference: both made from the schema, so that they say what there is."""

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import yaml

from sidecar.config.schema import Json, json_schema

_WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9./-]*\Z")
_SAMPLES = {
    "cluster": "my-cluster",
    "opensearch.url": "https://localhost:9200",
    "opensearch.auth.basic.username": "{env: OPENSEARCH_USER}",
    "opensearch.auth.basic.password": "{file: /run/secrets/opensearch/password}",
    "opensearch.auth.mtls.cert": "/run/secrets/opensearch/tls.crt",
    "opensearch.auth.mtls.key": "/run/secrets/opensearch/tls.key",
    "opensearch.auth.sigv4.region": "eu-west-1",
    "opensearch.auth.sigv4.roleArn": "arn:aws:iam::123456789012:role/opensearch-writer",
    "opensearch.auth.ssm.path": "/my-cluster/opensearch",
    "opensearch.auth.ssm.region": "eu-west-1",
    "opensearch.tls.ca": "/etc/ssl/opensearch-ca.crt",
    "events.retain": "30d",
    "logs.retain": "14d",
    "logs.multilineRules": "[{name: my-rule, start: '^BEGIN', continue: '^ '}]",
    "logs.redact": "[{name: my-rule, pattern: 'customer=[0-9]+', replace: 'customer=***'}]",
    "logs.routes": (
        "[{name: payments, namespaces: [payments], labels: {tier: backend}, index: payments-logs, rotate: daily,"
        " retain: 90d}]"
    ),
    "logs.limit": "64MiB",
    "controlPlane.retain": "30d",
    "controlPlane.logGroup": "/aws/eks/my-cluster/cluster",
    "controlPlane.auditLog": "/var/log/kubernetes/audit.log",
    "dashboards.url": "https://localhost:5601",
    "dashboards.auth.basic.username": "{env: DASHBOARDS_USER}",
    "dashboards.auth.basic.password": "{file: /run/secrets/dashboards/password}",
    "dashboards.tls.ca": "/etc/ssl/dashboards-ca.crt",
    "alerts.channel.slack.url": "{file: /run/secrets/slack/url}",
    "alerts.channel.chime.url": "{file: /run/secrets/chime/url}",
    "alerts.channel.microsoftTeams.url": "{file: /run/secrets/teams/url}",
    "alerts.channel.webhook.url": "{env: ALERTS_URL}",
    "alerts.channel.sns.topicArn": "arn:aws:sns:eu-west-1:123456789012:alerts",
    "alerts.channel.sns.roleArn": "arn:aws:iam::123456789012:role/opensearch-alerts",
}
"""Values for keys that have no default, or one that shows little; the first two must be there."""


@dataclass(frozen=True)
class Key:
    """A key of pipeline.yaml.

    `depth` counts from 0; `value` is its default as it is written, or None where it has none; `section` is a map;
    `listed` is in a map that is an item of a list, such as `logs.routes[].name`.
    """

    path: str
    depth: int
    description: str
    required: bool
    section: bool
    value: str | None
    kind: str
    listed: bool = False

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
        inner = _inner(entry, definitions)
        secret = "oneOf" in inner
        section = bool(inner) and not secret
        default = {} if _is_map_of_text(entry) else entry.get("default")
        yield Key(
            path=f"{path}{name}",
            depth=depth,
            description=" ".join(entry["description"].split()),
            required=name in schema.get("required", ()),
            section=section,
            value=None if default is None else _written(default),
            kind="reference to a secret" if secret else _kind(entry),
            listed="[]" in path,
        )
        if section:
            yield from _keys(inner, definitions, f"{path}{name}.", depth + 1)
        for item in _items(entry, definitions):
            yield from _keys(item, definitions, f"{path}{name}[].", depth + 1)


def _inner(entry: Json, definitions: Json) -> Json:
    found: Json = definitions.get(str(entry.get("$ref", "")).rpartition("/")[2], {})
    return found


def _items(entry: Json, definitions: Json) -> list[Json]:
    """The maps that a list's items may be."""
    items = entry.get("items", {})
    return [inner for item in items.get("oneOf", [items]) if (inner := _inner(item, definitions))]


def _is_map_of_text(entry: Json) -> bool:
    return entry.get("type") == "object"


def _written(value: Any) -> str:
    """A scalar, or a list of them, as YAML that this project reads as the same value."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str) and _PLAIN.match(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value)


_KINDS = {
    "string": "text",
    "integer": "number",
    "boolean": "`true` \\| `false`",
    "array": "list",
    "object": "map of text",
}


def _kind(entry: Json) -> str:
    if "oneOf" in entry and "items" not in entry:
        return " \\| ".join(map(_kind, entry["oneOf"]))
    if "const" in entry:
        return f"`{entry['const']}`"
    if "enum" in entry:
        return " \\| ".join(f"`{value}`" for value in entry["enum"])
    if "examples" in entry and "pattern" in entry:
        return "duration" if "d" in entry["pattern"].partition("(ms")[2] else "size"
    return _KINDS.get(entry.get("type", ""), "map")


def starter() -> str:
    """A commented pipeline.yaml: what must be there, and every other key with its default, to be uncommented."""
    lines = [
        "# What the sidecar and Fluent Bit do. Two values are needed; every other key shows its default, or a sample.",
        "# sidecar validate -c FILE checks it.",
        "",
    ]
    for key in keys():
        if key.listed:
            continue  # in the sample of its list
        indent = "  " * key.depth
        live = key.path in {"cluster", "opensearch", "opensearch.url"}
        lines += [f"{indent}# {line}" for line in textwrap.wrap(key.description, _WIDTH - len(indent))]
        sample = _SAMPLES.get(key.path) or key.value or ""
        text = f"{key.name}:{f' {sample}' if sample else ''}"
        lines += [f"{indent}{text}" if live else f"{'' if key.depth == 0 else indent}#{text}", ""]
    return "\n".join(lines).rstrip() + "\n"


def reference() -> str:
    """Markdown: for each section of the file a heading, and a table of its keys."""
    lines: list[str] = []
    for section, found in groupby(keys(), key=lambda key: key.path.partition(".")[0]):
        lines += [f"## {section}", "", "| key | kind | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(key) for key in found if not key.section]
        lines.append("")
    return "\n".join(lines)


def _row(key: Key) -> str:
    default = "required" if key.required else f"`{key.value}`" if key.value is not None else ""
    return f"| `{key.path}` | {key.kind} | {default} | {key.description} |"
