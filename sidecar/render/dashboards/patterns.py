"""Index patterns: which indices a panel asks, and which fields they have.

They come with their fields. The mappings are `dynamic: false`, so a pattern's fields are known before there is an
index. OpenSearch Dashboards would ask for them when it first opens a pattern, keep what it finds, and miss those of
indices that come later; and it would write them back, which fails for whoever may only read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.config.model import DEAD_LETTER, Config
from sidecar.render.fields import (
    CONTROL_PLANE_FIELDS,
    DEAD_LETTER_FIELDS,
    EVENT_FIELDS,
    LOG_FIELDS,
    Field,
    Kind,
)
from sidecar.render.indices import families, index_pattern
from sidecar.render.templates import mapping_of

Json = dict[str, Any]

EVENTS, LOGS, CONTROL_PLANE, DEAD_LETTERS, ALL = "events", "logs", "control-plane", "dead-letters", "all"

_LONGEST = 2000
"""Characters of a title. OpenSearch Dashboards asks for fields in a GET, and OpenSearch's lines end at 4,096 bytes."""
_TYPES = {
    "date": "date",
    "long": "number",
    "boolean": "boolean",
    "keyword": "string",
    "text": "string",
    # Before 3.5 a refresh of the fields makes it "unknown", which is searched all the same.
    "match_only_text": "string",
    "flat_object": "unknown",
}
_AGGREGATED = frozenset({"date", "long", "boolean", "keyword"})
_ITSELF: tuple[tuple[str, str, bool], ...] = (
    ("_id", "string", True),
    ("_index", "string", True),
    ("_score", "number", False),
    ("_source", "_source", False),
    ("_type", "string", False),
)
"""What each document has besides its fields: name, type, and whether it can be searched and counted."""


@dataclass(frozen=True)
class Pattern:
    """An index pattern.

    Attributes:
        key: Its name in this package.
        title: The indices' names, with wildcards, divided by commas.
        specs: The fields as OpenSearch Dashboards keeps them.
        left_out: Names for which the title had no room.
    """

    key: str
    title: str
    specs: tuple[Json, ...]
    left_out: tuple[str, ...] = ()

    def field(self, name: str) -> str:
        """The name, of a field that the pattern has.

        Raises:
            LookupError: It has none of that name.
        """
        if not any(spec["name"] == name for spec in self.specs):
            raise LookupError(f"the index pattern {self.key} has no field {name}")
        return name

    @property
    def note(self) -> str:
        """What it leaves out, in a sentence; empty where that is nothing."""
        names = ", ".join(f"`{name}`" for name in self.left_out)
        return f"Not shown, because an index pattern has no room for them: {names}." if names else ""


Patterns = dict[str, Pattern]


def patterns(config: Config) -> Patterns:
    """Index patterns by their keys; no `logs` where none are collected."""
    indices: dict[str, list[str]] = {}
    for family in families(config):
        indices.setdefault(family.source, []).append(index_pattern(family))
    found = {EVENTS: _pattern(config, EVENTS, indices["events"], EVENT_FIELDS)}
    if config.logs.enabled:
        found[LOGS] = _pattern(config, LOGS, indices["logs"], LOG_FIELDS)
    found[CONTROL_PLANE] = _pattern(config, CONTROL_PLANE, indices["controlPlane"], CONTROL_PLANE_FIELDS)
    found[DEAD_LETTERS] = _pattern(config, DEAD_LETTERS, [DEAD_LETTER], DEAD_LETTER_FIELDS)
    # The shortest first: what has no room is a route of logs.
    every = [*indices["events"], *indices["controlPlane"], *indices.get("logs", ())]
    found[ALL] = _pattern(config, ALL, every, _alike(EVENT_FIELDS, CONTROL_PLANE_FIELDS, LOG_FIELDS))
    return found


def _alike(*tables: Iterable[Field]) -> list[Field]:
    """The fields that are mapped in the same way wherever they are, and that nowhere are an object."""
    kinds: dict[str, set[Kind]] = {}
    fields = {field.name: field for table in tables for field in table}
    for field in (field for table in tables for field in table):
        kinds.setdefault(field.name, set()).add(field.kind)
    objects = {name.rpartition(".")[0] for name in kinds}
    return [field for name, field in fields.items() if len(kinds[name]) == 1 and name not in objects]


def _pattern(config: Config, key: str, indices: list[str], fields: Iterable[Field]) -> Pattern:
    title, left_out = _joined(indices)
    specs = [spec for field in fields for spec in _specs(config, field)]
    specs += [_spec(name, kind, [name], counted=counted) for name, kind, counted in _ITSELF]
    return Pattern(key, title, tuple(sorted(specs, key=lambda spec: spec["name"])), left_out)


def _joined(indices: list[str]) -> tuple[str, tuple[str, ...]]:
    """As many names as a title has room for, and those that are left."""
    length = 0
    for at, name in enumerate(indices):
        length += len(name) + 1
        if length > _LONGEST:
            return ",".join(indices[:at]), tuple(indices[at:])
    return ",".join(indices), ()


def _specs(config: Config, field: Field) -> list[Json]:
    """A field, and the second name that it also answers to."""
    mapping = mapping_of(config, field.kind)
    kind = mapping["type"]
    if kind not in _TYPES:
        return []  # an object that is kept without being searched
    if field.kind is Kind.STORED:
        return [_spec(field.name, _TYPES[kind], [kind], searched=False)]
    found = [_spec(field.name, _TYPES[kind], [kind], counted=kind in _AGGREGATED, values=kind in _AGGREGATED)]
    for name, inner in mapping.get("fields", {}).items():
        second = _spec(f"{field.name}.{name}", _TYPES[inner["type"]], [inner["type"]], counted=True, values=True)
        found.append({**second, "subType": {"multi": {"parent": field.name}}})
    return found


def _spec(
    name: str, kind: str, types: list[str], *, searched: bool = True, counted: bool = False, values: bool = False
) -> Json:
    return {
        "count": 0,
        "name": name,
        "type": kind,
        "esTypes": types,
        "scripted": False,
        "searchable": searched and kind != "_source" and name not in {"_score", "_type"},
        "aggregatable": counted,
        "readFromDocValues": values,
    }
