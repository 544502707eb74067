"""A value from the file as messages show it: short, and on one line."""

import json
from typing import Any

_MAX_SHOWN = 60


def shown(value: Any) -> str:
    """Text in quotes, a number as it is, a map or a list only by its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return quoted(value)
    text = json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def quoted(text: str) -> str:
    """Text in quotes; control characters are escaped, and what is long is cut."""
    cut = text[:_MAX_SHOWN]
    return json.dumps(cut, ensure_ascii=not cut.isprintable()) + ("..." if cut != text else "")
