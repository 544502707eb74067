"""Which Events go out, by `events.include` and `events.exclude`. Pure."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sidecar.config.globs import matches_any
from sidecar.config.model import Events, EventSelection


def selection(events: Events) -> Callable[[Any], bool]:
    """`selected` for one configuration; without a choice nothing is looked at."""
    if events.include == events.exclude == EventSelection():
        return lambda _event: True
    return partial(selected, events=events)


def selected(event: Any, events: Events) -> bool:
    """Whether an Event goes out, of whatever shape it is; what it doesn't say counts as empty text.

    Each of its four names (namespace, type, reason, kind of the object) must be in the list of `include`, where that
    isn't empty, and must not be in the list of `exclude`.
    """
    return all(
        (not included or matches_any(included, name)) and not matches_any(excluded, name)
        for included, excluded, name in (
            (events.include.namespaces, events.exclude.namespaces, _text(event, "metadata", "namespace")),
            (events.include.types, events.exclude.types, _text(event, "type")),
            (events.include.reasons, events.exclude.reasons, _text(event, "reason")),
            (events.include.kinds, events.exclude.kinds, _text(event, "involvedObject", "kind")),
        )
    )


def _text(value: Any, *path: str) -> str:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
