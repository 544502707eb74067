"""What a Lease of coordination.k8s.io/v1 says, and what to do about it: pure, and in the words of client-go."""

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

TROUBLE = "fluent-sidecar/trouble"
"""The annotation of a leader that can't do its work: why, in words."""
_LONGEST = 4.0
"""A record may ask for more patience than we have ourselves, but an odd one not for ever: times our own duration."""
_LONG_AGO = -math.inf


_MOST = 2**31 - 1
"""As many transitions as the API takes."""


@dataclass(frozen=True)
class LeaseView:
    """A Lease as it was seen; what is missing or odd in it is empty or 0.

    `duration` is in seconds, `renewed` the text of renewTime, and `content` the whole object.
    """

    holder: str
    renewed: str
    duration: float
    transitions: int
    uid: str
    resource_version: str
    annotations: Mapping[str, str]
    content: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, item: Any) -> Self:
        """Read an object of any shape."""
        content = _object(item)
        metadata, spec = _object(content.get("metadata")), _object(content.get("spec"))
        annotations = _object(metadata.get("annotations")).items()
        return cls(
            holder=_text(spec.get("holderIdentity")),
            renewed=_text(spec.get("renewTime")),
            duration=_count(spec.get("leaseDurationSeconds")),
            transitions=_count(spec.get("leaseTransitions")),
            uid=_text(metadata.get("uid")),
            resource_version=_text(metadata.get("resourceVersion")),
            annotations={name: value for name, value in annotations if isinstance(value, str)},
            content=content,
        )


TakeOver = Callable[[LeaseView], bool]


@dataclass(frozen=True)
class Observation:
    """Since when, by the local monotonic clock, the record is as it is; for ever if none was ever seen."""

    record: tuple[str, str, str] | None = None
    changed: float = _LONG_AGO

    def of(self, view: LeaseView | None, now: float) -> "Observation":
        """The observation after this was seen, by an answer that was there at `now`."""
        record = (view.holder, view.renewed, view.resource_version) if view else None
        return self if record == self.record else Observation(record, now)


class Action(enum.Enum):
    """What to do about a Lease."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


def decide(
    view: LeaseView | None,
    age: float,
    *,
    identity: str,
    leading: bool,
    duration: float,
    retry: float,
    take_over: TakeOver,
) -> Action:
    """What to do about what was seen.

    Args:
        view: None where there is no Lease.
        age: For how many seconds it has been seen like that.
        identity: Ours.
        leading: Whether we lead at this moment.
        duration: How many seconds a Lease outlives its last renewal.
        retry: How many seconds after a renewal a leader renews again.
        take_over: Asked if another holds it, hasn't expired, and is in trouble.
    """
    if view is None:
        # Its leader notices within a retry that the Lease was deleted: it goes first.
        return Action.CREATE if leading or age >= 2 * retry else Action.WAIT
    if view.holder == identity:
        return Action.RENEW
    if not view.holder or age >= max(duration, min(view.duration, _LONGEST * duration)):
        return Action.TAKE
    return Action.TAKE if TROUBLE in view.annotations and take_over(view) else Action.WAIT


def written(
    action: Action,
    view: LeaseView | None,
    *,
    identity: str,
    duration: float,
    wall: float,
    annotations: Mapping[str, str | None],
) -> dict[str, Any]:
    """The Lease after an action; all else that is in `view` stays.

    Args:
        action: Anything but WAIT.
        view: What is replaced.
        identity: Of the holder; empty gives the Lease up.
        duration: In seconds.
        wall: Unix seconds, for people to read.
        annotations: Set, or removed where the value is None. A new holder begins without the old one's trouble.
    """
    view = view or LeaseView.of({})
    metadata, spec = _object(view.content.get("metadata")), _object(view.content.get("spec"))
    kept = _object(metadata.get("annotations"))
    changes = dict(annotations) if action is Action.RENEW else {TROUBLE: None, **annotations}
    now = _micro_time(wall)
    if now == view.renewed:  # others judge by what changes
        now = _micro_time(wall + 1e-5)
    spec |= {"holderIdentity": identity, "leaseDurationSeconds": max(1, math.ceil(duration)), "renewTime": now}
    if action is not Action.RENEW:
        spec |= {"acquireTime": now, "leaseTransitions": min(view.transitions + (action is Action.TAKE), _MOST)}
    metadata["annotations"] = {
        name: value for name, value in {**kept, **changes}.items() if changes.get(name, value) is not None
    }
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **view.content, "metadata": metadata, "spec": spec}


def _object(value: Any) -> dict[str, Any]:
    """A copy of a JSON object; empty if it is something else."""
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _micro_time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
