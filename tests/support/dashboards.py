"""Saved objects, a fake OpenSearch Dashboards, and what would be put there."""

from sidecar.config import Config, loads
from sidecar.opensearch.manage import Item, Kind, Result
from sidecar.opensearch.manage.saved_objects import SavedObjects
from tests.support.fakes.dashboards import FakeDashboards


def config_for(url: str, more: str = "", dashboards: str = "") -> Config:
    return loads(f"cluster: c\nopensearch: {{url: 'http://h'}}\ndashboards: {{url: '{url}'{dashboards}}}\n{more}")


def to_do(kind: Kind) -> list[Item]:
    """What the engine would put: what is wanted and isn't there, or is another thing."""
    there = kind.present()
    return [
        Item(name, body, there.get(name))
        for name, body in kind.wanted.items()
        if name not in there or kind.canonical(there[name].body) != kind.canonical(body)
    ]


def apply(config: Config) -> list[Result]:
    kind = SavedObjects(config)
    return list(kind.put_all(to_do(kind)))


def imports(server: FakeDashboards) -> int:
    return sum(request.path.endswith("/_import") for request in server.requests)


def key_of(server: FakeDashboards, kind: str, title: str) -> tuple[str, str]:
    return next(
        key for key, thing in server.objects.items() if key[0] == kind and thing["attributes"]["title"] == title
    )
