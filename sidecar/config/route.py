"""A route: pod logs that go to an index of their own."""

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from sidecar.config.family import Family, Rotation
from sidecar.config.names import IndexName, KubernetesGlob, Labels, RuleName
from sidecar.config.section import Many
from sidecar.config.units import Duration, Given


class Route(Family):
    """Logs that go to an index of their own."""

    default_retention: ClassVar[timedelta] = timedelta(days=14)

    name: RuleName
    """Name of the route, in messages and metrics."""
    namespaces: Many[KubernetesGlob] = ()
    """Namespaces whose logs take the route, with `*` for any part of a name; any namespace where it is empty."""
    labels: Labels = Field(default_factory=dict)
    """Labels that the pod must have, by name, with their exact value."""
    index: IndexName
    """Index, or first part of its name where `rotate` adds a date."""
    rotate: Rotation = Field(default_factory=lambda: "daily")
    """How often a new index begins; that of `logs.rotate` where nothing is said."""
    retain: Annotated[Duration | None, Given] = None
    """How long documents are kept after the end of their index's day or month; that of `logs.retain` where nothing is
    said."""

    @model_validator(mode="after")
    def _check_claim(self) -> Self:
        if not self.namespaces and not self.labels:
            raise ValueError("a route needs namespaces, labels, or both; without, it would take everything")
        return self

    def under(self, rotate: Rotation, retain: timedelta | None) -> "Route":
        """The route with the rotation and the retention of `logs` where it has none of its own."""
        given = self.model_fields_set
        own = self.rotate if "rotate" in given else rotate
        kept = self.retain if "retain" in given or own == "never" else retain
        # Not among the fields that were set: those are the file's.
        route = self.model_copy()
        route.__dict__.update(rotate=own, retain=kept)
        return route
