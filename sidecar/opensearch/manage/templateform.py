"""Templates in the form in which what is sent and what the server makes of it are equal."""

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.opensearch.manage.diff import without
from sidecar.opensearch.manage.kind import Json
from sidecar.opensearch.manage.sharing import meta, used_by


def priority(body: Json) -> int:
    """Of an index template: of several that match an index, the highest decides."""
    return int(body.get("priority") or 0)


def canonical(body: Json) -> Json:
    """Settings as the server keeps them: by their full names, as text. The version that made it is no difference."""
    found = without(body, "template", "_meta", "priority")
    template = body.get("template") or {}
    rest = {key: value for key, value in without(template, "settings").items() if value}
    settings = dict(_flat(template.get("settings") or {}))
    if settings:
        rest["settings"] = settings
    if rest:
        found["template"] = rest
    if "index_patterns" in body:
        found["priority"] = priority(body)
    return {**found, "_meta": without(meta(body), "version")}


def content(body: Json) -> Json:
    """Without who uses it, which may change beside us."""
    return used_by(canonical(body), ())


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            full = name if name.startswith("index.") else f"index.{name}"
            yield full, [_text(item) for item in value] if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
