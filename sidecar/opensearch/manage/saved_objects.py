"""Saved objects of OpenSearch Dashboards, as a kind that is planned and put in place.

Whether one is ours its id tells: it is made of a name, and nobody comes to it by chance. All ids that any configuration
can give are looked for, so that what an earlier one made is found as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecar.config import Config
from sidecar.config.controlplane import LOG_TYPES
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.dashboards import Dashboards, Key
from sidecar.opensearch.manage.kind import Item, Kind, Present, Result
from sidecar.opensearch.manage.sharing import Neighbours, told
from sidecar.render.dashboards import ndjson, saved_objects
from sidecar.render.dashboards.canonical import canonical
from sidecar.render.dashboards.links import address

Json = dict[str, Any]

_IMPORTED = ("id", "type", "attributes", "references", "migrationVersion")


class SavedObjects(Kind):
    """Index patterns, saved searches, visualizations and dashboards.

    Args:
        config: pipeline.yaml, with `dashboards.url`.
        neighbours: The other clusters, which have the same objects.
    """

    title = "saved object"
    brief = True  # 5,000 lines, and `sidecar render-config` has them

    def __init__(self, config: Config, neighbours: Neighbours = frozenset) -> None:
        self._config = config
        self._neighbours = neighbours
        self._link: Dashboards | None = None
        self._objects = {_key(thing): thing for thing in saved_objects(config)}
        self._names = {key: _name(thing) for key, thing in self._objects.items()}

    @property
    def wanted(self) -> Mapping[str, Json]:
        """The objects by type and title: what is referred to comes first."""
        return {self._names[key]: thing for key, thing in self._objects.items()}

    def present(self) -> Mapping[str, Present]:
        """What of all that we could have made is there.

        Raises:
            OpenSearchError: It can't be told, or the tenant can't be had.
        """
        link = self._dashboards()
        link.check_tenant()
        possible = {_key(thing) for thing in saved_objects(_largest(self._config))}
        there = link.objects(sorted(possible | set(self._objects)))
        return {
            self._names.get(key) or _name(thing): Present(thing, ours=True, handle=key) for key, thing in there.items()
        }

    def canonical(self, body: Json) -> Json:
        """Without what OpenSearch Dashboards writes into an object by itself."""
        return canonical(body, self._objects.get(_key(body)))

    def kept(self, before: Present) -> Json:
        """What can be imported again: without its version, and the time of its last change."""
        return {key: before.body[key] for key in _IMPORTED if key in before.body}

    def needed(self, name: str, before: Present) -> str:
        """By other clusters."""
        return told(self._neighbours())

    def loss(self, name: str, before: Present) -> str:
        """What else goes."""
        if before.body["type"] == "index-pattern":
            return "visualizations and searches of your own that are built on it lose it"
        return ""

    def put(self, item: Item) -> str:
        """Import one.

        Raises:
            OpenSearchError: It was not imported.
        """
        (result,) = self.put_all([item])
        if result.error:
            raise result.error
        return result.note

    def put_all(self, items: Sequence[Item]) -> Iterator[Result]:
        """Import all in one request, for each refers to others; then look whether they are there.

        Raises:
            OpenSearchUnavailable: It can't be reached.
        """
        try:
            failed = self._import(items)
        except OpenSearchUnavailable:
            raise
        except OpenSearchError as error:
            yield from (Result(item.name, error) for item in items)
            return
        for item in items:
            problem = failed.get(_key(item.body))
            yield Result(item.name, problem, note="" if problem else self._landed(item.body))

    def delete(self, name: str, before: Present) -> None:
        """Delete one.

        Raises:
            OpenSearchError: It was not deleted.
        """
        self._dashboards().delete(*before.handle)

    def _import(self, items: Sequence[Item]) -> dict[Key, OpenSearchError]:
        """What was not imported, and why; where the answer has nothing against it, the tenant is asked."""
        if not items:
            return {}
        link, keys = self._dashboards(), [_key(item.body) for item in items]
        problems = link.put(ndjson([item.body for item in items]))
        there = link.objects(keys)
        where = f"OpenSearch Dashboards at {link.url}"
        found: dict[Key, OpenSearchError] = {}
        for item, key in zip(items, keys, strict=True):
            if key in problems:
                found[key] = OpenSearchError(f"{where}: {item.name} was not imported: it {problems[key]}")
            elif key not in there or self.canonical(there[key]) != self.canonical(item.body):
                because = "others were not" if problems else f"the tenant {link.tenant} has none, or another one"
                found[key] = OpenSearchError(f"{where}: {item.name} was not imported: {because}")
        return found

    def _landed(self, body: Json) -> str:
        """Where to look at it."""
        if body["type"] != "dashboard":
            return ""
        return f"in the tenant {self._config.dashboards.tenant}: {address(self._config, body)}"

    def _dashboards(self) -> Dashboards:
        if self._link is None:
            self._link = Dashboards(self._config)
        return self._link


def _largest(config: Config) -> Config:
    """A configuration that has everything of which another one may have less."""
    control_plane = config.control_plane.model_copy(update={"types": LOG_TYPES})
    logs = config.logs.model_copy(update={"enabled": True, "level": True})
    return config.model_copy(update={"control_plane": control_plane, "logs": logs})


def _key(thing: Json) -> Key:
    return thing["type"], thing["id"]


def _name(thing: Json) -> str:
    return f"{thing['type']} {thing['attributes'].get('title', thing['id'])}"
