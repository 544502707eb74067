"""JSON of the API server -> Python values."""

import json
from typing import Any

import orjson


def decode(text: bytes | str) -> Any:
    """Decode JSON; what the fast decoder refuses (a lone surrogate) the standard library reads.

    Raises:
        ValueError: It isn't JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
