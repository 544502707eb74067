"""Durations and sizes as people write them: `30d`, `1.5s`, `2GiB`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from sidecar.config.show import shown

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_LONGEST = timedelta(days=36500)
_LARGEST = 2**50
DURATION_PATTERN = rf"^{_NUMBER}({'|'.join(_SECONDS)})$"
SIZE_PATTERN = rf"^{_NUMBER}({'|'.join(_BYTES)})$"


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("has no value; give it one, or remove the key")
    return value


Given = BeforeValidator(_given)
"""For what may be left out: a key without a value (`basic:`) is an error, not the same as no key."""


def parse_duration(text: Any) -> timedelta:
    """`30d`, `1.5s`, `250ms` -> a timedelta above zero.

    Raises:
        ValueError: For anything else, with what is allowed.
    """
    match = re.fullmatch(DURATION_PATTERN, text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"expected a duration such as 30d, 12h, 5m, 1.5s or 250ms, found {shown(text)}")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"expected a duration of at most {_LONGEST.days}d, found {shown(text)}")
    value = timedelta(seconds=seconds)
    if not value:
        raise ValueError(f"expected a duration above zero, found {shown(text)}")
    return value


def parse_size(text: Any) -> int:
    """`2GiB`, `512MiB`, `10MB` -> bytes, above zero.

    Raises:
        ValueError: For anything else, with what is allowed.
    """
    match = re.fullmatch(SIZE_PATTERN, text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"expected a size such as 2GiB, 512MiB or 10MB, found {shown(text)}")
    count = float(match[1]) * _BYTES[match[2]]
    if count > _LARGEST:
        raise ValueError(f"expected a size of at most {_LARGEST // 2**30}GiB, found {shown(text)}")
    value = int(count)
    if not value:
        raise ValueError(f"expected a size above zero, found {shown(text)}")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30d", "12h", "1.5s"]}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN, "examples": ["2GiB", "512MiB"]}),
    Field(gt=0),
]


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads as `value`."""
    for unit in ("d", "h", "m", "s"):
        count = value.total_seconds() / _SECONDS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{value.total_seconds():g}s"


def format_size(value: int) -> str:
    """The shortest text that `parse_size` reads as `value` bytes."""
    for unit in ("GiB", "MiB", "KiB"):
        if value >= _BYTES[unit] and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return f"{value}B"
