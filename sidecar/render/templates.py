"""Index templates: mappings that no document can be rejected by.

`dynamic: false` keeps what isn't named here in `_source` without mapping it; what users name (labels, annotations) is
a `flat_object`; numbers and dates that are none are ignored (`ignore_malformed`); a keyword is cut at 8191 characters,
because Lucene's limit of 32,766 is in bytes. Fields that dashboards made for dynamic mappings ask for as
`<field>.keyword` answer under that name too.
"""

import hashlib
import json
from typing import Any

from sidecar import __version__
from sidecar.config.model import Config, version_tuple
from sidecar.render import fields
from sidecar.render.indices import DEAD_LETTER, event_index_pattern

Json = dict[str, Any]

_MAX_KEYWORD = 8191
_PRIORITY = 500
"""Above the 0-200 of ready-made templates such as `*` and `logs-*`."""

KEYWORD: Json = {"type": "keyword", "ignore_above": _MAX_KEYWORD}
BOTH: Json = {**KEYWORD, "fields": {"keyword": KEYWORD}}
DATE: Json = {"type": "date"}
LONG: Json = {"type": "long"}
STORED: Json = {"type": "object", "enabled": False}


def _text(config: Config) -> Json:
    # match_only_text came with 2.12; it needs no positions, a third of the space of text.
    return {"type": "match_only_text" if version_tuple(config.opensearch.version) >= (2, 12) else "text"}


def _user_named(config: Config) -> Json:
    # flat_object lost documents with null or arrays of objects before 2.15; there it is kept, but can't be searched.
    return {"type": "flat_object"} if version_tuple(config.opensearch.version) >= (2, 15) else STORED


def _object(**properties: Json) -> Json:
    return {"properties": properties}


def _reference(config: Config) -> Json:
    names = ("apiVersion", "resourceVersion", "uid", "fieldPath")
    return _object(
        kind=BOTH,
        name=BOTH,
        namespace=BOTH,
        labels=_user_named(config),
        annotations=_user_named(config),
        **dict.fromkeys(names, KEYWORD),
    )


def event_properties(config: Config) -> Json:
    """The mapping of an Event's fields, by name."""
    user_named = _user_named(config)
    return {
        fields.TIMESTAMP: DATE,
        fields.ID: KEYWORD,
        fields.INDEX: KEYWORD,
        fields.CLUSTER: BOTH,
        "type": BOTH,
        "reason": BOTH,
        "message": _text(config),
        "action": KEYWORD,
        "count": LONG,
        "firstTimestamp": DATE,
        "lastTimestamp": DATE,
        "eventTime": DATE,
        "reportingComponent": BOTH,
        "reportingInstance": KEYWORD,
        "source": _object(component=BOTH, host=BOTH),
        "series": _object(count=LONG, lastObservedTime=DATE),
        "involvedObject": _reference(config),
        "related": _reference(config),
        "metadata": _object(
            name=BOTH,
            namespace=BOTH,
            uid=KEYWORD,
            resourceVersion=KEYWORD,
            creationTimestamp=DATE,
            labels=user_named,
            annotations=user_named,
        ),
    }


def dead_letter_properties(config: Config) -> Json:
    """The mapping of a refused document: the original as text, and why it was refused."""
    return {
        fields.TIMESTAMP: DATE,
        fields.ID: KEYWORD,
        fields.CLUSTER: BOTH,
        "target": _object(index=KEYWORD),
        "error": _object(status=LONG, type=KEYWORD, reason=_text(config)),
        "document": _text(config),
    }


def index_templates(config: Config) -> dict[str, Json]:
    """Index templates by name; `_meta.hash` tells whether a server has exactly this one."""
    return {
        f"fluent-sidecar-{config.events.index}": _template(
            event_index_pattern(config.events),
            "Kubernetes Events, one document for each version",
            event_properties(config),
        ),
        DEAD_LETTER: _template(
            DEAD_LETTER, "Documents that OpenSearch refused, as text", dead_letter_properties(config)
        ),
    }


def _template(pattern: str, description: str, properties: Json) -> Json:
    template: Json = {
        "index_patterns": [pattern],
        "priority": _PRIORITY,
        "template": {
            "settings": {
                "index": {
                    "number_of_shards": 1,
                    # A copy where there is a second node, and green where there is none.
                    "auto_expand_replicas": "0-1",
                    "codec": "best_compression",
                    "mapping": {"ignore_malformed": True},
                }
            },
            "mappings": {"dynamic": False, "properties": properties},
        },
    }
    return {
        **template,
        "_meta": {
            "managed_by": "fluent-sidecar",
            "description": description,
            "version": __version__,
            "hash": content_hash(template),
        },
    }


def content_hash(content: Json) -> str:
    """SHA-256 of a JSON object, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
