"""Which plugins a configuration of Fluent Bit has, as its metrics name them."""

from collections.abc import Mapping
from typing import Any

from sidecar.render.proof import lowered

_KINDS = {"inputs": "input", "filters": "filter", "outputs": "output"}


def plugins(content: Mapping[str, Any]) -> frozenset[str]:
    """Such as `input events` or `filter grep.0`: by its alias, or by its name and its place among those of its kind.

    Args:
        content: A configuration, as data.
    """
    return frozenset(
        f"{kind} {_title(plugin, at)}"
        for key, kind in _KINDS.items()
        for at, plugin in enumerate(map(lowered, content["pipeline"].get(key, ())))
    )


def _title(plugin: Mapping[str, Any], at: int) -> str:
    return str(plugin.get("alias") or f"{str(plugin['name']).lower()}.{at}")
