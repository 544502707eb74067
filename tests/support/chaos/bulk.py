"""Bulk requests of which only a part comes through. Pure: bytes and JSON in and out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

_ERRORS = {
    429: ("rejected_execution_exception", "rejected execution of coordinating operation"),
    503: ("unavailable_shards_exception", "primary shard is not active Timeout: [1m]"),
}


@dataclass(frozen=True)
class Split:
    """A bulk request, taken apart.

    Attributes:
        body: Of the items that go on; empty where none does.
        passed: Of each item, whether it goes on.
        actions: The action line of each item.
    """

    body: bytes
    passed: tuple[bool, ...]
    actions: tuple[dict[str, Any], ...]

    @property
    def held(self) -> int:
        """How many items don't go on."""
        return self.passed.count(False)


def split(body: bytes, passes: Callable[[], bool]) -> Split:
    """Take a bulk request apart; `passes` is asked for each item in turn."""
    lines = iter(body.splitlines(keepends=True))
    kept, passed, actions = bytearray(), [], []
    for line in lines:
        if not line.strip():
            continue
        action = orjson.loads(line)
        item = line if "delete" in action else line + next(lines)
        passed.append(passes())
        actions.append(action)
        if passed[-1]:
            kept += item if item.endswith(b"\n") else item + b"\n"
    return Split(bytes(kept), tuple(passed), tuple(actions))


def combine(parts: Split, answer: dict[str, Any] | None, status: int) -> dict[str, Any]:
    """The answer to the whole request: OpenSearch's own for what went on, `status` for what did not, in order.

    Raises:
        ValueError: OpenSearch did not answer every item.
    """
    answered = list(answer.get("items", [])) if answer else []
    if len(answered) != parts.passed.count(True):
        raise ValueError(f"{len(answered)} answers to {parts.passed.count(True)} items: {str(answer)[:500]}")
    theirs = iter(answered)
    items = [
        next(theirs) if passed else _failure(action, status)
        for passed, action in zip(parts.passed, parts.actions, strict=True)
    ]
    return {**(answer or {"took": 1}), "errors": bool(parts.held or (answer or {}).get("errors")), "items": items}


def _failure(action: dict[str, Any], status: int) -> dict[str, Any]:
    kind, reason = _ERRORS[status]
    verb, target = next(iter(action.items()))
    return {
        verb: {
            "_index": target.get("_index"),
            "_id": target.get("_id"),
            "status": status,
            "error": {"type": kind, "reason": reason},
        }
    }
