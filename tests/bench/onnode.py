"""On a node of a real cluster: how soon the first document arrives and a change takes effect, and what it costs."""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from sidecar.dev.opensearch import open_opensearch
from tests.support.bench.load import Load
from tests.support.bench.report import print_head, print_row
from tests.support.chaos.listener import Pipe
from tests.support.cluster.parts import Cluster, open_cluster
from tests.support.cluster.release import Release, make_release, namespace
from tests.support.cluster.workloads import NUMBERED, run_pod
from tests.support.kubeapi import Api
from tests.support.parts import Missing
from tests.support.search import Answers
from tests.support.waiting import unique_name, wait_until

CONTAINERS = ("sidecar", "fluent-bit")
_LINES, _EVENTS = 1000, 200
"""A second."""
_CHANGES, _CALM_SECONDS = 3, 10.0


@dataclass
class Scene:
    """What is measured."""

    cluster: Cluster
    api: Api
    release: Release
    opensearch: Pipe
    opensearch_url: str

    def answers(self, kind: str) -> Answers:
        """What arrived of events, or of logs."""
        return Answers(self.opensearch_url, f"{self.release.namespace}-{kind}")


def run() -> None:
    """Seconds of a load: BENCH_SECONDS."""
    try:
        with _scene() as scene:
            _install(scene)
            _change(scene)
            _cost(scene, float(os.environ.get("BENCH_SECONDS", "60")))
    except Missing as missing:
        print(f"not run: {missing.part} ({missing.why})")


@contextmanager
def _scene() -> Iterator[Scene]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(open_cluster(place))
        part = stack.enter_context(open_opensearch(os.environ.get("OPENSEARCH_URL"), progress=lambda *_: None))
        print(f"{cluster.description}; {part.description}")
        there = urlsplit(part.url)
        pipe = Pipe(there.port or 80, host=there.hostname or "", address=cluster.host_address())
        stack.enter_context(pipe)
        api = Api(cluster.kubeconfig, connections=16)
        stack.callback(api.close)
        name = stack.enter_context(namespace(api, unique_name("bench")))
        scene = Scene(cluster, api, make_release(cluster, api, pipe, name), pipe, part.url)
        stack.callback(scene.release.uninstall)
        yield scene


def _install(scene: Scene) -> None:
    began = time.monotonic()
    scene.release.upgrade()
    helm = time.monotonic() - began
    with scene.answers("") as answers:
        wait_until(lambda: answers.count() > 0, 300, scene.release.log, interval=0.2)
        first = time.monotonic() - began
    scene.release.wait_ready()
    print_head("from the install to", "seconds")
    print_row("helm is done", f"{helm:.1f}")
    print_row("the first document in OpenSearch", f"{first:.1f}")
    print_row("Fluent Bit's start, from the sidecar's", f"{_between_starts(scene.release):.1f}")


def _between_starts(release: Release) -> float:
    """Seconds between the starts of the two containers, by the kubelet's times of their first lines."""
    times = []
    for container in CONTAINERS:
        line = release.log(container, times=True).splitlines()[0]
        times.append(datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", line.split(" ")[0])))
    return (times[1] - times[0]).total_seconds()


def _change(scene: Scene) -> None:
    """A key that changes what Fluent Bit does: from the API's answer to the sidecar's word that it has it."""
    release = scene.release
    print_head("a change of pipeline.yaml", "seconds until it is in effect")
    took = [_seconds_of_change(release, number, hurry=number < _CHANGES) for number in range(2 * _CHANGES)]
    at_once, by_itself = took[:_CHANGES], took[_CHANGES:]
    for how, seconds in (("the kubelet asked at once", at_once), ("in the kubelet's own time", by_itself)):
        print_row(how, f"{min(seconds):.1f}-{max(seconds):.1f}")


def _seconds_of_change(release: Release, number: int, *, hurry: bool) -> float:
    release.pipeline["logs"]["redact"] = [{"name": "bench", "pattern": f"zz{number}", "replace": "***"}]
    before = _applied(release)
    began = time.monotonic()
    release.edit(yaml.safe_dump(release.pipeline), hurry=hurry)
    wait_until(lambda: _applied(release) > before, 300, release.log, interval=0.2)
    took = time.monotonic() - began
    # Whatever the kubelet has to do for what just happened is over.
    time.sleep(_CALM_SECONDS)
    return took


def _applied(release: Release) -> int:
    return release.log().count("was changed, and is in force")


def _cost(scene: Scene, seconds: float) -> None:
    with ExitStack() as stack:
        follower = _follower(scene)
        stack.callback(follower.uninstall)
        follower.install()
        parts = [
            ("sidecar, leading", scene.release, "sidecar"),
            ("sidecar, following", follower, "sidecar"),
            ("Fluent Bit", scene.release, "fluent-bit"),
        ]
        print_head("load", *(f"{name}: {what}" for name, _, _ in parts for what in ("MiB", "CPU %")))
        name = stack.enter_context(namespace(scene.api, unique_name("load"), level="restricted"))
        _measure(scene.api, parts, "idle", lambda: time.sleep(seconds))
        run_pod(scene.api, name, "lines", scene.cluster.image, NUMBERED, int(_LINES * seconds * 2), 1 / _LINES)
        _measure(scene.api, parts, f"{_LINES} lines/s", lambda: time.sleep(seconds))
        scene.api.raw("DELETE", f"/api/v1/namespaces/{name}/pods/lines")
        load = Load(scene.cluster.kubeconfig, name, range(int(_EVENTS * seconds)), rate=_EVENTS)
        _measure(scene.api, parts, f"{_EVENTS} events/s", load.run)
        assert "leading:" not in follower.log(), "what was to follow has led"


def _follower(scene: Scene) -> Release:
    """A second release with the same Lease and the same indices, as on a second node: its lines are there already."""
    follower = make_release(scene.cluster, scene.api, scene.opensearch, scene.release.namespace)
    follower.name = follower.values["fullnameOverride"] = "follower"
    follower.pipeline = scene.release.pipeline
    return follower


def _measure(api: Api, parts: list[tuple[str, Release, str]], what: str, load: Callable[[], None]) -> None:
    before, began = [_usage(api, release)[container] for _, release, container in parts], time.monotonic()
    load()
    after, took = [_usage(api, release)[container] for _, release, container in parts], time.monotonic() - began
    row = [what]
    for (_, busy_before), (memory, busy_after) in zip(before, after, strict=True):
        row += [f"{memory / 2**20:.0f}", f"{100 * (busy_after - busy_before) / 1e9 / took:.1f}"]
    print_row(*row)


def _usage(api: Api, release: Release) -> dict[str, tuple[int, int]]:
    """For each container: bytes of its working set, and nanoseconds of CPU so far, as the kubelet tells them now."""
    (pod,) = release.pods()
    path = f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy/stats/summary"
    stats: dict[str, Any] = api.get(path)
    (mine,) = [one for one in stats["pods"] if one["podRef"]["uid"] == pod["metadata"]["uid"]]
    return {
        one["name"]: (int(one["memory"]["workingSetBytes"]), int(one["cpu"]["usageCoreNanoSeconds"]))
        for one in mine["containers"]
    }
