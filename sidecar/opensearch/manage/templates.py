"""Component and index templates: how documents are mapped. One request reads all of a kind, however many there are."""

from collections.abc import Iterator, Mapping
from enum import Enum
from urllib.parse import quote

from sidecar.config import Config
from sidecar.config.globs import overlap
from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.manage.kind import Item, Json, Kind, Present
from sidecar.opensearch.manage.sharing import MARK, Users, clusters, meta, ours, told, used_by
from sidecar.opensearch.manage.templateform import canonical, content, priority
from sidecar.render.indices import families, index_pattern
from sidecar.render.templates import Templates

_NAMES = f"{MARK}-*"
_NOT_FOUND = 404
_FILTER = "*.name,*.*._meta.hash,*.*._meta.managed_by"
_NEXT = {
    "daily": "from the next day (UTC) on",
    "monthly": "from the next month (UTC) on",
    "never": "not at all while the index that exists is written to",
}


class Presence(Enum):
    """Whether templates are there."""

    EXACT = "exact"
    OTHER = "other"
    """All are there, and some are of another version of the project or of pipeline.yaml."""
    LACKING = "lacking"


def templates_in_place(client: Client, templates: Templates) -> Presence:
    """Whether the server has these templates, by the hash in their `_meta`.

    Raises:
        OpenSearchError: It can't be told.
    """
    presence = Presence.EXACT
    for kind, wanted in (("component_template", templates.components), ("index_template", templates.indices)):
        there = _read(client, kind, _NAMES, params={"filter_path": _FILTER})
        for name, body in wanted.items():
            if name not in there or not ours(there[name]):
                return Presence.LACKING
            if meta(there[name]).get("hash") != body["_meta"]["hash"]:
                presence = Presence.OTHER
    return presence


class _TemplateKind(Kind):
    """What both kinds of templates have in common."""

    key: str
    """As it is in paths and answers."""

    def __init__(self, client: Client, wanted: Mapping[str, Json]) -> None:
        self._client = client
        self._wanted = dict(wanted)

    @property
    def wanted(self) -> Mapping[str, Json]:
        return self._wanted

    def canonical(self, body: Json) -> Json:
        return canonical(body)

    def put(self, item: Item) -> str:
        answer = self._client.request("PUT", self._path(item.name), item.body)
        if not (isinstance(answer, Mapping) and answer.get("acknowledged") is True):
            raise OpenSearchUnavailable(
                f"OpenSearch at {self._client.url}: did not confirm that it took the {self.title} {item.name}",
                hint="apply again; is a proxy in between?",
            )
        return ""

    def delete(self, name: str, before: Present) -> None:
        try:
            self._client.request("DELETE", self._path(name))
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    def _path(self, name: str) -> str:
        return f"/_{self.key}/{quote(name, safe='')}"

    def _present(self, name: str, body: Json) -> Present:
        wanted = self._wanted.get(name)
        # The same hash above another content: somebody changed it by hand. Another hash may be an older version's.
        same = wanted is not None and meta(body).get("hash") == wanted["_meta"]["hash"]
        edited = (content(body) != content(wanted)) if wanted is not None and same else None
        return Present(body, ours=ours(body), edited=edited)


class ComponentTemplates(_TemplateKind):
    """Settings and mappings, which index templates are composed of."""

    title, key = "component template", "component_template"

    def __init__(self, client: Client, templates: Templates, config: Config, users: Users) -> None:
        super().__init__(client, templates.components)
        self._rotations = _rotations(templates, config)
        self._users = users

    def present(self) -> Mapping[str, Present]:
        there = _read(self._client, self.key, _NAMES)
        return {name: self._present(name, body) for name, body in there.items()}

    def effect(self, name: str, before: Present | None) -> str:
        if before is None:
            return ""
        when = "; ".join(f"{pattern}: {_NEXT[rotate]}" for rotate, pattern in self._rotations.get(name, {}).items())
        return f"Indices that exist stay as they are. The change holds for new ones{f' - {when}' if when else ''}."

    def needed(self, name: str, before: Present) -> str:
        return told(self._users(name))


class IndexTemplates(_TemplateKind):
    """Which indices are made of which component templates; and, in `_meta`, which clusters use them."""

    title, key = "index template", "index_template"

    def __init__(self, client: Client, templates: Templates, cluster: str) -> None:
        super().__init__(client, templates.indices)
        self._cluster = cluster
        self._there: dict[str, Json] | None = None
        self._others: dict[str, Json] = {}

    def present(self) -> Mapping[str, Present]:
        there = self._all()
        for name, body in self._wanted.items():
            if clusters(body) and name in there and ours(there[name]):
                self._wanted[name] = used_by(body, {self._cluster} | clusters(there[name]))
        found = {name: self._present(name, body) for name, body in there.items()}
        mine = {name: one for name, one in found.items() if name in self._wanted or one.ours}
        self._others = {name: body for name, body in there.items() if name not in self._wanted}
        return mine

    def neighbours(self) -> frozenset[str]:
        """See `Neighbours`."""
        named = [clusters(body) for body in self._all().values() if ours(body)]
        return frozenset().union(*named) - {self._cluster}

    def users(self, name: str) -> frozenset[str]:
        """The other clusters that use a template."""
        if name in self._wanted and not clusters(self._wanted[name]):
            return self.neighbours()  # each that is here
        return clusters(self._all().get(name, {})) - {self._cluster}

    def composed_of(self, component: str) -> frozenset[str]:
        """The index templates that stay when this cluster goes, and are composed of a component."""
        return frozenset(
            name
            for name, body in self._all().items()
            if component in body.get("composed_of", ()) and (name not in self._wanted or self.users(name))
        )

    def needed(self, name: str, before: Present) -> str:
        return told(self.users(name))

    def release(self, name: str, before: Present) -> None:
        if self._cluster in clusters(before.body):
            self.put(Item(name, used_by(before.body, self.users(name)), before))

    def effect(self, name: str, before: Present | None) -> str:
        return "Indices that exist stay as they are." if before else ""

    def loss(self, name: str, before: Present) -> str:
        return (
            "Indices that exist stay as they are. One that is made while something still ships has its fields guessed "
            "from its documents: stop what ships first."
        )

    def obstacle(self, name: str) -> str:
        for other, body in self._rivals(name):
            if priority(body) == priority(self._wanted[name]):
                whose = "an earlier pipeline.yaml made it, or another cluster's" if ours(body) else "not made here"
                return (
                    f"the index template {other} ({whose}) claims {_patterns(body)} with the same priority "
                    f"{priority(body)}, which OpenSearch refuses: delete it, or give it another priority"
                )
        return ""

    def warning(self, name: str) -> str:
        for other, body in self._rivals(name):
            if priority(body) > priority(self._wanted[name]):
                return (
                    f"the index template {other}, which fluent-sidecar didn't make, claims {_patterns(body)} with the "
                    f"higher priority {priority(body)}: new indices are made as it says, and may reject documents; "
                    "narrow its patterns, or lower its priority"
                )
        return ""

    def _all(self) -> dict[str, Json]:
        # Whosever they are: those of others may claim the same indices.
        if self._there is None:
            self._there = _read(self._client, self.key, "")
        return self._there

    def _rivals(self, name: str) -> Iterator[tuple[str, Json]]:
        mine = self._wanted[name]["index_patterns"]
        for other, body in self._others.items():
            if any(overlap(one, another) for one in mine for another in body.get("index_patterns", ())):
                yield other, body


def _read(client: Client, kind: str, names: str, params: Mapping[str, str] | None = None) -> dict[str, Json]:
    """The templates by name; none is no error."""
    try:
        answer = client.request("GET", f"/_{kind}/{names}" if names else f"/_{kind}", params=params)
    except RefusedError as error:
        if error.status == _NOT_FOUND:
            return {}
        raise
    try:
        listed = answer[f"{kind}s"] if answer or not params else []  # a filter leaves nothing of an empty list
        found: dict[str, Json] = {entry["name"]: dict(entry.get(kind) or {}) for entry in listed}
    except (LookupError, TypeError, ValueError):
        raise OpenSearchUnavailable(
            f"OpenSearch at {client.url}: was asked for templates, answered another thing"
        ) from None
    return found


def _patterns(body: Json) -> str:
    return ", ".join(body.get("index_patterns", ()))


def _rotations(templates: Templates, config: Config) -> dict[str, dict[str, str]]:
    """For each component: the rotations of the indices that it is for, each with one of their patterns."""
    found: dict[str, dict[str, str]] = {}
    by_pattern = {index_pattern(family): family.rotate for family in families(config)}
    for body in templates.indices.values():
        pattern = body["index_patterns"][0]
        if pattern in by_pattern:
            for component in body["composed_of"]:
                found.setdefault(component, {}).setdefault(by_pattern[pattern], pattern)
    return found
