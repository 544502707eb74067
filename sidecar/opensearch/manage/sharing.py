"""Several clusters in one OpenSearch: what one gives up, another may still need.

Each cluster that uses an index template is named in its `_meta.clusters`. Nothing else can carry such a mark, and goes
by the templates: a component by those that are composed of it, a policy by that of its indices, dashboards by whether
there is any other cluster.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sidecar.opensearch.manage.kind import Json
from sidecar.opensearch.manage.wording import some

Neighbours = Callable[[], frozenset[str]]
"""The other clusters that have an index template in this OpenSearch; asks it, once."""
Users = Callable[[str], frozenset[str]]
"""What else needs an object of that name."""

MARK = "fluent-sidecar"
_CLUSTERS = "clusters"


def meta(body: Mapping[str, Any]) -> Json:
    """The `_meta` of a template."""
    found = body.get("_meta")
    return found if isinstance(found, dict) else {}


def ours(body: Mapping[str, Any]) -> bool:
    """Whether the project made a template, for whichever cluster."""
    return bool(meta(body).get("managed_by") == MARK)


def clusters(body: Mapping[str, Any]) -> frozenset[str]:
    """The clusters that use a template; none where an older version made it."""
    found = meta(body).get(_CLUSTERS)
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def used_by(body: Mapping[str, Any], names: Iterable[str]) -> Json:
    """The template with these clusters as its users."""
    return {**body, "_meta": {**meta(body), _CLUSTERS: sorted(names)}}


def told(names: Iterable[str]) -> str:
    """Why something stays, in words; empty where nobody else uses it."""
    found = sorted(names)
    return f"it stays, for {some(found)}" if found else ""
