"""Saved objects in a form in which ours and what OpenSearch Dashboards has made of it are equal."""

import json
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_TEXTS = frozenset(
    {"visState", "uiStateJSON", "panelsJSON", "optionsJSON", "fields", "fieldFormatMap", "sourceFilters", "typeMeta"}
)
"""Attributes that are JSON as text."""
_EMPTY: tuple[Any, ...] = (None, "", {}, [])


def canonical(thing: Json, wanted: Json | None) -> Json:
    """An object without its version and time, and with the JSON in its texts unpacked.

    Of the fields of an index pattern only those that we want are compared, and of each only what a search depends on:
    OpenSearch Dashboards writes them again with how often each was chosen, and adds what it finds.

    Args:
        thing: An object, ours or what an import has made of it.
        wanted: What we would import in its place; None if nothing.
    """
    attributes = {key: _unpacked(key, value) for key, value in thing["attributes"].items()}
    ours = (wanted or thing)["attributes"]
    if thing["type"] == "index-pattern":
        named = {spec["name"] for spec in _specs(ours)}
        attributes["fields"] = {
            spec["name"]: _capabilities(spec) for spec in _specs(thing["attributes"]) if spec["name"] in named
        }
    return {
        "type": thing["type"],
        "id": thing["id"],
        # It leaves keys behind without a value.
        "attributes": {key: value for key, value in attributes.items() if key in ours or value not in _EMPTY},
        "references": sorted(thing.get("references", ()), key=lambda one: str(one.get("name"))),
    }


def _capabilities(spec: Json) -> str:
    """What a search can do with a field: a line in a diff."""
    can = [word for key, word in (("searchable", "searched"), ("aggregatable", "counted")) if spec.get(key)]
    return ", ".join([*map(str, spec.get("esTypes") or ()), *can])


def _unpacked(key: str, value: Any) -> Any:
    if key in _TEXTS:
        return _parsed(value)
    if key == "kibanaSavedObjectMeta" and isinstance(value, Mapping):
        return {inner: _parsed(text) for inner, text in value.items()}
    return value


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value  # somebody wrote what is no JSON: then it differs


def _specs(attributes: Json) -> list[Json]:
    specs = _parsed(attributes.get("fields"))
    return [spec for spec in specs if isinstance(spec, dict) and "name" in spec] if isinstance(specs, list) else []
