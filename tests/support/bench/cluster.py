"""A fake cluster of its own process, with as many Events as are wanted, made while they are sent.

`Cluster` starts it. It knows what a sidecar asks for: Events listed in pages, streamed or watched; Leases; the pods of
a node; metadata of the pods that the Events are about.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from sidecar.dev.recording import load
from tests.support.fakes.leases import ServesLeases
from tests.support.fakes.server import Exchange
from tests.support.fakes.tls import Certificate, make_certificate
from tests.support.waiting import wait_until

Json = dict[str, Any]

POD_EVENTS = 5
"""So many Events in a row are about the same pod."""
NAMESPACES = 20
_FIRST_VERSION = 1000
_TOGETHER = 50
"""So many Events are handed to the socket at once; each is a chunk of HTTP, as the API server makes it."""
_NODE_PODS = 30
_HASH = "7d4b9c6f5"
_PLACES = {"@uid@": "uid", "@version@": "version", "@pod@": "pod", "@pod-uid@": "pod_uid", "@space@": "space"}
_HOLDER = "another-node_0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class World:
    """What there is.

    Attributes:
        events: How many Events.
        watched: Whether they happen only once somebody watches; else they are there, to be listed.
        version: Of Kubernetes; 1.32 and newer stream lists.
        held: Whether somebody else holds every Lease, and renews it.
        tls: Whether it speaks https.
    """

    events: int
    watched: bool = False
    version: str = "v1.31.0"
    held: bool = False
    tls: bool = False


class Process:
    """A server in a process of its own, which ends with the `with` block.

    Args:
        module: To be run, with `folder` and more arguments; it writes its address by `tell_url`.
        folder: For its files; made.
    """

    def __init__(self, module: str, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        command = [sys.executable, "-m", module, str(folder), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        file = folder / "url"
        wait_until(lambda: file.exists() or self._process.poll() is not None, 60, f"{module} is up")
        assert self._process.poll() is None, f"{module} ended with {self._process.returncode}"
        self.url = file.read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(b"")


def tell_url(folder: Path, url: str) -> None:
    """Let who started this server find it."""
    fresh = folder / "url.new"
    fresh.write_text(url)
    fresh.rename(folder / "url")


class Cluster(Process):
    """The handle of a fake cluster; with `tls`, `ca` is what its certificate is trusted by."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__("tests.support.bench.cluster", folder, orjson.dumps(asdict(world)).decode())
        self.ca = (folder / "cert.pem").read_text() if world.tls else ""


# -- the process


class Nowhere(list[Any]):
    """A list that forgets at once: a server of millions of documents keeps no requests."""

    def append(self, _item: Any) -> None:
        pass


class Events:
    """Real Events of the recording, each with a version, a uid and a pod of its own."""

    def __init__(self, world: World) -> None:
        self._count = world.events
        self._forms = [_form(document) for document in load().documents()]

    def lines(self, start: int) -> Iterator[bytes]:
        """Lines of a watch, from the Event of number `start` on."""
        for number in range(start, self._count):
            yield b'{"type":"ADDED","object":{"kind":"Event","apiVersion":"v1",%b}\n' % self.json(number)[1:]

    def json(self, number: int) -> bytes:
        """The Event of that number as it is in a list."""
        pod = number // POD_EVENTS
        return self._forms[number % len(self._forms)] % {
            b"uid": b"e0000000-0000-4000-8000-%012d" % number,
            b"version": b"%d" % (_FIRST_VERSION + 1 + number),
            b"pod": pod_name(pod).encode(),
            b"pod_uid": pod_uid(pod).encode(),
            b"space": namespace(pod).encode(),
        }


def _form(document: Json) -> bytes:
    """An Event with places to fill in, for the operator % of bytes."""
    item = {key: value for key, value in document.items() if key not in {"kind", "apiVersion"}}
    item["metadata"] = {
        **item["metadata"], "name": "@pod@.@uid@", "namespace": "@space@", "uid": "@uid@",
        "resourceVersion": "@version@",
    }  # fmt: skip
    item["involvedObject"] = {
        **item["involvedObject"], "kind": "Pod", "apiVersion": "v1", "namespace": "@space@", "name": "@pod@",
        "uid": "@pod-uid@",
    }  # fmt: skip
    text = orjson.dumps(item).replace(b"%", b"%%")
    for place, name in _PLACES.items():
        text = text.replace(place.encode(), b"%%(%b)b" % name.encode())
    return text


def pod_name(number: int) -> str:
    return f"app-{number % 7}-{_HASH}-{number:08d}"


def pod_uid(number: int) -> str:
    return f"b0000000-0000-4000-8000-{number:012d}"


def namespace(number: int) -> str:
    """Where the pod of that number is."""
    return f"team-{number % NAMESPACES}"


def pod_metadata(number: int) -> Json:
    """What a Deployment's pod has."""
    app = f"app-{number % 7}"
    labels = {
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/instance": f"{app}-live",
        "app.kubernetes.io/version": "1.4.2",
        "app.kubernetes.io/part-of": "shop",
        "pod-template-hash": _HASH,
    }
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-{_HASH}", "controller": True}
    return {
        "name": pod_name(number),
        "namespace": namespace(number),
        "uid": pod_uid(number),
        "resourceVersion": "900",
        "labels": labels,
        "ownerReferences": [{**owner, "uid": "c0000000-0000-4000-8000-000000000000"}],
    }


class _Server(ServesLeases):
    """The API server."""

    def __init__(self, world: World, certificate: Certificate | None) -> None:
        super().__init__(certificate.context if certificate else None)
        self.requests = Nowhere()
        self._world = world
        self._events = Events(world)
        self._pods = -(-world.events // POD_EVENTS)
        self._listed = 0 if world.watched else world.events
        self._state = _FIRST_VERSION + self._listed

    def handle(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path.startswith("/apis/coordination.k8s.io/"):
            if self._world.held:
                self._hold(path)
            super().handle(exchange)
        elif path == "/version":
            major, minor, _ = self._world.version.removeprefix("v").split(".")
            exchange.json({"major": major, "minor": minor, "gitVersion": self._world.version})
        elif path == "/api/v1/events":
            self._show_events(exchange)
        elif path == "/api/v1/pods":
            self._show_pods(exchange)
        else:
            self._show_metadata(exchange)

    def _hold(self, path: str) -> None:
        """Make the Lease somebody else's where it isn't yet, and renew it."""
        collection, _, name = path.rpartition("/")
        if name == "leases":
            return
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        spec = {"holderIdentity": _HOLDER, "leaseDurationSeconds": 15, "renewTime": at, "acquireTime": at}
        answer = self.leases.answer("GET", path)
        body = {"metadata": {"name": name}, "spec": spec}
        if answer and answer[0] == 404:
            self.leases.answer("POST", collection, body)
        elif answer:
            self.leases.answer("PUT", path, {**answer[1], "spec": spec})

    def _show_events(self, exchange: Exchange) -> None:
        query = exchange.request.query
        if query.get("watch") == "true":
            self._stream_events(exchange, query)
            return
        start, limit = int(query.get("continue") or 0), int(query["limit"])
        end = min(start + limit, self._listed)
        more = b',"continue":"%d"' % end if end < self._listed else b""
        items = b",".join(self._events.json(number) for number in range(start, end))
        head = b'{"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"%d"%b},"items":['
        exchange.answer(200, head % (self._state, more) + items + b"]}")

    def _stream_events(self, exchange: Exchange, query: dict[str, str]) -> None:
        initial = query.get("sendInitialEvents") == "true"
        start = 0 if initial else int(query["resourceVersion"]) - _FIRST_VERSION
        exchange.start_stream()
        held: list[bytes] = []
        for line in self._events.lines(start):
            held.append(b"%x\r\n%b\r\n" % (len(line), line))
            if len(held) == _TOGETHER:
                exchange._handler.wfile.write(b"".join(held))
                held = []
        exchange._handler.wfile.write(b"".join(held))
        if initial:
            metadata = {"resourceVersion": str(self._state), "annotations": {"k8s.io/initial-events-end": "true"}}
            exchange.chunk(orjson.dumps({"type": "BOOKMARK", "object": {"metadata": metadata}}) + b"\n")
        self._stay_silent(exchange, query)

    def _show_pods(self, exchange: Exchange) -> None:
        query = exchange.request.query
        if query.get("watch") == "true":
            exchange.start_stream()
            self._stay_silent(exchange, query)
            return
        items = [_whole_pod(number) for number in range(_NODE_PODS)]
        exchange.json({"kind": "PodList", "metadata": {"resourceVersion": str(self._state)}, "items": items})

    def _stay_silent(self, exchange: Exchange, query: dict[str, str]) -> None:
        if not exchange._over.wait(int(query["timeoutSeconds"])):
            exchange.end_stream()

    def _show_metadata(self, exchange: Exchange) -> None:
        """Metadata of a pod, or of those of a namespace."""
        match exchange.request.path.split("/")[3:]:
            case ["namespaces", _, "pods", name] if name.rpartition("-")[2].isdigit():
                exchange.json(_partial(int(name.rpartition("-")[2])))
            case ["namespaces", space, "pods"]:
                query = exchange.request.query
                start, limit = int(query.get("continue") or 0), int(query["limit"])
                numbers = range(int(space.rpartition("-")[2]), self._pods, NAMESPACES)
                more = {"continue": str(start + limit)} if start + limit < len(numbers) else {}
                found = [_partial(number) for number in numbers[start : start + limit]]
                kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
                metadata = {"resourceVersion": str(self._state), **more}
                exchange.json({**kind, "metadata": metadata, "items": found})
            case _:
                exchange.json({"kind": "Status", "status": "Failure", "message": "not found", "code": 404}, 404)


def _partial(number: int) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": pod_metadata(number)}


def _whole_pod(number: int) -> Json:
    """A pod of the node, with what makes it large."""
    mounts = [{"name": f"volume-{at}", "mountPath": f"/var/run/{at}", "readOnly": True} for at in range(4)]
    env = [{"name": f"SETTING_{at}", "value": "value " * 5} for at in range(20)]
    container = {"name": "app", "image": "shop/app:1.4.2", "env": env, "volumeMounts": mounts, "resources": {}}
    state = {"name": "app", "image": "shop/app:1.4.2", "ready": True, "containerID": f"containerd://{'ab' * 32}"}
    conditions = [{"type": kind, "status": "True"} for kind in ("Initialized", "Ready", "PodScheduled")]
    status = {"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": [state], "conditions": conditions}
    return {"metadata": pod_metadata(number), "spec": {"nodeName": "node", "containers": [container]}, "status": status}


def serve(folder: Path, world: World) -> None:
    """Serve until stdin ends."""
    with _Server(world, make_certificate(folder) if world.tls else None) as server:
        tell_url(folder, server.url)
        sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), World(**orjson.loads(sys.argv[2])))
