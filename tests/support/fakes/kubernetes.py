"""A fake API server: lists and watches by script."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.support.fakes.server import Exchange, FakeServer, Script

Json = dict[str, Any]
TOKEN = "very-secret-token"


class FakeKubernetes(FakeServer):
    """Answers lists from `lists` and watches from `watches`, in order; the last of each is repeated."""

    def __init__(self, lists: Sequence[Script] = (), watches: Sequence[Script] = (), **options: Any) -> None:
        super().__init__(**options)
        self.lists, self.watches = list(lists), list(watches)
        self._lock = threading.Lock()

    def handle(self, exchange: Exchange) -> None:
        with self._lock:
            steps = self.steps(exchange.request.query)
            step = steps.pop(0) if len(steps) > 1 else steps[0]
        step(exchange)

    def steps(self, query: dict[str, str]) -> list[Script]:
        """Where the answer to a query is taken from."""
        return self.watches if query.get("watch") == "true" else self.lists

    def asked(self, *, watch: bool) -> list[dict[str, str]]:
        """The queries of the lists or watches so far."""
        return [request.query for request in self.requests if (request.query.get("watch") == "true") is watch]


class FakeEvents(FakeKubernetes):
    """A server that also tells its version and its state, as who collects Events asks for them.

    Who asks for one item wants the state: that comes from `heads`, or is what the next list will show. A server from
    1.32 on streams lists.
    """

    def __init__(
        self, lists: Sequence[Script] = (), watches: Sequence[Script] = (), *, version: str = "v1.31.0", **options: Any
    ) -> None:
        super().__init__(lists, watches, **options)
        self.heads: list[Script] = []
        self.version = version

    def handle(self, exchange: Exchange) -> None:
        if exchange.request.path == "/version":
            major, minor, *_ = self.version.removeprefix("v").split(".")
            exchange.json({"major": major, "minor": minor, "gitVersion": self.version})
        else:
            super().handle(exchange)

    def steps(self, query: dict[str, str]) -> list[Script]:
        if query.get("limit") != "1":
            return super().steps(query)
        state = getattr(self.lists[0], "state", None)
        return self.heads or ([listing([], state)] if state is not None else self.lists[:1])

    def asked(self, *, watch: bool) -> list[dict[str, str]]:
        """The queries of the watches, or of the lists for items, so far."""
        return [
            request.query
            for request in self.requests
            if request.path != "/version"
            and (request.query.get("watch") == "true") is watch
            and (watch or request.query.get("limit") != "1")
        ]


def event(version: int, name: str = "", **more: Any) -> Json:
    """An Event as it is in a list or in a watch's change."""
    name = name or f"e{version}"
    return {
        "metadata": {
            "name": name,
            "namespace": "test",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-05-04T10:00:00Z",
        },
        "involvedObject": {"kind": "Pod", "namespace": "test", "name": "p"},
        "reason": "Started",
        "message": f"äöü 🚀 {name}",
        "type": "Normal",
        "firstTimestamp": "2026-05-04T10:00:00Z",
        "lastTimestamp": "2026-05-04T10:00:05Z",
        "count": 2,
        **more,
    }


def status_object(code: int, message: str = "too old resource version: 5 (7)", token: str = "") -> Json:
    metadata = {"continue": token} if token else {}
    return {"kind": "Status", "metadata": metadata, "status": "Failure", "message": message, "code": code}


def listing(items: Sequence[Any], version: int, token: str = "") -> Script:
    """A step: a page of a list."""
    metadata = {"resourceVersion": str(version)} | ({"continue": token} if token else {})
    body = {"kind": "EventList", "apiVersion": "v1", "metadata": metadata, "items": items}

    def step(exchange: Exchange) -> None:
        exchange.json(body)

    step.state = version  # type: ignore[attr-defined]
    return step


def failing(code: int, message: str = "no", token: str = "") -> Script:
    """A step: an HTTP status with a Status object."""
    return lambda exchange: exchange.json(status_object(code, message, token), code)


def line(item: Any, kind: str = "ADDED") -> bytes:
    """A line of a watch."""
    return orjson.dumps({"type": kind, "object": item}) + b"\n"


def stream(*chunks: bytes, then: str = "hang") -> Script:
    """A step: a watch in these chunks, then `hang`, `end` or `cut`."""

    def step(exchange: Exchange) -> None:
        exchange.start_stream()
        for chunk in chunks:
            exchange.chunk(chunk)
        {"hang": exchange.hang, "end": exchange.end_stream, "cut": exchange.cut}[then]()

    return step


def changes(*items: Any, then: str = "hang") -> Script:
    """A step: a watch with a chunk for each Event."""
    return stream(*(line(item) for item in items), then=then)


def kubeconfig(folder: Path, url: str, *, cluster: Json | None = None, user: Json | None = None) -> str:
    """Write a kubeconfig with a token, and return its path."""
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "clusters": [{"name": "fake", "cluster": {"server": url, **(cluster or {})}}],
        "users": [{"name": "fake", "user": user or {"token": TOKEN}}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


def versions(events: Iterable[Json]) -> list[str]:
    return [event["metadata"]["resourceVersion"] for event in events]
