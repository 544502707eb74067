"""Policies in the form in which what is sent and what the server makes of it are equal."""

import re
from collections.abc import Mapping
from typing import Any

from sidecar.opensearch.manage.diff import without
from sidecar.opensearch.manage.kind import Json

_NAME, _DESCRIPTION = "fluent-sidecar-", "fluent-sidecar: "
_SERVERS = ("policy_id", "last_updated_time", "schema_version", "user")
"""What the server adds to a policy."""
_RETRY = {"count": 3, "backoff": "exponential", "delay": "1m"}
_DAYS = re.compile(r"([0-9]+)d\Z")


def canonical(policy: Json) -> Json:
    """A policy without what the server fills in."""
    found = without(policy, *_SERVERS)
    if found.get("error_notification") is None:
        found.pop("error_notification", None)
    found["states"] = [_state(state) for state in policy.get("states", ())]
    found["ism_template"] = [without(one, "last_updated_time") for one in listed(policy.get("ism_template"))]
    return found


def ours(name: str, body: Json) -> bool:
    """Whether the project made a policy: a policy has no `_meta`, so its name and its description say so."""
    return name.startswith(_NAME) and str(body.get("description", "")).startswith(_DESCRIPTION)


def listed(value: Any) -> list[Json]:
    """A policy's templates; older versions have one, as an object."""
    if isinstance(value, Mapping):
        return [dict(value)]
    return list(value or ())


def priority(template: Json) -> int:
    """Of one of a policy's templates."""
    return int(template.get("priority") or 0)


def _state(state: Json) -> Json:
    """A state without what the server fills in."""
    actions = [
        {key: value for key, value in action.items() if key != "retry" or value != _RETRY}
        for action in state.get("actions", ())
    ]
    transitions = [_transition(one) for one in state.get("transitions", ())]
    return {**state, "actions": actions, "transitions": transitions}


def _transition(transition: Json) -> Json:
    conditions = transition.get("conditions")
    if not isinstance(conditions, Mapping):
        return transition
    return {**transition, "conditions": {key: _hours(value) for key, value in conditions.items()}}


def _hours(value: Any) -> Any:
    """`31d` and `744h` are the same age."""
    match = _DAYS.match(value) if isinstance(value, str) else None
    return f"{int(match[1]) * 24}h" if match else value
