"""The same choice of Events as `selection` makes, for what the API server lists. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sidecar.events.record import event_times
from sidecar.reading.selection import Selection, made_by
from sidecar.reading.window import Window


def matches(event: Mapping[str, Any], wanted: Selection, when: Window) -> bool:
    """Whether an Event is wanted. Its workload is not known here, so names tell what belongs to it."""
    metadata, about = (event.get(name) or {} for name in ("metadata", "involvedObject"))
    return (
        wanted.namespace in {"", metadata.get("namespace")}
        and _is_one_of(event.get("type"), wanted.types)
        and _is_one_of(event.get("reason"), wanted.reasons)
        and (wanted.target is None or _is_about(about, wanted))
        and _is_within(event, metadata, when)
    )


def _is_one_of(value: Any, wanted: tuple[str, ...]) -> bool:
    return not wanted or str(value).lower() in {one.lower() for one in wanted}


def _is_about(about: Mapping[str, Any], wanted: Selection) -> bool:
    assert wanted.target
    kind, name = str(about.get("kind")), str(about.get("name"))
    if kind.lower() in {one.lower() for one in wanted.target.kinds} and name == wanted.target.name:
        return True
    begin = re.escape(wanted.target.name)
    return any(
        kind == made and re.fullmatch(f"{begin}(?:{suffix})", name) for made, suffix in made_by(wanted.target.kind)
    )


def _is_within(event: Mapping[str, Any], metadata: Mapping[str, Any], when: Window) -> bool:
    seen = datetime.fromisoformat(event_times(dict(event), metadata.get("creationTimestamp")).last_seen)
    return (when.since is None or seen >= when.since) and (when.until is None or seen < when.until)
