"""An audit event of the API server (audit.k8s.io/v1) as fields below `audit`.

Only what is named here is taken, and only in the shape that audit.k8s.io/v1 and its mapping have for it: no audit event
can open a field, or clash with one. All the rest is in `@message`. fluentbit/controlplane.lua does the same on a node,
byte for byte.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sidecar.controlplane.members import Members, members
from sidecar.opensearch import codec
from sidecar.opensearch.fit import cut

Json = dict[str, Any]
_Take = Callable[[Any], Any]

MAX_BODY = 2048
"""Bytes that are kept of a body."""
MAX_TEXT = 8000
"""Bytes that are kept of any other text: as much as is indexed."""
_MAX_KEY = 4000  # bytes
_MAX_INTEGER = 2**31
_BODIES = ("requestObject", "responseObject")
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


def _word(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return cut(value if value.isascii() else _HALF_OF_A_PAIR.sub("\ufffd", value), MAX_TEXT)


def _words(value: Any) -> list[str | None]:
    return [_word(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _number(value: Any) -> int | None:
    sound = isinstance(value, int | float) and not isinstance(value, bool) and -_MAX_INTEGER <= value < _MAX_INTEGER
    return int(value) if sound and value % 1 == 0 else None


def _map(take: _Take) -> _Take:
    """What is taken of a map's values, by keys that OpenSearch takes."""

    def taken(value: Any) -> Json:
        found: Json = {}
        for key, item in value.items() if isinstance(value, dict) else ():
            name = _HALF_OF_A_PAIR.sub("\ufffd", key)
            one = take(item) if name.strip(". ") and len(name.encode()) <= _MAX_KEY else None
            if one is not None and one != []:
                found[name] = one
        return found

    return taken


_USER: Mapping[str, Any] = {"username": _word, "uid": _word, "groups": _words}
_FIELDS: Mapping[str, Any] = {
    "auditID": _word,
    "level": _word,
    "stage": _word,
    "verb": _word,
    "requestURI": _word,
    "userAgent": _word,
    "sourceIPs": _words,
    "user": {**_USER, "extra": _map(_words)},
    "impersonatedUser": _USER,
    "objectRef": dict.fromkeys(
        ("resource", "subresource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion"), _word
    ),
    "responseStatus": {"code": _number, "status": _word, "reason": _word, "message": _word},
    "requestReceivedTimestamp": _word,
    "stageTimestamp": _word,
    "annotations": _map(_word),
}


def fields_of(line: str) -> tuple[Json, bool]:
    """The fields of a line's audit event, and whether its end is missing; none of a line that is no audit event.

    Bodies of requests and answers are kept as they are written, cut.
    """
    read = _read(line)
    found = _picked(read.values, _FIELDS)
    for name in _BODIES:
        text = read.texts.get(name, "null")
        if text != "null":
            found[name] = cut(text, MAX_BODY)
    return found, bool(found) and not read.whole


def _read(line: str) -> Members:
    if not any(f'"{name}"' in line for name in _BODIES):
        try:
            event = codec.loads_text(line)
        except ValueError:
            pass
        else:
            return Members(event if isinstance(event, dict) else {}, whole=True)
    return members(line)


def _picked(value: Mapping[str, Any], fields: Mapping[str, Any]) -> Json:
    found: Json = {}
    for name, take in fields.items():
        item = value.get(name)
        if item is None:
            continue
        taken = take(item) if callable(take) else _picked(item, take) if isinstance(item, dict) else None
        if taken is not None and taken not in ({}, []):
            found[name] = taken
    return found
