"""Bodies as text that people compare: canonical JSON, and the unified diff of two."""

import difflib
import json
from typing import Any

Json = dict[str, Any]


def canonical_text(body: Json) -> str:
    """JSON with its keys in order, a value a line."""
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False)


def difference(before: Json | None, after: Json | None) -> str:
    """Unified diff from what the server has to what pipeline.yaml says; None is nothing at all."""
    old = canonical_text(before).splitlines() if before is not None else []
    new = canonical_text(after).splitlines() if after is not None else []
    return "\n".join(difflib.unified_diff(old, new, "OpenSearch", "pipeline.yaml", lineterm=""))


def without(body: Json, *keys: str) -> Json:
    """A map without some keys."""
    return {key: value for key, value in body.items() if key not in keys}
