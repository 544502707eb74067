"""Durations and sizes as people write them: `30d`, `1.5s`, `2GiB`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_NUMBER = r"(\d+(?:\.\d+)?)"
DURATION_PATTERN = rf"^{_NUMBER}({'|'.join(_SECONDS)})$"
SIZE_PATTERN = rf"^{_NUMBER}({'|'.join(_BYTES)})$"


def parse_duration(text: Any) -> timedelta:
    """`30d`, `1.5s`, `250ms` -> a timedelta above zero.

    Raises:
        ValueError: For anything else, with what is allowed.
    """
    match = re.match(DURATION_PATTERN, text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"expected a duration such as 30d, 12h, 5m, 1.5s or 250ms, found {text!r}")
    value = timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    if not value:
        raise ValueError(f"expected a duration above zero, found {text!r}")
    return value


def parse_size(text: Any) -> int:
    """`2GiB`, `512MiB`, `10MB` -> bytes, above zero.

    Raises:
        ValueError: For anything else, with what is allowed.
    """
    match = re.match(SIZE_PATTERN, text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"expected a size such as 2GiB, 512MiB or 10MB, found {text!r}")
    value = int(float(match[1]) * _BYTES[match[2]])
    if not value:
        raise ValueError(f"expected a size above zero, found {text!r}")
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
