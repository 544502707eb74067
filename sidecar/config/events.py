"""The `events` section: Kubernetes Events, and which of them go out."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from sidecar.config.family import Family, Rotation
from sidecar.config.names import Glob, IndexName, KubernetesGlob, ObjectName
from sidecar.config.section import Many, Section, section
from sidecar.config.units import Duration, Given, Size, parse_duration, parse_size

_SMALLEST_JOURNAL = 16 * 2**20
_SHORTEST_TTL = timedelta(minutes=1)


class EventSelection(Section):
    """Lists of names, with `*` for any part of one."""

    namespaces: Many[KubernetesGlob] = ()
    """Namespaces of the Events themselves; those of nodes and other cluster-wide objects are in `default`."""
    types: Many[Glob] = ()
    """Types: `Normal`, `Warning`."""
    reasons: Many[Glob] = ()
    """Reasons, such as `FailedScheduling` or `BackOff*`."""
    kinds: Many[Glob] = ()
    """Kinds of the objects that the Events are about, such as `Pod`."""


class Events(Family):
    """Kubernetes Events."""

    index: IndexName = "eks-kubernetes-events"
    """Index, or first part of its name where `rotate` adds a date."""
    rotate: Rotation = "daily"
    """How often a new index begins, by the event's creation time (UTC). Old indices go as a whole, which is cheap."""
    retain: Annotated[Duration | None, Given] = None
    """How long documents are kept after the end of their index's day or month; 30d where nothing is said."""
    journal: Size = parse_size("512MiB")
    """Disk for unconfirmed events on a node. When it is full, watching pauses; the API server keeps them for 1h."""
    lease: ObjectName = "fluent-sidecar"
    """Name of the Lease by which the sidecars of a cluster agree on the one that watches. It is in their own
    namespace; two installations in one namespace need two names."""
    include: EventSelection = section(EventSelection)
    """Events that go out: those that each list has, where it isn't empty. All where nothing is said."""
    exclude: EventSelection = section(EventSelection)
    """Events that don't go out, even if `include` has them: those that any of the lists has."""
    enrich: bool = True
    """Whether the labels and the workload (the Deployment, not the Pod) of the object are added."""
    api_ttl: Annotated[Duration, Field(alias="apiTTL")] = parse_duration("1h")
    """How long the API server keeps Events (its `--event-ttl`). Whether one may have been missed is judged by it."""

    @field_validator("journal")
    @classmethod
    def _check_journal(cls, value: int) -> int:
        if value < _SMALLEST_JOURNAL:
            raise ValueError("journal must be at least 16MiB")
        return value

    @field_validator("api_ttl")
    @classmethod
    def _check_api_ttl(cls, value: timedelta) -> timedelta:
        if value < _SHORTEST_TTL:
            raise ValueError("apiTTL must be at least 1m")
        return value
