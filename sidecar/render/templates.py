"""Index templates: mappings that no document can be rejected by.

`dynamic: false` keeps what isn't named in `fields` in `_source` without mapping it; what users name (labels,
annotations, the fields of a JSON line) is a `flat_object`; numbers and dates that are none are ignored
(`ignore_malformed`); a keyword is cut at 8191 characters, because Lucene's limit of 32,766 is in bytes.

The mappings are component templates, which the index templates are composed of: a thousand routes share one.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from sidecar import __version__
from sidecar.config.model import Config, version_tuple
from sidecar.render.fields import (
    CONTROL_PLANE_FIELDS,
    DEAD_LETTER_FIELDS,
    EVENT_FIELDS,
    LOG_FIELDS,
    Field,
    Kind,
)
from sidecar.render.indices import DEAD_LETTER, families, index_pattern

Json = dict[str, Any]

_MAX_KEYWORD = 8191
_PRIORITY = 500
"""Above the 0-200 of ready-made templates such as `*` and `logs-*`."""

KEYWORD: Json = {"type": "keyword", "ignore_above": _MAX_KEYWORD}
_NOT_SEARCHED: Json = {"type": "object", "enabled": False}
_MAPPINGS: dict[Kind, Json] = {
    Kind.DATE: {"type": "date"},
    Kind.LONG: {"type": "long"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.KEYWORD: KEYWORD,
    Kind.NAME: {**KEYWORD, "fields": {"keyword": KEYWORD}},
    Kind.STORED: {"type": "keyword", "index": False, "doc_values": False},
}

SETTINGS, EVENTS, LOGS, CONTROL_PLANE = (
    f"fluent-sidecar-component-{name}" for name in ("settings", "events", "logs", "control-plane")
)
"""Names of the component templates."""


def mapping_of(config: Config, kind: Kind) -> Json:
    """How fields of a kind are mapped by the server of a configuration."""
    version = version_tuple(config.opensearch.version)
    if kind is Kind.TEXT:
        # match_only_text came with 2.12; it needs no positions, a third of the space of text.
        return {"type": "match_only_text" if version >= (2, 12) else "text"}
    if kind is Kind.ANY:
        # flat_object lost documents with null or arrays of objects before 2.15; there it is kept, but not searched.
        return {"type": "flat_object"} if version >= (2, 15) else _NOT_SEARCHED
    return _MAPPINGS[kind]


def properties(config: Config, fields: Iterable[Field]) -> Json:
    """The mapping of fields, nested by the dots of their names."""
    found: Json = {}
    for field in fields:
        *parents, name = field.name.split(".")
        here = found
        for parent in parents:
            here = here.setdefault(parent, {"properties": {}})["properties"]
        here[name] = mapping_of(config, field.kind)
    return found


def event_properties(config: Config) -> Json:
    """The mapping of an Event's fields, by name."""
    return properties(config, EVENT_FIELDS)


class Templates(NamedTuple):
    """What OpenSearch must have before the first document."""

    components: dict[str, Json]
    """Component templates by name."""
    indices: dict[str, Json]
    """Index templates by name, which name the components."""


def templates(config: Config) -> Templates:
    """All templates of a configuration."""
    return Templates(component_templates(config), index_templates(config))


def component_templates(config: Config) -> dict[str, Json]:
    """Component templates by name; `_meta.hash` tells whether a server has exactly this one."""
    settings = {
        "index": {
            "number_of_shards": 1,
            # A copy where there is a second node, and green where there is none.
            "auto_expand_replicas": "0-1",
            "codec": "best_compression",
            "mapping": {"ignore_malformed": True},
        }
    }
    mapped = {EVENTS: EVENT_FIELDS, LOGS: LOG_FIELDS, CONTROL_PLANE: CONTROL_PLANE_FIELDS}
    return {
        SETTINGS: _marked({"template": {"settings": settings}}, "Settings of all indices"),
        **{
            name: _marked({"template": {"mappings": _mappings(config, fields)}}, "Mappings that reject nothing")
            for name, fields in mapped.items()
        },
    }


def index_templates(config: Config) -> dict[str, Json]:
    """Index templates by name. The hash in `_meta` is not of the components: of a thousand none changes with them."""
    found: dict[str, Json] = {}
    for family in families(config):
        used = (SETTINGS, {"events": EVENTS, "logs": LOGS, "controlPlane": CONTROL_PLANE}[family.source])
        found[index_template_name(family.index)] = _template(
            index_pattern(family), family.description, {"composed_of": list(used)}, config.cluster
        )
    dead_letter = {"composed_of": [SETTINGS], "template": {"mappings": _mappings(config, DEAD_LETTER_FIELDS)}}
    found[DEAD_LETTER] = _template(
        DEAD_LETTER, "Documents that OpenSearch refused, as text", dead_letter, config.cluster
    )
    return found


def index_template_name(index: str) -> str:
    """Name of the index template of a family."""
    return f"fluent-sidecar-{index}"


def _mappings(config: Config, fields: Iterable[Field]) -> Json:
    return {"dynamic": False, "properties": properties(config, fields)}


def _template(pattern: str, description: str, body: Json, *clusters: str) -> Json:
    # Who uses it isn't part of the hash: it is the same template for all clusters that share the indices.
    content = {"index_patterns": [pattern], "priority": _PRIORITY, **body}
    return _marked(content, description, **({"clusters": list(clusters)} if clusters else {}))


def _marked(content: Json, description: str, **more: Any) -> Json:
    meta = {
        "managed_by": "fluent-sidecar",
        "description": description,
        "version": __version__,
        "hash": content_hash(content),
        **more,
    }
    return {**content, "_meta": meta}


def content_hash(content: Json) -> str:
    """SHA-256 of a JSON object, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
