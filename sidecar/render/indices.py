"""Index names: which index a document belongs to, decided from the document alone.

A re-read, a retry or another sidecar comes to the same name, so that the same id meets its own index. For Events the
date is `metadata.creationTimestamp`: the API server sets it, so nobody can open thousands of indices by writing odd
dates, and it is the same for all versions of an Event.
"""

import re

from sidecar.config.model import DEAD_LETTER, Events

__all__ = ["DEAD_LETTER", "UNDATED", "event_index", "event_index_pattern"]

UNDATED = "undated"
"""Stands for the date of an Event without a creation time, which no API server makes."""

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T")


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


def event_index_pattern(events: Events) -> str:
    """The pattern that the names of all indices of Events match, and no others'."""
    return events.index if events.rotate == "never" else f"{events.index}-*"
