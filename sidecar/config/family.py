"""An index family: indices that share a name, a rotation and a retention."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator

from sidecar.config.names import IndexName
from sidecar.config.section import Section, refuse
from sidecar.config.units import Duration, Given, format_duration

Rotation = Literal["daily", "monthly", "never"]

_DAY = timedelta(days=1)
_MONTH = 28 * _DAY
"""The shortest; what is kept for less than a month would be kept for another one all the same."""
_SMALLEST = {"daily": _DAY, "monthly": _MONTH}


class Family(Section):
    """Indices that share a name, a rotation and a retention."""

    default_retention: ClassVar[timedelta] = 30 * _DAY

    index: IndexName
    """Index, or first part of its name where `rotate` adds a date."""
    rotate: Rotation = "daily"
    """How often a new index begins (UTC). Old indices go as a whole, which is cheap."""
    retain: Annotated[Duration | None, Given] = None
    """How long documents are kept after the end of their index's day or month."""

    @model_validator(mode="after")
    def _check_retention(self) -> Self:
        problem = self.retention_problem()
        refuse([(("retain",), problem)] if problem else [])
        return self

    def retention_problem(self) -> str:
        """Why `retain` doesn't go with `rotate`; empty where it does."""
        if self.retain is None:
            return ""
        if self.rotate == "never":
            return "retain needs rotate: daily or monthly, because an index is deleted as a whole"
        if self.retain < _SMALLEST[self.rotate]:
            least = format_duration(_SMALLEST[self.rotate])
            return f"retain must be at least {least} with rotate: {self.rotate}, because an index is deleted as a whole"
        return ""

    @property
    def retention(self) -> timedelta | None:
        """How long documents are kept; None is for ever."""
        if self.rotate == "never":
            return None
        if self.retain is not None:
            return self.retain
        return max(self.default_retention, _SMALLEST[self.rotate])
