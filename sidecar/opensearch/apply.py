"""Put the index templates, and their components, in place. Safe to repeat: what is there already is left alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal
from urllib.parse import quote

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.client import Client, RefusedError
from sidecar.render.templates import Templates

MARK = "fluent-sidecar"
_NOT_FOUND = 404
_PATHS = {"component template": "_component_template", "index template": "_index_template"}


class Action(Enum):
    """What a change does to a template."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


Kind = Literal["component template", "index template"]


@dataclass(frozen=True)
class Change:
    """One template, and what was done or is to be done."""

    kind: Kind
    name: str
    action: Action


def plan_templates(client: Client, templates: Templates) -> list[Change]:
    """What `apply_templates` would do, in its order; changes nothing.

    Raises:
        OpenSearchError: The server can't be asked, or has a template of that name that fluent-sidecar didn't make.
    """
    return [
        Change(kind, name, _action(kind, name, template, _present(client, kind, name)))
        for kind, name, template in _in_order(templates)
    ]


def apply_templates(client: Client, templates: Templates) -> Iterator[Change]:
    """Create or update templates, and tell of each once it is done. An index that is there keeps its mapping.

    Raises:
        OpenSearchError: See `plan_templates`; also where another template claims the same indices.
    """
    bodies = {(kind, name): template for kind, name, template in _in_order(templates)}
    for change in plan_templates(client, templates):
        if change.action is not Action.UNCHANGED:
            client.request("PUT", _path(change.kind, change.name), bodies[change.kind, change.name])
        yield change


def templates_in_place(client: Client, templates: Templates) -> bool:
    """Whether the server has exactly these templates, by the hash in their `_meta`."""
    return all(change.action is Action.UNCHANGED for change in plan_templates(client, templates))


def _in_order(templates: Templates) -> Iterator[tuple[Kind, str, Mapping[str, Any]]]:
    """Components first: an index template names them."""
    yield from (("component template", name, body) for name, body in templates.components.items())
    yield from (("index template", name, body) for name, body in templates.indices.items())


def _path(kind: Kind, name: str) -> str:
    return f"/{_PATHS[kind]}/{quote(name, safe='')}"


def _present(client: Client, kind: Kind, name: str) -> Mapping[str, Any] | None:
    try:
        answer = client.request("GET", _path(kind, name))
    except RefusedError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    key = kind.replace(" ", "_")
    try:
        found: Mapping[str, Any] = answer[f"{key}s"][0][key]
    except (LookupError, TypeError):
        raise OpenSearchUnavailable(
            f"OpenSearch at {client.url}: was asked for a template, answered another thing"
        ) from None
    return found


def _action(kind: Kind, name: str, template: Mapping[str, Any], present: Mapping[str, Any] | None) -> Action:
    if present is None:
        return Action.CREATED
    meta = present.get("_meta") or {}
    if meta.get("managed_by") != MARK:
        article = "an" if kind.startswith("i") else "a"
        raise OpenSearchError(
            f"OpenSearch has {article} {kind} {name} that fluent-sidecar didn't make; it is left alone",
            hint="rename or delete it, or choose another index in pipeline.yaml",
        )
    return Action.UNCHANGED if meta.get("hash") == template["_meta"]["hash"] else Action.UPDATED
