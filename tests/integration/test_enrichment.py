"""Labels and workloads by a real API server, with no more rights than the role that the project asks for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sidecar.events.enrich import Counters, Enricher
from sidecar.events.record import Involved
from sidecar.kube import connect
from sidecar.kube.metadata import get_metadata, list_metadata, resource_of, rules
from tests.support.apiserver import ApiServer
from tests.support.kubeapi import Api
from tests.support.waiting import unique_name

Json = dict[str, Any]
CONTAINERS = [{"name": "app", "image": "shop/web"}]


@dataclass
class Tally:
    """Counts by label values."""

    counts: dict[tuple[str, ...], float] = field(default_factory=dict)
    values: tuple[str, ...] = ()

    def labels(self, *values: str) -> "Tally":
        return Tally(self.counts, values)

    def inc(self, amount: float = 1) -> None:
        self.counts[self.values] = self.counts.get(self.values, 0) + amount

    def set(self, value: float) -> None:
        self.counts[self.values] = value


class Cluster:
    """What controllers would make, made by hand: the test's API server has none."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._api = Api(kubeconfig)
        self.namespace = namespace
        self._api.ensure_namespace(namespace)

    def make(self, version: str, plural: str, kind: str, body: Json) -> Json:
        """Make an object; an Event about it."""
        base = "/api/v1" if version == "v1" else f"/apis/{version}"
        body["metadata"]["namespace"] = self.namespace
        made = self._api.request("POST", f"{base}/namespaces/{self.namespace}/{plural}", body)["metadata"]
        about = {"apiVersion": version, "kind": kind, "namespace": self.namespace}
        return {"involvedObject": {**about, "name": made["name"], "uid": made["uid"]}}

    def pod(self, name: str, labels: dict[str, str], owner: Json | None = None, kind: str = "Pod") -> Json:
        metadata: Json = {"name": name, "labels": labels, **owners(owner)}
        return self.make("v1", "pods", kind, {"metadata": metadata, "spec": {"containers": CONTAINERS}})

    def app(self, plural: str, kind: str, name: str, labels: dict[str, str], owner: Json | None = None) -> Json:
        metadata: Json = {"name": name, "labels": labels, **owners(owner)}
        template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        return self.make("apps/v1", plural, kind, {"metadata": metadata, "spec": spec})

    def delete_pod(self, name: str) -> None:
        self._api.request("DELETE", f"/api/v1/namespaces/{self.namespace}/pods/{name}?gracePeriodSeconds=0")

    def close(self) -> None:
        self._api.close()


def owners(event: Json | None) -> Json:
    if event is None:
        return {}
    about = event["involvedObject"]
    reference = {key: about[key] for key in ("apiVersion", "kind", "name", "uid")}
    return {"ownerReferences": [{**reference, "controller": True}]}


@pytest.fixture
def cluster(api_server: ApiServer) -> Iterator[Cluster]:
    made = Cluster(api_server.kubeconfig, unique_name("enriched"))
    yield made
    made.close()


@pytest.fixture
def enricher_for() -> Iterator[Callable[[Path], tuple[Enricher, Tally, Tally]]]:
    opened = []

    def make(kubeconfig: Path) -> tuple[Enricher, Tally, Tally]:
        api, unenriched, requests = connect(kubeconfig=str(kubeconfig)), Tally(), Tally()
        enricher = Enricher(api, Counters(Tally(), unenriched, requests, Tally()), budget_seconds=10)
        opened.append((enricher, api))
        return enricher, unenriched, requests

    yield make
    for enricher, api in opened:
        enricher.close()
        api.close()


def test_labels_and_workload_are_found(
    cluster: Cluster, api_server: ApiServer, enricher_for: Callable[[Path], tuple[Enricher, Tally, Tally]]
) -> None:
    web, hashed = {"app": "web"}, {"app": "web", "pod-template-hash": "7d9f"}
    deployment = cluster.app("deployments", "Deployment", "web", web)
    replica_set = cluster.app("replicasets", "ReplicaSet", "web-7d9f", hashed, deployment)
    pods = [cluster.pod(f"web-7d9f-{number}", hashed, replica_set) for number in range(10)]
    rollout = {
        "involvedObject": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "canary", "uid": "u-1"}
    }
    other = cluster.app("replicasets", "ReplicaSet", "canary-5f", {"app": "canary"}, rollout)
    canary = cluster.pod("canary-5f-1", {"app": "canary"}, other)
    lone = cluster.pod("lone", {})
    enricher, unenriched, requests = enricher_for(api_server.kubeconfig)

    found = enricher.look_up([deployment, replica_set, *pods, canary, lone])

    assert found == [
        Involved(web, "Deployment", "web"),
        Involved(hashed, "Deployment", "web"),
        *[Involved(hashed, "Deployment", "web")] * 10,
        Involved({"app": "canary"}, "Rollout", "canary"),
        Involved({}, "Pod", "lone"),
    ]
    assert unenriched.counts == {}
    assert requests.counts == {("pods", "ok"): 1, ("deployments", "ok"): 1, ("replicasets", "ok"): 2}
    cluster.delete_pod("lone")
    gone = {"involvedObject": {**lone["involvedObject"], "name": "gone", "uid": "u-gone"}}
    assert enricher.look_up([lone, gone]) == [Involved({}, "Pod", "lone"), None]


def test_the_answers_hold_metadata_alone(
    cluster: Cluster, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = cluster.pod("web", {"app": "web"})
    resource = resource_of("v1", "Pod")
    assert resource is not None
    api = connect(kubeconfig=str(api_server.kubeconfig))
    answers: list[Json] = []
    get = api.get

    def recorded(*arguments: Any, **options: Any) -> Json:
        answers.append(get(*arguments, **options))
        return answers[-1]

    monkeypatch.setattr(api, "get", recorded)

    found = get_metadata(api, resource, cluster.namespace, "web", seconds=10)
    page = list_metadata(api, resource, cluster.namespace, seconds=10)

    assert found["uid"] == event["involvedObject"]["uid"] == page.items[0]["uid"]
    assert [answer["kind"] for answer in answers] == ["PartialObjectMetadata", "PartialObjectMetadataList"]
    assert not {"spec", "status"} & {*answers[0], *answers[1]["items"][0]}
    api.close()


def test_get_and_list_are_all_the_rights_that_it_takes(
    cluster: Cluster, api_server: ApiServer, enricher_for: Callable[[Path], tuple[Enricher, Tally, Tally]]
) -> None:
    few = cluster.app("deployments", "Deployment", "web", {"app": "web"})
    pods = [cluster.pod(f"web-{number}", {"app": "web"}) for number in range(9)]
    node = {"involvedObject": {"kind": "Node", "name": "nobody", "uid": "nobody"}}
    user = unique_name("enricher")
    kubeconfig = api_server.kubeconfig_for(user, [])
    forbidden, unenriched, _ = enricher_for(kubeconfig)
    assert forbidden.look_up([few, *pods]) == [Involved(None, "Deployment", "web"), *[None] * 9]
    assert unenriched.counts == {("forbidden",): 10}

    api_server.grant(user, rules())
    enricher, unenriched, requests = enricher_for(kubeconfig)

    assert enricher.look_up([few]) == [Involved({"app": "web"}, "Deployment", "web")]
    assert enricher.look_up(pods) == [Involved({"app": "web"}, "Pod", f"web-{number}") for number in range(9)]
    assert enricher.look_up([node]) == [None]
    assert unenriched.counts == {("missing",): 1}
    assert requests.counts == {("deployments", "ok"): 1, ("pods", "ok"): 1, ("nodes", "missing"): 1}
