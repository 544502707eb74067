"""Python values -> JSON on one line, whatever they hold."""

import json
import math
from typing import Any

from sidecar.opensearch import codec

_MAX_DEPTH = 200
_MAX_INTEGER = 2**63


def encode(value: Any) -> bytes:
    """JSON in UTF-8 without a line break.

    What JSON or OpenSearch has no place for is replaced: a lone surrogate by `?`, an integer beyond 64 bits and what is
    nested deeper than 200 by text.
    """
    if codec.FAST:
        try:
            return codec.dumps(value)
        except (TypeError, ValueError, RecursionError):
            pass
    return codec.dumps(_clean(value, 0))


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict | list | tuple) and depth >= _MAX_DEPTH:
        return json.dumps(_shallow(value))
    if isinstance(value, dict):
        return {_clean(str(key), depth): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        value = None
    return value if value is None or isinstance(value, bool | int | float) else _clean(str(value), depth)


def _shallow(value: Any) -> str:
    return f"[nested deeper than {_MAX_DEPTH}: {type(value).__name__} of {len(value)}]"
