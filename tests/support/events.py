"""Real Events, made fast through the API, and the truth about them: every version that the server answered."""

import datetime as dt
import http
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tests.support.kubeapi import JSON, MERGE_PATCH, Api, ApiError
from tests.support.shapes import Shape, shape

_TRY_AGAIN = {http.HTTPStatus.TOO_MANY_REQUESTS, *(status for status in http.HTTPStatus if status >= 500)}

# How many updates the Event of each number gets.
Updates = Mapping[int, int] | Callable[[int], int]


@dataclass
class Truth:
    """Every version of every Event that the API server says it has stored.

    Attributes:
        versions: By uid, the resourceVersions in the order of their writing.
        objects: By `<uid>.<resourceVersion>`, the object as answered; of an Event made through events.k8s.io in that
            group's shape.
        seconds: How long the writing took.
    """

    versions: dict[str, list[str]] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, answer: dict[str, Any]) -> None:
        """Add an Event as the API server answered it; the same version twice counts once."""
        uid, version = answer["metadata"]["uid"], answer["metadata"]["resourceVersion"]
        if f"{uid}.{version}" not in self.objects:
            self.versions.setdefault(uid, []).append(version)
            self.objects[f"{uid}.{version}"] = answer

    def update(self, other: "Truth") -> None:
        """Add all of another truth, which was written after this one or beside it."""
        for answer in other.objects.values():
            self.add(answer)
        self.seconds += other.seconds

    @property
    def ids(self) -> set[str]:
        """`<uid>.<resourceVersion>` of every version."""
        return set(self.objects)

    @property
    def last_ids(self) -> set[str]:
        """`<uid>.<resourceVersion>` of the last version of every Event: what a list shows."""
        return {f"{uid}.{versions[-1]}" for uid, versions in self.versions.items()}

    @property
    def writes_per_second(self) -> float:
        """How fast the API server took them."""
        return len(self.objects) / self.seconds if self.seconds else 0.0

    def compare(self, found: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
        """What is wrong with the ids found somewhere: (missing, found more than once, never written)."""
        counts: dict[str, int] = {}
        for id_ in found:
            counts[id_] = counts.get(id_, 0) + 1
        missing = sorted(self.ids - counts.keys())
        twice = sorted(id_ for id_, count in counts.items() if count > 1)
        return missing, twice, sorted(counts.keys() - self.ids)


def create_events(
    kubeconfig: Path,
    namespace: str,
    count: int,
    *,
    workers: int = 8,
    updates: Updates | None = None,
    first: int = 0,
    prefix: str = "e",
    patience: float = 60,
) -> Truth:
    """Create Events and update some of them, as `tests.support.shapes` says; returns when the server has them all.

    First all are created, then every Event that is to be updated is updated once, then again, and so on. Core Events
    are updated in turn by a merge PATCH and by a PUT, those of events.k8s.io by PATCH. A restart of the API server
    meanwhile does no harm: what it did not answer is asked again, until it is known.

    Args:
        kubeconfig: Of somebody who may create namespaces and Events.
        namespace: Made if it isn't there.
        count: How many Events.
        workers: Threads, each with its own connection.
        updates: How many updates an Event gets, by its number from 0; none by default.
        first: The number of the first Event: for a second call on the same namespace.
        prefix: Part of the Events' names: for a call beside another one on the same namespace.
        patience: For how many seconds a single write is tried while the API server can't be reached.
    """
    began = time.monotonic()
    numbers = range(first, first + count)
    wanted = {index: wanted_updates(updates, index) for index in numbers}
    now = dt.datetime.now(dt.UTC)
    shapes = {index: shape(index, namespace, now, prefix=prefix) for index in numbers}
    truth = Truth()
    latest: dict[int, dict[str, Any]] = {}
    api = Api(kubeconfig, connections=workers)
    writer = Writer(api, namespace, patience)
    api.ensure_namespace(namespace)

    def write(index: int, number: int) -> tuple[int, dict[str, Any]]:
        if number == 0:
            return index, writer.create(shapes[index])
        return index, writer.update(shapes[index], latest[index], number)

    with ThreadPoolExecutor(workers, thread_name_prefix="events") as pool:
        for number in range(max(wanted.values(), default=0) + 1):
            due = [index for index in numbers if wanted[index] >= number]
            for index, answer in pool.map(write, due, [number] * len(due)):
                latest[index] = answer
                truth.add(answer)
    api.close()
    truth.seconds = time.monotonic() - began
    return truth


def wanted_updates(updates: Updates | None, index: int) -> int:
    """How many updates the Event of this number gets."""
    if updates is None:
        return 0
    return updates(index) if callable(updates) else updates.get(index, 0)


class Writer:
    """Writes whose outcome is known in the end, whatever happens to the connection.

    Only this writer knows the Events' names, so that a conflict on a repeated write says that the first one was stored.
    """

    def __init__(self, api: Api, namespace: str, patience: float) -> None:
        self._api = api
        self._namespace = namespace
        self._patience = patience

    def create(self, wanted: Shape) -> dict[str, Any]:
        return self._write("POST", self._collection(wanted), wanted.name, wanted.body)

    def update(self, wanted: Shape, latest: dict[str, Any], number: int) -> dict[str, Any]:
        change = wanted.update(number, dt.datetime.now(dt.UTC))
        path = f"{self._collection(wanted)}/{wanted.name}"
        if "count" in change and number % 2 == 0:
            return self._write("PUT", path, wanted.name, latest | change)
        # Sent twice, the same patch changes nothing the second time.
        return self._write("PATCH", path, wanted.name, change, MERGE_PATCH)

    def _collection(self, wanted: Shape) -> str:
        return f"{wanted.collection}/namespaces/{self._namespace}/events"

    def _write(self, method: str, path: str, name: str, body: Any, content_type: str = JSON) -> dict[str, Any]:
        deadline = time.monotonic() + self._patience
        repeated = False
        while True:
            try:
                return self._api.request(method, path, body, content_type=content_type)
            except ApiError as error:
                if error.status == http.HTTPStatus.CONFLICT and repeated:
                    method, path, body = "GET", path if path.endswith(name) else f"{path}/{name}", None
                    continue
                if error.status not in _TRY_AGAIN or time.monotonic() > deadline:
                    raise
            except urllib3.exceptions.HTTPError:
                if time.monotonic() > deadline:
                    raise
            repeated = True
            time.sleep(0.1)
