"""What an alert is made of, before it becomes a monitor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

Json = dict[str, Any]

FOUND = "found"
"""Name of the aggregation whose buckets an alert is about each."""


@dataclass(frozen=True)
class Alert:
    """One thing to be alerted on.

    Attributes:
        key: Its name in files, such as `image-pull`.
        title: What it says, as the end of the monitor's name.
        severity: 1 (highest) to 5.
        enabled: Whether it runs.
        period: How far back is looked; it is looked several times within it.
        indices: Index patterns. Each has a `*`, so that an index that isn't there yet is no error.
        search: The search's body, with `{{period_end}}` for the time at which the monitor runs.
        condition: Painless. Of a bucket of `FOUND` where there are `paths`, else of the whole answer, `ctx.results[0]`.
        paths: By what names the condition knows a bucket's figures, and their paths in it; None where the alert is
            about no buckets.
        text: Mustache, of the answer: what was found, and what to look at.
    """

    key: str
    title: str
    severity: int
    enabled: bool
    period: timedelta
    indices: Sequence[str]
    search: Json
    condition: str
    text: str
    paths: Mapping[str, str] | None = None
