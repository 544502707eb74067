"""How a window of time is divided for a chart, and where its axis has words. Pure; everything is UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MOST = 75
"""Buckets in a window: more would be thinner than can be seen on a page."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_YEAR = timedelta(days=366)
# fmt: off
_STEPS = (
    1, 2, 5, 10, 15, 30,
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)),
)
# fmt: on
"""Seconds; each begins at whole ones of its own since 1970, as OpenSearch's fixed intervals do."""


@dataclass(frozen=True)
class Axis:
    """The buckets of a window.

    Attributes:
        start: Of the first bucket, at or before that of the window.
        step: Of each.
        count: How many.
    """

    start: datetime
    step: timedelta
    count: int

    @classmethod
    def of(cls, start: datetime, end: datetime, most: int = MOST) -> "Axis":
        """The finest that has not more than `most` buckets; one at least.

        Args:
            start: Of the window.
            end: Of the window; not a part of it.
            most: Buckets.
        """
        first, last = start.timestamp(), max(end.timestamp(), start.timestamp())
        for step in _STEPS:
            floor = first // step * step
            count = max(1, -int(-(last - floor) // step))
            if count <= most:
                break
        return cls(datetime.fromtimestamp(floor, UTC), timedelta(seconds=step), count)

    @property
    def seconds(self) -> int:
        """Of a bucket."""
        return round(self.step.total_seconds())

    @property
    def starts(self) -> list[datetime]:
        """Of every bucket."""
        return [self.start + at * self.step for at in range(self.count)]

    def spread(self, counts: Mapping[int, int]) -> tuple[int, ...]:
        """A number for each bucket, in their order.

        Args:
            counts: By milliseconds since 1970, as OpenSearch names a bucket.
        """
        first, step = round(self.start.timestamp() * 1000), self.seconds * 1000
        return tuple(counts.get(first + at * step, 0) for at in range(self.count))

    def position(self, moment: datetime) -> float:
        """Where a moment is, from 0 at the start of the first bucket to 1 at the end of the last, and not beyond."""
        return min(max((moment - self.start) / (self.count * self.step), 0.0), 1.0)

    def words(self, most: int) -> list[str]:
        """What the axis says at the start of each bucket; empty at most of them.

        Args:
            most: How many words there is space for.
        """
        labels = [""] * self.count
        step = self._apart(most)
        for at, moment in enumerate(self.starts):
            if round(moment.timestamp()) % step == 0:
                labels[at] = self._word(moment, step)
        return labels if any(labels) else [self._word(self.start, self.seconds), *labels[1:]]

    def _apart(self, most: int) -> int:
        """Seconds between two words."""
        whole = self.count * self.seconds
        fitting = (step for step in _STEPS if step % self.seconds == 0 and whole / step < most + 1)
        return next(fitting, -(-whole // (most * self.seconds)) * self.seconds)

    def _word(self, moment: datetime, step: int) -> str:
        if self.count * self.step > _YEAR:
            return f"{moment:%Y-%m-%d}"
        if step % _DAY == 0 or (moment.hour, moment.minute, moment.second) == (0, 0, 0):
            return f"{moment.day} {moment:%b}"
        return f"{moment:%H:%M}" if step % _MINUTE == 0 else f"{moment:%H:%M:%S}"
