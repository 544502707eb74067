"""Events of the worst kinds: what no API server would store, and what a mapping stumbles over."""

import copy
import random
from typing import Any

from tests.support.fakes.kubernetes import event

Json = dict[str, Any]

_FIELDS = (
    "type",
    "reason",
    "message",
    "count",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "source",
    "series",
    "involvedObject",
    "related",
    "action",
    "reportingComponent",
    "reportingInstance",
    "kind",
    "apiVersion",
    "extra",
)
_INNER = ("labels", "annotations", "name", "namespace", "creationTimestamp", "generateName", "ownerReferences")


def _deep(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = {"a": value}
    return value


def values() -> list[Any]:
    """Values that don't belong where they are put."""
    return [
        None,
        True,
        0,
        -1,
        2**63 - 1,
        2**63,
        2**200,
        1.5,
        1e300,
        "",
        "x" * 40_000,
        "ü" * 20_000,
        "\u0000",
        "\u0007\u2028",
        "\ud800",
        "1e999",
        "NaN",
        [],
        [[]],
        [{}],
        [{"a": 1}, {"a": "b"}],
        {},
        {"a": {"b": {"c": []}}},
        {"a.b": 1, "a": 2},
        {"": 1},
        {".": 1},
        {"..": "x"},
        {" ": 1},
        {"a.": 1},
        {".a": 1},
        {"a..b": 1},
        {"_id": "x", "_index": "y", "@timestamp": "z"},
        {f"key{number}": number for number in range(1000)},
        _deep(200),
        {"k" * 600: "v"},
        {"l": "x" * 40_000},
        {"n": None},
        {"i": 2**64},
        "2026-13-45T99:99:99Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "tomorrow",
        ["a", 1, None, {"b": []}],
        {"app": "x", "app.kubernetes.io/name": "y"},
        {"nested": {"list": [None, {"a": None}]}},
    ]


def hostile_events(count: int, *, seed: int = 1) -> list[Json]:
    """Events, each with a uid and a version of its own and some of its fields hostile."""
    choose = random.Random(seed)
    odd = values()
    made = []
    for number in range(count):
        thing = event(number + 10, f"h{number}")
        # Every value in every field first, then at random several at once.
        places = len(_FIELDS) + len(_INNER)
        fields = [number % places] if number < places * len(odd) else [choose.randrange(places) for _ in range(4)]
        for place in fields:
            value = odd[number // places % len(odd)] if number < places * len(odd) else choose.choice(odd)
            value = copy.deepcopy(value)
            if place < len(_FIELDS):
                thing[_FIELDS[place]] = value
            else:
                thing["metadata"][_INNER[place - len(_FIELDS)]] = value
                if isinstance(thing.get("involvedObject"), dict):
                    thing["involvedObject"][_INNER[place - len(_FIELDS)]] = value
        made.append(thing)
    return made
