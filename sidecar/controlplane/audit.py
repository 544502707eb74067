"""An audit event of the API server (audit.k8s.io/v1) as fields below `audit`.

Only what is named here is taken, in the shape that its mapping takes: no audit event can open a field, or clash with
one. All the rest is in `@message`. Bodies of requests and answers are cut, as text.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sidecar.opensearch.encode import encode
from sidecar.opensearch.fit import cut, flat

Json = dict[str, Any]
_Take = Callable[[Any], Any]

MAX_BODY = 2048
"""Bytes that are kept of a body."""
_MAX_LONG = 2**63


def _text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _number(value: Any) -> int | None:
    sound = isinstance(value, int) and not isinstance(value, bool) and -_MAX_LONG <= value < _MAX_LONG
    return value if sound else None


def _body(value: Any) -> str:
    return cut(_text(value), MAX_BODY)


def _map(path: str) -> _Take:
    return lambda value: flat(value, path)


_USER: Mapping[str, Any] = {"username": _text, "uid": _text, "groups": _texts}
_FIELDS: Mapping[str, Any] = {
    "auditID": _text,
    "level": _text,
    "stage": _text,
    "verb": _text,
    "requestURI": _text,
    "userAgent": _text,
    "sourceIPs": _texts,
    "user": {**_USER, "extra": _map("audit.user.extra")},
    "impersonatedUser": _USER,
    "objectRef": dict.fromkeys(
        ("resource", "subresource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion"), _text
    ),
    "responseStatus": {"code": _number, "status": _text, "reason": _text, "message": _text},
    "requestReceivedTimestamp": _text,
    "stageTimestamp": _text,
    "annotations": _map("audit.annotations"),
    "requestObject": _body,
    "responseObject": _body,
}


def fields_of(event: Mapping[str, Any]) -> Json:
    """The fields of an audit event; what has another shape than it should is text."""
    return _picked(event, _FIELDS)


def _picked(value: Mapping[str, Any], fields: Mapping[str, Any]) -> Json:
    found: Json = {}
    for name, take in fields.items():
        item = value.get(name)
        if item is None:
            continue
        taken = take(item) if callable(take) else _picked(item, take) if isinstance(item, dict) else None
        if taken is not None and taken != {}:
            found[name] = taken
    return found
