"""Saved objects as OpenSearch Dashboards imports them: their envelopes, ids and references."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.render import fields
from sidecar.render.dashboards.filters import Filter
from sidecar.render.dashboards.patterns import Pattern

Json = dict[str, Any]

SEARCH_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON"

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/fluent-sidecar/fluent-sidecar")
_MIGRATIONS = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}
"""The newest of each type, from 1.0 on. An object without is taken for an old one and migrated, one with a later
version is refused with a 422."""


def object_id(kind: str, name: str) -> str:
    """The id of a saved object: the same for every cluster, so that an import replaces.

    It has no `_`, at which OpenSearch Dashboards cuts an id in two where there are several data sources.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{name}"))


def saved_object(kind: str, name: str, attributes: Json, references: Sequence[Json] = ()) -> Json:
    """An object in its envelope."""
    return {
        "id": object_id(kind, name),
        "type": kind,
        "attributes": attributes,
        "references": list(references),
        "migrationVersion": {kind: _MIGRATIONS[kind]},
    }


def reference(name: str, kind: str, target: str) -> Json:
    """A reference by which an object names another one."""
    return {"name": name, "type": kind, "id": target}


def index_pattern(pattern: Pattern) -> Json:
    """An index pattern, with its fields.

    Its time is `@timestamp`, which every document has, of events too: the `lastTimestamp` of the EKS workshop's own
    pattern is told in whole seconds by most writers.
    """
    attributes = {
        "title": pattern.title,
        "timeFieldName": fields.TIMESTAMP,
        "fields": text(list(pattern.specs)),
    }
    return saved_object("index-pattern", pattern.key, attributes)


def visualization(
    name: str,
    state: Json,
    description: str,
    pattern: Pattern | None = None,
    filters: Sequence[Filter] = (),
    *,
    colours: Mapping[str, str] | None = None,
) -> Json:
    """A visualization; `state` is its `visState` without the title.

    Args:
        name: Its title.
        state: Type, aggregations and parameters; controls name their index patterns by `indexPattern`, a `Pattern`.
        description: What it shows.
        pattern: What it asks; None where it asks nothing.
        filters: What it asks for.
        colours: Of values, where they mean something.
    """
    source, references = search_source(pattern, filters)
    controls, more = _controls(state["params"].get("controls", ()))
    params = {**state["params"], **({"controls": controls} if controls else {})}
    attributes = {
        "title": name,
        "visState": text({"title": name, **state, "params": params}),
        "uiStateJSON": text({"vis": {"colors": dict(colours)}} if colours else {}),
        "description": description,
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": text(source)},
    }
    return saved_object("visualization", name, attributes, [*references, *more])


def _controls(controls: Sequence[Json]) -> tuple[list[Json], list[Json]]:
    """Controls with the references to their index patterns, and these."""
    found, references = [], []
    for at, control in enumerate(controls):
        ref = f"control_{at}_index_pattern"
        rest = {key: value for key, value in control.items() if key != "indexPattern"}
        found.append({**rest, "indexPatternRefName": ref})
        references.append(reference(ref, "index-pattern", object_id("index-pattern", control["indexPattern"].key)))
    return found, references


def saved_search(
    name: str, pattern: Pattern, columns: Sequence[str], description: str, filters: Sequence[Filter] = ()
) -> Json:
    """A table of documents, the newest first."""
    source, references = search_source(pattern, filters)
    attributes = {
        "title": name,
        "description": description,
        "hits": 0,
        "columns": [pattern.field(column) for column in columns],
        "sort": [[fields.TIMESTAMP, "desc"]],
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": text({"highlightAll": True, "version": True, **source})},
    }
    return saved_object("search", name, attributes, references)


def search_source(pattern: Pattern | None, filters: Sequence[Filter] = ()) -> tuple[Json, list[Json]]:
    """What is asked, and the references in it."""
    source: Json = {"query": {"query": "", "language": "kuery"}, "filter": []}
    if pattern is None:
        return source, []
    target = object_id("index-pattern", pattern.key)
    source["indexRefName"] = f"{SEARCH_SOURCE}.index"
    references = [reference(source["indexRefName"], "index-pattern", target)]
    for at, one in enumerate(filters):
        ref = f"{SEARCH_SOURCE}.filter[{at}].meta.index"
        pattern.field(one.field)
        source["filter"].append(one.rendered(ref))
        references.append(reference(ref, "index-pattern", target))
    return source, references


def text(value: Any) -> str:
    """JSON within JSON, as many attributes are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
