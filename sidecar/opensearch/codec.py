"""JSON as bytes: by orjson, or, where only Python's own library is, as in a Lambda function, by that."""

import json
from typing import Any

try:
    import orjson
except ImportError:
    FAST = False
else:
    FAST = True
"""Whether there is orjson; without it, an integer of any length is written."""


def dumps(value: Any) -> bytes:
    """JSON in UTF-8 on one line.

    Raises:
        TypeError, ValueError, RecursionError: It has what JSON has no place for.
    """
    if FAST:
        return orjson.dumps(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def loads(text: bytes) -> Any:
    """What JSON in UTF-8 says.

    Raises:
        ValueError: It isn't JSON, or is nested too deeply.
    """
    return orjson.loads(text) if FAST else loads_text(text.decode())


def loads_text(text: str) -> Any:
    """What JSON says, by Python's own library whether there is orjson or not: two readers of a text never differ.

    orjson refuses half of a surrogate pair, and makes a long integer a float.

    Raises:
        ValueError: It isn't JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
