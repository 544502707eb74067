"""Events as the API server has them, chosen as those in OpenSearch are."""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from sidecar.errors import ResourceExpired
from sidecar.events.record import event_times
from sidecar.kube import ApiServer, Watch, pages
from sidecar.reading.events import identity, version
from sidecar.reading.matches import matches
from sidecar.reading.selection import Selection
from sidecar.reading.window import Window

Json = dict[str, Any]

_WATCH_SECONDS = 30
"""How long one watch lasts; between two somebody who reads no more is noticed."""


class ClusterEvents:
    """Events of the API server.

    Args:
        api: It.
        wanted: Which.
        when: By when they were last seen.
    """

    def __init__(self, api: ApiServer, wanted: Selection, when: Window) -> None:
        self._api, self._wanted, self._when = api, wanted, when
        self._path = f"/api/v1/namespaces/{wanted.namespace}/events" if wanted.namespace else "/api/v1/events"
        self._position = ""
        self._shown: dict[str, int] = {}

    def there(self) -> list[Json]:
        """What is there, the newest first.

        Raises:
            KubernetesError: It can't be listed.
        """
        found: list[tuple[str, int, Json]] = []
        for page in pages(self._api, self._path):
            self._position = page.resource_version
            for item in page.items:
                if isinstance(item, dict) and matches(item, self._wanted, self._when):
                    self._shown[identity(item)] = version(item)
                    created = (item.get("metadata") or {}).get("creationTimestamp")
                    found.append((event_times(item, created).last_seen, version(item), item))
        found.sort(key=itemgetter(0, 1), reverse=True)
        return [item for *_, item in found]

    def new(self) -> Iterator[Json]:
        """What has changed since the last call, for half a minute from now on.

        Raises:
            KubernetesError: It can't be watched.
        """
        try:
            with Watch(self._api, self._path, self._position, seconds=_WATCH_SECONDS) as watch:
                for changes in watch:
                    for change in changes:
                        self._position = change.item["metadata"]["resourceVersion"]
                        if change.type in {"ADDED", "MODIFIED"} and self._is_new(change.item):
                            yield change.item
        except ResourceExpired:
            before = dict(self._shown)
            for item in reversed(self.there()):
                if version(item) > before.get(identity(item), -1):
                    yield item

    def _is_new(self, item: Json) -> bool:
        if not matches(item, self._wanted, self._when) or version(item) <= self._shown.get(identity(item), -1):
            return False
        self._shown[identity(item)] = version(item)
        return True
