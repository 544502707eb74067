"""Odd Events that a real API server takes all the same: what naive readers stumble over."""

from collections.abc import Callable
from typing import Any

from tests.support.shapes import CORE, Shape

Json = dict[str, Any]


def _timeless(body: Json) -> None:
    for name in ("firstTimestamp", "lastTimestamp", "count"):
        body.pop(name, None)


def _bare(body: Json) -> None:
    namespace = body["metadata"]["namespace"]
    for name in body.keys() - {"metadata"}:
        del body[name]
    body["involvedObject"] = {"namespace": namespace}


def _long(body: Json) -> None:
    body["message"] = "spam & eggs \u2028 déjà vu \N{ROCKET} " * 3000


def _labelled(body: Json) -> None:
    body["metadata"] |= {
        "labels": {"app": "x", "app.kubernetes.io/name": "y", "a.b": "1", "a": ""},
        "annotations": {"a.b/c": '{"json": [1, {}]}', "a": "", "config": "x" * 40_000},
    }


def _far(body: Json) -> None:
    body |= {"firstTimestamp": "0001-01-01T00:00:01Z", "lastTimestamp": "9999-12-31T23:59:59Z", "count": -1}


def _control(body: Json) -> None:
    body["message"] = 'a\u0000b\u0007\u001b[31m\r\n\t"\\ ${HOME} %{x} \u200b\ufeff\ufffd'


def _empty(body: Json) -> None:
    body |= {"reason": "", "type": "", "message": "", "source": {}, "reportingComponent": ""}


def _elsewhere(body: Json) -> None:
    body["involvedObject"] |= {"kind": "Ünï/cöde", "name": "", "uid": "", "fieldPath": "x" * 9000, "apiVersion": "?"}


_KINDS: list[Callable[[Json], None]] = [_timeless, _bare, _long, _labelled, _far, _control, _empty, _elsewhere]


def make_odd(sound: Shape, number: int) -> Shape:
    """An Event with something odd about it; one of events.k8s.io, which the API server checks strictly, stays sound."""
    if sound.collection != CORE:
        return sound
    body = {**sound.body, "metadata": dict(sound.body["metadata"])}
    body["involvedObject"] = dict(body["involvedObject"])
    _KINDS[number % len(_KINDS)](body)
    return Shape(sound.name, sound.collection, body)
