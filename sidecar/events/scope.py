"""What of `events.include` and `events.exclude` the API server itself can leave out. Pure.

It spares the server, the network and the sidecar what would be thrown away. What can't be said to the server - several
names to include, globs - is left out here (`sidecar.events.select`), which looks at every Event in any case.
"""

import re
from dataclasses import dataclass, field

from sidecar.config.model import Events

_SPECIAL = re.compile(r"[*?\[\]]")
_FIELDS = {"types": "type", "reasons": "reason", "kinds": "involvedObject.kind"}


@dataclass(frozen=True)
class Scope:
    """The collection to list and watch, and query parameters for both."""

    path: str = "/api/v1/events"
    selector: dict[str, str] = field(default_factory=dict)


def scope(events: Events) -> Scope:
    """The least that has all Events that are to go out."""
    include, exclude = events.include, events.exclude
    namespace = _only(include.namespaces)
    path = f"/api/v1/namespaces/{namespace}/events" if namespace else "/api/v1/events"
    terms = [f"{label}={only}" for key, label in _FIELDS.items() if (only := _only(getattr(include, key)))]
    if not namespace:
        terms += [f"metadata.namespace!={name}" for name in exclude.namespaces if _is_plain(name)]
    for key, label in _FIELDS.items():
        terms += [f"{label}!={name}" for name in getattr(exclude, key) if _is_plain(name)]
    return Scope(path, {"fieldSelector": ",".join(terms)} if terms else {})


def _only(names: tuple[str, ...]) -> str:
    """The one name that is included, where it is one; else empty."""
    return names[0] if len(names) == 1 and _is_plain(names[0]) else ""


def _is_plain(name: str) -> bool:
    # What a selector gives a meaning to is left to ourselves.
    return bool(name) and not _SPECIAL.search(name) and not set(name) & set(",=!\\")
