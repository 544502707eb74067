"""Make any JSON value fit a mapping, so that OpenSearch takes the document whatever its shape.

A mapping can ignore a malformed number or date, but an object where text belongs, text where an object belongs, or a
leaf of more than Lucene's 32,766 bytes in a `flat_object` refuse the whole document.
"""

from collections.abc import Mapping
from typing import Any

from sidecar.opensearch.encode import encode

MISFIT = "misfit"
"""Key below which a value is kept, as text, that has another shape than its field."""
_MAX_LEAF_BYTES = 32_000
_MAX_KEY = 4_000  # characters; as UTF-8 they leave half of a leaf to its value
_CUT = "...[cut]"


class Fitter:
    """`fit` for one mapping; what fits already, as nearly every Event does, is only looked at."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        self._plan = _plan(properties)

    def fit(self, value: dict[str, Any]) -> dict[str, Any]:
        """The object itself where it fits, else a copy that does."""
        return value if _fits(value, self._plan) else fit(value, self._properties)


_LEAF, _FLAT = object(), object()
_SHORT = 1_000
"""Characters of a key or a value that fit whatever the other is."""
_CONTAINERS = frozenset({dict, list, tuple})


def _plan(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Of each field: the plan of an object, or which of the two other shapes it has."""

    def of(mapping: Mapping[str, Any]) -> Any:
        if "properties" in mapping:
            return _plan(mapping["properties"])
        return _FLAT if mapping["type"] in {"flat_object", "object"} else _LEAF

    return {name: of(mapping) for name, mapping in properties.items()}


def _fits(value: dict[str, Any], plan: dict[str, Any]) -> bool:
    for key, item in value.items():
        wanted = plan.get(key)
        if wanted is None:
            if not _is_name(key):
                return False
        elif item is None:
            continue
        elif wanted is _LEAF:
            if type(item) in _CONTAINERS:
                return False
        elif type(item) is not dict or not (_is_flat(item) if wanted is _FLAT else _fits(item, wanted)):
            return False
    return True


def _is_flat(value: dict[str, Any]) -> bool:
    return all(
        type(item) is str and len(item) < _SHORT and len(key) < _SHORT and key.strip(". ")
        for key, item in value.items()
    )


def fit(value: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an object in which every mapped field has a shape that its mapping takes.

    Args:
        value: Any JSON object.
        properties: The `properties` of a mapping; a field that isn't there is left as it is.
    """
    odd = {key: item for key, item in value.items() if not _is_name(key)}
    if odd:
        # OpenSearch reads a dot in a name as a path, perhaps to a field of another shape; an empty name it refuses.
        value = {key: item for key, item in value.items() if key not in odd} | {
            MISFIT: _text({MISFIT: value[MISFIT], **odd} if MISFIT in value else odd)
        }
    return {key: _fit(item, properties[key], key) if key in properties else item for key, item in value.items()}


def _is_name(key: str) -> bool:
    return "." not in key and bool(key.strip()) and len(key) <= _MAX_KEY


def _fit(value: Any, mapping: Mapping[str, Any], path: str) -> Any:
    if value is None:
        return None
    if "properties" in mapping:
        return fit(value, mapping["properties"]) if isinstance(value, dict) else {MISFIT: _text(value)}
    kind = mapping["type"]
    if kind in {"flat_object", "object"}:
        return flat(value, path)
    return _text(value) if isinstance(value, dict | list) else value


def flat(value: Any, path: str) -> dict[str, Any]:
    """A map of text, as labels and annotations are, with every leaf below Lucene's limit (its path counts too)."""
    if not isinstance(value, dict):
        return {MISFIT: cut(_text(value), _MAX_LEAF_BYTES)}
    return {
        name: cut(_text(item), _MAX_LEAF_BYTES - len(path) - 4 * len(name))
        for name, item in ((_flat_key(key), item) for key, item in value.items())
    }


def _flat_key(key: str) -> str:
    # A key that OpenSearch refuses (empty, nothing but dots, or too long) would take the document with it.
    if not key.strip(". "):
        return f"{MISFIT}.{key[:_MAX_KEY]!r}"
    return key if len(key) <= _MAX_KEY else cut(key, _MAX_KEY)


def cut(text: str, limit: int) -> str:
    """The text, or as much of it as fits `limit` bytes of UTF-8, and a mark."""
    if len(text) * 4 <= limit:
        return text
    raw = text.encode(errors="replace")
    return text if len(raw) <= limit else raw[: max(limit - len(_CUT), 0)].decode(errors="ignore") + _CUT


def _text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()
