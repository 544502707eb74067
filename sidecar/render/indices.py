"""Index names: which index a document belongs to, decided from the document alone.

A re-read, a retry or another sidecar comes to the same name, so that the same id meets its own index. For Events the
date is `metadata.creationTimestamp`: the API server sets it, so nobody can open thousands of indices by writing odd
dates, and it is the same for all versions of an Event. For logs it is the time that the container runtime wrote.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sidecar.config.family import Family, Rotation
from sidecar.config.fixed import UNDATED
from sidecar.config.model import DEAD_LETTER, Config, Events

__all__ = ["DEAD_LETTER", "UNDATED", "IndexFamily", "event_index", "event_index_pattern", "families", "index_pattern"]

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T")


@dataclass(frozen=True, slots=True)
class IndexFamily:
    """Indices that share a name, a mapping, a rotation and a retention."""

    source: Literal["events", "logs", "controlPlane"]
    index: str
    rotate: Rotation
    retention: timedelta | None
    description: str


def families(config: Config) -> Iterator[IndexFamily]:
    """Every family once: Events, pod logs, those of the routes (several may share one), and control-plane logs."""
    yield _family("events", config.events, "Kubernetes Events, one document for each version")
    if config.logs.enabled:
        yield from log_families(config)
    yield control_plane_family(config)


def control_plane_family(config: Config) -> IndexFamily:
    """The family of the control plane's logs."""
    return _family("controlPlane", config.control_plane, "Logs of the control plane")


def log_families(config: Config) -> list[IndexFamily]:
    """The families of pod logs: first the one for what no route takes."""
    found = {config.logs.index: _family("logs", config.logs, "Pod logs")}
    for route in config.logs.routes:
        found.setdefault(route.index, _family("logs", route, f"Pod logs of the route {route.name}"))
    return list(found.values())


def _family(source: Literal["events", "logs", "controlPlane"], family: Family, description: str) -> IndexFamily:
    return IndexFamily(source, family.index, family.rotate, family.retention, description)


def event_index(events: Events, creation_timestamp: object) -> str:
    """The index of an Event, for example `eks-kubernetes-events-2026.11.22`.

    Args:
        events: The `events` section.
        creation_timestamp: The Event's `metadata.creationTimestamp`, RFC 3339 in UTC.
    """
    if events.rotate == "never":
        return events.index
    match = _DATE.match(creation_timestamp) if isinstance(creation_timestamp, str) else None
    if not match:
        return f"{events.index}-{UNDATED}"
    return f"{events.index}-{'.'.join(match.groups()[: 3 if events.rotate == 'daily' else 2])}"


def index_pattern(family: IndexFamily | Family) -> str:
    """The pattern that the names of all indices of a family match, and no others'."""
    return family.index if family.rotate == "never" else f"{family.index}-*"


def event_index_pattern(events: Events) -> str:
    """The pattern of the indices of Events."""
    return index_pattern(events)
