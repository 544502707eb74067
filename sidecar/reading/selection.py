"""Which documents somebody wants -> a query of the search API. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.reading.kinds import Target, target
from sidecar.reading.window import Window, iso
from sidecar.render import fields

__all__ = ["Selection", "Target", "any_of", "event_query", "log_query", "matching", "target"]

Json = dict[str, Any]

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
"""What `level` may be, from the least to the most severe."""

# What Kubernetes puts behind a name for what it makes: of the alphabet of `sidecar.events.problems`.
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
_SUFFIX = f"-{_SAFE}{{5}}"
_HASH = f"-{_SAFE}{{6,10}}"
_MINUTES = "-[0-9]{8,}"
_MADE: dict[str, tuple[tuple[str, str], ...]] = {
    "Deployment": (("ReplicaSet", _HASH), ("Pod", _HASH + _SUFFIX)),
    "ReplicaSet": (("Pod", _SUFFIX),),
    "ReplicationController": (("Pod", _SUFFIX),),
    "DaemonSet": (("Pod", _SUFFIX),),
    "StatefulSet": (("Pod", "-[0-9]+"),),
    "Job": (("Pod", f"{_SUFFIX}|-[0-9]+{_SUFFIX}"),),
    "CronJob": (("Job", _MINUTES), ("Pod", _MINUTES + _SUFFIX)),
}
"""What is made of a kind, and what its name has behind the maker's."""
_BELOW_A_WORKLOAD = ("ReplicaSet", "Job")
"""What may belong to a workload above it, which then is what its pods' documents name."""


@dataclass(frozen=True)
class Selection:
    """What is wanted; an empty part excludes nothing.

    Attributes:
        cluster: Of the documents.
        namespace: All namespaces where it is empty.
        target: An object; with a workload also what it has made.
        types: Of Events: Normal, Warning.
        reasons: Of Events.
        containers: Of pod logs.
        level: Of pod logs: this severe, or more.
        words: Of pod logs: a line has these words, one behind the other.
    """

    cluster: str
    namespace: str = ""
    target: Target | None = None
    types: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    level: str = ""
    words: str = ""


def event_query(wanted: Selection, when: Window, *, gaps: bool = True) -> Json:
    """Events, every version; and gaps within the window, which may hide any Event."""
    filters = [
        *when.query(),
        *_exactly("metadata.namespace", [wanted.namespace]),
        *_exactly("type", wanted.types, exact_case=False),
        *_exactly("reason", wanted.reasons, exact_case=False),
        *([_object(wanted.target, _EVENT_NAMES)] if wanted.target else []),
    ]
    is_gap = matching("kind", fields.GAP)
    events: Json = {"bool": {"filter": filters, "must_not": [is_gap]}}
    found = any_of([events, {"bool": {"filter": [is_gap, *_overlapping(when)]}}]) if gaps else events
    return {"bool": {"filter": [matching(fields.CLUSTER, wanted.cluster), found]}}


def log_query(wanted: Selection, when: Window) -> Json:
    """Log records."""
    levels = LEVELS[LEVELS.index(wanted.level) :] if wanted.level else ()
    filters = [
        matching(fields.CLUSTER, wanted.cluster),
        *when.query(),
        *_exactly("kubernetes.namespace_name", [wanted.namespace]),
        *_exactly("kubernetes.container_name", wanted.containers),
        *_exactly(fields.LEVEL, levels),
        *([_object(wanted.target, _LOG_NAMES)] if wanted.target else []),
        *([{"match_phrase": {fields.LOG: wanted.words}}] if wanted.words else []),
    ]
    return {"bool": {"filter": filters}}


def made_by(kind: str) -> tuple[tuple[str, str], ...]:
    """What is made of an object of a kind: kinds, and the pattern of what their names have behind the maker's."""
    return _MADE.get(kind, ())


def matching(field: str, value: str, *, exact_case: bool = True) -> Json:
    """A field has this value."""
    return {"term": {field: value if exact_case else {"value": value, "case_insensitive": True}}}


def any_of(queries: Iterable[Json]) -> Json:
    """At least one of these holds."""
    return {"bool": {"should": [*queries], "minimum_should_match": 1}}


def _exactly(field: str, values: Iterable[str], *, exact_case: bool = True) -> list[Json]:
    """A filter for one of some values; none where there are none."""
    found = [value for value in values if value]
    if not found:
        return []
    return [
        {"terms": {field: found}} if exact_case else any_of(matching(field, one, exact_case=False) for one in found)
    ]


def _overlapping(when: Window) -> list[Json]:
    """Gaps that reach into a window."""
    since = [{"range": {"gap.to": {"gte": iso(when.since)}}}] if when.since else []
    until = [{"range": {"gap.from": {"lt": iso(when.until)}}}] if when.until else []
    return [*since, *until]


# Objects


@dataclass(frozen=True)
class _Names:
    """The fields that name the object of a document; `kind` is empty where it always is a Pod."""

    kind: str
    name: str


_EVENT_NAMES = _Names("involvedObject.kind", "involvedObject.name")
_LOG_NAMES = _Names("", "kubernetes.pod_name")


def _object(wanted: Target, names: _Names) -> Json:
    """Documents about an object, and about what it has made.

    The workload is on most of them. Where it isn't known, and for what is below a workload, names tell.
    """
    kinds = wanted.kinds
    own = _is(names, kinds, {"term": {names.name: wanted.name}}, exact_case=len(kinds) == 1)
    of_workload = [
        {"bool": {"filter": [matching("workload.kind", kind, exact_case=len(kinds) == 1), _named(wanted.name)]}}
        for kind in kinds
    ]
    unknown = [] if wanted.kind in _BELOW_A_WORKLOAD else [{"exists": {"field": "workload.name"}}]
    made = [
        {"bool": {"filter": [found], "must_not": unknown}}
        for kind, suffix in made_by(wanted.kind)
        if (found := _is(names, (kind,), {"regexp": {names.name: f"{_literally(wanted.name)}({suffix})"}}))
    ]
    return any_of([*([own] if own else []), *of_workload, *made])


def _named(name: str) -> Json:
    return matching("workload.name", name)


def _is(names: _Names, kinds: tuple[str, ...], named: Json, *, exact_case: bool = True) -> Json | None:
    """Documents about an object of a kind and a name; None where there can't be any."""
    if names.kind:
        return {
            "bool": {"filter": [any_of(matching(names.kind, kind, exact_case=exact_case) for kind in kinds), named]}
        }
    return named if "Pod" in kinds else None


def _literally(name: str) -> str:
    """A name as a regular expression of Lucene, in which more characters have a meaning than in Python's."""
    return re.sub(r"([^A-Za-z0-9])", r"\\\1", name)
