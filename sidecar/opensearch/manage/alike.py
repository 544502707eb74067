"""What a server gives back, beside what it was given: without what it filled in by itself. Pure."""

from collections.abc import Mapping
from typing import Any

_UNORDERED = "actionable_alerts"
"""A set, which the alerting plugin gives back in any order."""


def alike(found: Any, wanted: Any) -> Any:
    """What is there, without the keys that `wanted` doesn't speak of."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        # In the order of what is wanted: a diff shows what differs, and nothing else.
        return {key: _alike(key, found[key], wanted[key]) for key in wanted if key in found}
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return [alike(one, other) for one, other in zip(found, wanted, strict=True)]
    return found


def _alike(key: str, found: Any, wanted: Any) -> Any:
    if key == _UNORDERED and isinstance(found, list) and isinstance(wanted, list) and set(found) == set(wanted):
        return wanted
    return alike(found, wanted)
