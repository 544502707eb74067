"""Put the index templates in place. Safe to repeat: what is there already is left alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.client import Client, RefusedError

MARK = "fluent-sidecar"
_NOT_FOUND = 404


class Action(Enum):
    """What a change does to a template."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Change:
    """One template, and what was done or is to be done."""

    name: str
    action: Action


def plan_templates(client: Client, templates: Mapping[str, Any]) -> list[Change]:
    """What `apply_templates` would do; changes nothing.

    Raises:
        OpenSearchError: The server can't be asked, or has a template of that name that fluent-sidecar didn't make.
    """
    return [Change(name, _action(name, template, _present(client, name))) for name, template in templates.items()]


def apply_templates(client: Client, templates: Mapping[str, Any]) -> Iterator[Change]:
    """Create or update index templates, and tell of each once it is done. An index that is there keeps its mapping.

    Raises:
        OpenSearchError: See `plan_templates`; also where another template claims the same indices.
    """
    for change in plan_templates(client, templates):
        if change.action is not Action.UNCHANGED:
            client.request("PUT", _path(change.name), templates[change.name])
        yield change


def templates_in_place(client: Client, templates: Mapping[str, Any]) -> bool:
    """Whether the server has exactly these templates, by the hash in their `_meta`."""
    return all(change.action is Action.UNCHANGED for change in plan_templates(client, templates))


def _path(name: str) -> str:
    return f"/_index_template/{quote(name, safe='')}"


def _present(client: Client, name: str) -> Mapping[str, Any] | None:
    try:
        answer = client.request("GET", _path(name))
    except RefusedError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    try:
        found: Mapping[str, Any] = answer["index_templates"][0]["index_template"]
    except (LookupError, TypeError):
        raise OpenSearchUnavailable(
            f"OpenSearch at {client.url}: was asked for a template, answered another thing"
        ) from None
    return found


def _action(name: str, template: Mapping[str, Any], present: Mapping[str, Any] | None) -> Action:
    if present is None:
        return Action.CREATED
    meta = present.get("_meta") or {}
    if meta.get("managed_by") != MARK:
        raise OpenSearchError(
            f"OpenSearch has an index template {name} that fluent-sidecar didn't make; it is left alone",
            hint="rename or delete it, or choose another events.index",
        )
    return Action.UNCHANGED if meta.get("hash") == template["_meta"]["hash"] else Action.UPDATED
