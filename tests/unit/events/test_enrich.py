import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as PrometheusCounter

from sidecar.errors import KubernetesError, KubernetesUnavailable
from sidecar.events.enrich import CAUSES, Counters, Enricher
from sidecar.events.known import Known, target_of
from sidecar.events.record import Involved
from sidecar.kube import ApiServer, connect
from tests.support.fakes.kubernetes import kubeconfig, status_object
from tests.support.fakes.metadata import FakeMetadata, Fault, answers, slow
from tests.support.fakes.server import Exchange, says
from tests.support.hostile import hostile_events
from tests.support.waiting import wait_until

Json = dict[str, Any]
PODS = "/api/v1/namespaces/shop/pods"
APPS = "/apis/apps/v1/namespaces/shop"
JOBS = "/apis/batch/v1/namespaces/shop/jobs"
WEB = Involved({"app": "web", "pod-template-hash": "7d9f"}, "Deployment", "web")


@dataclass
class Tally:
    """Counts as Prometheus would, and can be read."""

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    values: tuple[str, ...] = ()

    def labels(self, *values: str) -> "Tally":
        return Tally(self.counts, values)

    def inc(self, amount: float = 1) -> None:
        self.counts[self.values] += int(amount)

    def set(self, value: float) -> None:
        self.counts[self.values] = int(value)


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Rig:
    """An enricher before a fake API server, with what it counted."""

    def __init__(self, api: ApiServer, server: FakeMetadata, **options: Any) -> None:
        self.server = server
        self.clock = Clock()
        self.enriched, self.unenriched, self.requests, self.cached = Tally(), Tally(), Tally(), Tally()
        counters = Counters(self.enriched, self.unenriched, self.requests, self.cached)
        options = {"budget_seconds": 2.0, "requests_per_second": 1000} | options
        self.enricher = Enricher(api, counters, clock=self.clock, **options)

    def look_up(self, *events: Any, budget: float | None = None) -> list[Involved | None]:
        return self.enricher.look_up(events, budget=budget)

    def one(self, event: Any) -> Involved | None:
        (found,) = self.look_up(event)
        return found

    def without(self) -> dict[str, int]:
        return {cause: number for (cause,), number in self.unenriched.counts.items()}

    def settled(self) -> None:
        wait_until(lambda: not self.enricher._asker._jobs, 5, "all requests are answered", interval=0.005)


@pytest.fixture
def server() -> Iterator[FakeMetadata]:
    with FakeMetadata() as fake:
        yield fake


@pytest.fixture
def start(server: FakeMetadata, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rigs.append(Rig(api, server, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.enricher.close()
    api.close()


@pytest.fixture
def rig(start: Callable[..., Rig]) -> Rig:
    return start()


def about(kind: str, name: str, uid: str = "", *, version: str = "v1", namespace: str = "shop", **more: Any) -> Json:
    """An Event about an object."""
    place = {"kind": kind, "apiVersion": version, "namespace": namespace, "name": name}
    return {"involvedObject": {**place, **({"uid": uid} if uid else {}), **more}}


def owned(kind: str, name: str, uid: str, version: str = "apps/v1") -> list[Json]:
    return [{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}]


def add_web(server: FakeMetadata, number: int, namespace: str = "shop") -> Json:
    """A pod of a Deployment; the Event about it."""
    collection = f"/api/v1/namespaces/{namespace}/pods"
    name, uid = f"web-7d9f-{number:04}", f"u-{namespace}-{number}"
    references = owned("ReplicaSet", "web-7d9f", "u-rs")
    server.add(collection, name, uid, labels={"app": "web", "pod-template-hash": "7d9f"}, ownerReferences=references)
    return about("Pod", name, uid, namespace=namespace)


def fails(status: int) -> Fault:
    return answers(says(status, status_object(status)))


def test_a_pod_has_its_labels_and_the_deployment_after_one_request(rig: Rig) -> None:
    event = add_web(rig.server, 1)
    assert rig.look_up(event, event) == [WEB, WEB]
    assert rig.one(event) == WEB
    assert len(rig.server.requests) == 1
    assert rig.enriched.counts[()] == 3
    assert rig.without() == {}
    assert rig.requests.counts == {("pods", "ok"): 1}
    assert rig.cached.counts[()] == 1


@pytest.mark.parametrize(
    ("version", "kind", "path"),
    [
        ("apps/v1", "Deployment", f"{APPS}/deployments"),
        ("extensions/v1beta1", "Deployment", f"{APPS}/deployments"),
        ("", "StatefulSet", f"{APPS}/statefulsets"),
        ("apps/v1", "DaemonSet", f"{APPS}/daemonsets"),
        ("batch/v1beta1", "CronJob", "/apis/batch/v1/namespaces/shop/cronjobs"),
        ("v1", "ReplicationController", "/api/v1/namespaces/shop/replicationcontrollers"),
    ],
)
def test_a_workload_is_its_own_and_its_name_is_known_without_an_answer(
    rig: Rig, version: str, kind: str, path: str
) -> None:
    assert rig.one(about(kind, "gone", "u-0", version=version)) == Involved(None, kind, "gone")
    rig.server.add(path, "it", "u-1", labels={"a": "b"})
    assert rig.one(about(kind, "it", "u-1", version=version)) == Involved({"a": "b"}, kind, "it")
    assert rig.without() == {"missing": 1}


@pytest.mark.parametrize(
    ("version", "kind", "path"),
    [
        ("v1", "PersistentVolumeClaim", "/api/v1/namespaces/shop/persistentvolumeclaims"),
        ("v1", "Service", "/api/v1/namespaces/shop/services"),
        ("v1", "Namespace", "/api/v1/namespaces"),
        ("v1", "PersistentVolume", "/api/v1/persistentvolumes"),
        (
            "autoscaling/v2beta2",
            "HorizontalPodAutoscaler",
            "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
        ),
        ("networking.k8s.io/v1", "Ingress", "/apis/networking.k8s.io/v1/namespaces/shop/ingresses"),
        ("policy/v1", "PodDisruptionBudget", "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"),
    ],
)
def test_what_is_no_workload_has_labels_alone(rig: Rig, version: str, kind: str, path: str) -> None:
    rig.server.add(path, "it", "u-1", labels={"a": "b"})
    assert rig.one(about(kind, "it", "u-1", version=version)) == Involved({"a": "b"})


def test_replica_sets_and_jobs_belong_to_their_owner(rig: Rig) -> None:
    rig.server.add(f"{APPS}/replicasets", "web-7d9f", "u-1", ownerReferences=owned("Deployment", "web", "u-d"))
    rig.server.add(f"{APPS}/replicasets", "bare", "u-2")
    rig.server.add(JOBS, "backup-29384756", "u-3", ownerReferences=owned("CronJob", "backup", "u-c", "batch/v1"))
    rig.server.add(JOBS, "migrate", "u-4")
    found = rig.look_up(
        about("ReplicaSet", "web-7d9f", "u-1", version="apps/v1"),
        about("ReplicaSet", "bare", "u-2", version="apps/v1"),
        about("Job", "backup-29384756", "u-3", version="batch/v1"),
        about("Job", "migrate", "u-4", version="batch/v1"),
        about("Job", "backup-29384700", "u-5", version="batch/v1"),
        about("Job", "gone", "u-6", version="batch/v1"),
    )
    assert found == [
        Involved({}, "Deployment", "web"),
        Involved({}, "ReplicaSet", "bare"),
        Involved({}, "CronJob", "backup"),
        Involved({}, "Job", "migrate"),
        Involved(None, "CronJob", "backup"),
        None,
    ]


def test_the_owner_is_asked_for_where_the_pod_does_not_tell_and_kept(rig: Rig) -> None:
    rollout = owned("Rollout", "web", "u-ro", "argoproj.io/v1alpha1")
    rig.server.add(f"{APPS}/replicasets", "web-5f", "u-rs", ownerReferences=rollout)
    events = []
    for number in range(3):
        rig.server.add(PODS, f"web-5f-{number}", f"u-{number}", ownerReferences=owned("ReplicaSet", "web-5f", "u-rs"))
        events.append(about("Pod", f"web-5f-{number}", f"u-{number}"))
    assert rig.look_up(*events) == [Involved({}, "Rollout", "web")] * 3
    assert rig.server.gets.count(f"{APPS}/replicasets/web-5f") == 1
    asked = len(rig.server.requests)
    assert rig.look_up(*events) == [Involved({}, "Rollout", "web")] * 3
    assert len(rig.server.requests) == asked


def test_an_owner_that_is_gone_or_of_another_kind_is_the_workload_itself(rig: Rig) -> None:
    rig.server.add(PODS, "a", "u-a", ownerReferences=owned("ReplicaSet", "gone", "u-rs"))
    rig.server.add(PODS, "b", "u-b", ownerReferences=owned("Workflow", "w", "u-w", "argoproj.io/v1alpha1"))
    assert rig.look_up(about("Pod", "a", "u-a"), about("Pod", "b", "u-b")) == [
        Involved({}, "ReplicaSet", "gone"),
        Involved({}, "Workflow", "w"),
    ]
    asked = len(rig.server.requests)
    rig.one(about("Pod", "a", "u-a"))
    assert len(rig.server.requests) == asked


def test_a_kubelet_names_its_node_by_the_name_and_a_static_pod_by_its_mirror(rig: Rig) -> None:
    rig.server.add("/api/v1/nodes", "node-1", "u-n", labels={"zone": "a"})
    rig.server.add(PODS, "proxy-node-1", "u-api", annotations={"kubernetes.io/config.mirror": "hash-1"})
    node = Involved({"zone": "a"})
    events = [
        about("Node", "node-1", "node-1", version="", namespace=""),
        about("Node", "node-1", "u-n"),
        about("Node", "node-1"),
        about("Pod", "proxy-node-1", "hash-1"),
    ]
    assert rig.look_up(*events) == [node, node, node, Involved({}, "Pod", "proxy-node-1")]
    asked = len(rig.server.requests)
    assert rig.look_up(*events) == [node, node, node, Involved({}, "Pod", "proxy-node-1")]
    assert len(rig.server.requests) == asked


def test_other_kinds_and_odd_events_cost_no_request(rig: Rig) -> None:
    odd: list[Any] = [
        None,
        5,
        "x",
        [],
        {},
        {"involvedObject": None},
        {"involvedObject": "Pod"},
        {"involvedObject": []},
        about("Secret", "s", "u"),
        about("Service", "s", "u", version="serving.knative.dev/v1"),
        about("Pod", "../secrets/s", "u"),
        about("Pod", "..", "u"),
        about("Pod", "p", "u", namespace=".."),
        about("Pod", "p", "u", namespace=""),
        about("Pod", "p", "u/../x"),
        about("Pod", "p", uid=cast("str", [5])),
        about(cast("str", 5), "p", "u"),
        about("Pod", cast("str", {"a": 1}), "u"),
    ]
    assert rig.look_up(*odd) == [None] * len(odd)
    assert rig.server.requests == []
    assert rig.without() == {"unknown_kind": len(odd)}


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["Pod", "Node", "v1", "apps/v1", "u-1"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
FIELDS = st.sampled_from(["kind", "apiVersion", "namespace", "name", "uid", "labels"])
EVENTS = VALUES | st.fixed_dictionaries({"involvedObject": VALUES | st.dictionaries(FIELDS, VALUES, max_size=5)})


class Nobody:
    """An API server that knows nobody."""

    url = "http://127.0.0.1:1"

    def get(self, path: str, *_arguments: object, **_options: object) -> Json:
        assert "//" not in path
        raise KubernetesUnavailable(f"Kubernetes at {self.url}: can't be reached: refused")


@given(st.lists(EVENTS, max_size=6))
def test_events_of_any_shape_have_an_answer_each(events: list[Any]) -> None:
    rig = Rig(cast("ApiServer", Nobody()), cast("FakeMetadata", None))
    try:
        found = rig.look_up(*events)
        assert len(found) == len(events)
        assert all(entry is None or (entry.labels is None and entry.workload) for entry in found)
        assert sum(rig.without().values()) == len(events)
        assert set(rig.without()) <= set(CAUSES)
    finally:
        rig.enricher.close()


def test_hostile_events_have_an_answer_each(rig: Rig) -> None:
    assert len(rig.look_up(*hostile_events(500))) == 500


def test_many_of_one_namespace_are_listed_and_few_are_not(rig: Rig) -> None:
    shop = [add_web(rig.server, number) for number in range(8)]
    rest = [add_web(rig.server, number, "rest") for number in range(7)]
    assert rig.look_up(*shop, *rest) == [WEB] * 15
    assert rig.server.lists == [PODS]
    assert len(rig.server.gets) == 7


def test_a_backlog_costs_tens_of_requests(start: Callable[..., Rig], server: FakeMetadata) -> None:
    rig = start(requests_per_second=20)
    pods = [[add_web(server, number, f"n{space}") for number in range(200)] for space in range(10)]
    gone = [
        [about("Pod", f"gone-{number}", f"g-{space}-{number}", namespace=f"n{space}") for number in range(100)]
        for space in range(10)
    ]
    # In the order of a list: by namespace, then by name.
    events = [event for space in range(10) for event in [*gone[space], *pods[space]] for _ in range(7)]
    found = [one for page in range(0, len(events), 500) for one in rig.look_up(*events[page : page + 500], budget=2)]
    assert sum(entry == WEB for entry in found) == 14_000
    assert rig.without() == {"missing": 7000}
    assert len(server.requests) <= 30


def test_what_a_complete_list_does_not_show_is_missing_without_another_request(rig: Rig) -> None:
    events = [add_web(rig.server, number) for number in range(5)]
    gone = [about("Pod", f"gone-{number}", f"g-{number}") for number in range(5)]
    assert rig.look_up(*events, *gone) == [WEB] * 5 + [None] * 5
    assert len(rig.server.requests) == 1
    assert rig.without() == {"missing": 5}


def test_a_list_tells_all_that_had_a_name(rig: Rig) -> None:
    rig.server.add(PODS, "db-0", "u-9", ownerReferences=owned("StatefulSet", "db", "u-s"))
    found = rig.look_up(*(about("Pod", "db-0", f"u-{number}") for number in range(10)))
    assert found == [None] * 9 + [Involved({}, "StatefulSet", "db")]
    assert len(rig.server.requests) == 1


def test_a_list_has_four_pages_and_the_next_goes_on_from_there(rig: Rig) -> None:
    events = [add_web(rig.server, number) for number in range(2600)]
    assert rig.look_up(*events[:8]) == [WEB] * 8
    assert (len(rig.server.lists), rig.server.gets) == (4, [])
    # What is beyond four pages is asked for one by one as long as it is little, and listed where it is much.
    assert rig.look_up(*events[2000:2010]) == [WEB] * 10
    assert (len(rig.server.lists), len(rig.server.gets)) == (4, 10)
    assert rig.look_up(*events[2100:2200]) == [WEB] * 100
    assert (len(rig.server.lists), len(rig.server.gets)) == (6, 10)
    assert rig.server.requests[-2].query["continue"] == "2000"


def test_an_expired_list_goes_on_by_the_token_that_it_is_given(rig: Rig) -> None:
    events = [add_web(rig.server, number) for number in range(600)]
    answers = iter([{**status_object(410), "metadata": {"continue": "500"}}])

    def expire(exchange: Exchange) -> bool:
        body = next(answers, None) if "continue" in exchange.request.query else None
        if body is not None:
            exchange.json(body, 410)
        return body is not None

    rig.server.fault = expire
    assert rig.look_up(*events[-10:]) == [WEB] * 10
    assert rig.requests.counts == {("pods", "ok"): 2, ("pods", "expired"): 1}


def test_what_is_known_is_asked_for_again_after_a_while_and_answered_meanwhile(rig: Rig) -> None:
    event = add_web(rig.server, 1)
    assert rig.one(event) == WEB
    rig.server.objects[f"{PODS}/web-7d9f-0001"]["labels"] = {"app": "new"}
    rig.clock.ahead = 599
    rig.one(event)
    assert len(rig.server.requests) == 1
    rig.clock.ahead = 601
    assert rig.one(event) == WEB
    rig.settled()
    assert rig.one(event) == Involved({"app": "new"}, "Deployment", "web")


@pytest.mark.parametrize(("fault", "requests"), [("deleted", 2), ("another", 2), (403, 3), (429, 4), (500, 4)])
def test_asking_again_never_forgets(rig: Rig, fault: Any, requests: int) -> None:
    event = add_web(rig.server, 1)
    rig.one(event)
    if fault == "deleted":
        rig.server.objects.clear()
    elif fault == "another":
        rig.server.add(PODS, "web-7d9f-0001", "u-new", labels={"app": "other"})
    else:
        rig.server.fault = fails(fault)
    for ahead in (601, 662, 7200):
        rig.clock.ahead = ahead
        assert rig.one(event) == WEB
        rig.settled()
        assert rig.one(event) == WEB
    assert len(rig.server.requests) == requests
    assert rig.without() == {}


def test_asking_again_keeps_the_workload_that_the_owner_told(rig: Rig) -> None:
    rollout = owned("Rollout", "web", "u-ro", "argoproj.io/v1alpha1")
    rig.server.add(f"{APPS}/replicasets", "web-5f", "u-rs", ownerReferences=rollout)
    rig.server.add(PODS, "web-5f-1", "u-1", ownerReferences=owned("ReplicaSet", "web-5f", "u-rs"))
    event = about("Pod", "web-5f-1", "u-1")
    rig.one(event)
    del rig.server.objects[f"{APPS}/replicasets/web-5f"]
    rig.enricher._known.recent.pop("u-rs")
    rig.clock.ahead = 601
    rig.one(event)
    rig.settled()
    assert rig.one(event) == Involved({}, "Rollout", "web")


def test_a_name_that_is_used_again_is_another_object(rig: Rig) -> None:
    rig.server.add(PODS, "db-0", "u-1", labels={"version": "1"}, ownerReferences=owned("StatefulSet", "db", "u-s"))
    old, new = about("Pod", "db-0", "u-1"), about("Pod", "db-0", "u-2")
    assert rig.one(old) == Involved({"version": "1"}, "StatefulSet", "db")
    rig.server.add(PODS, "db-0", "u-2", labels={"version": "2"}, ownerReferences=owned("StatefulSet", "db", "u-s"))
    assert rig.look_up(old, new) == [
        Involved({"version": "1"}, "StatefulSet", "db"),
        Involved({"version": "2"}, "StatefulSet", "db"),
    ]
    assert rig.one(about("Pod", "db-0", "u-0")) is None  # what was before both
    assert rig.one(new) == Involved({"version": "2"}, "StatefulSet", "db")


def test_what_is_missing_is_asked_for_again_after_a_minute(rig: Rig) -> None:
    event = about("Pod", "late", "u-1")
    assert rig.one(event) is None
    rig.server.add(PODS, "late", "u-1")
    rig.clock.ahead = 59
    assert rig.one(event) is None
    assert len(rig.server.requests) == 1
    rig.clock.ahead = 61
    assert rig.one(event) == Involved({}, "Pod", "late")
    assert rig.without() == {"missing": 2}


def test_a_server_that_hangs_costs_a_batch_its_budget_and_then_nothing(
    start: Callable[..., Rig], server: FakeMetadata
) -> None:
    rig = start(budget_seconds=0.03)
    server.fault = answers(Exchange.hang)
    took = []
    for number in range(100):
        began = time.monotonic()
        assert rig.look_up(about("Pod", f"p{number}", f"u-{number}")) == [None]
        took.append(time.monotonic() - began)
        if number > 12 and "error" in rig.without():
            break
        time.sleep(0.01)
    assert max(took) < 0.3
    assert rig.without().keys() == {"budget", "error"}
    assert len(server.requests) <= 4
    began = time.monotonic()
    rig.enricher.close()
    assert time.monotonic() - began < 0.6


def test_an_answer_that_is_late_is_for_the_next_event(start: Callable[..., Rig], server: FakeMetadata) -> None:
    rig = start(budget_seconds=0.02)
    event, go = add_web(server, 1), threading.Event()
    server.fault = lambda _exchange: not go.wait(5)
    assert rig.one(event) is None
    go.set()
    rig.settled()
    assert rig.one(event) == WEB
    assert len(server.requests) == 1
    assert rig.without() == {"budget": 1}


def test_a_server_that_fails_is_left_alone_for_a_while(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.server.fault = fails(500)
    for number in range(20):
        assert rig.one(about("Pod", f"p{number}", f"u-{number}")) is None
    assert len(rig.server.requests) == 3
    assert rig.without() == {"error": 20}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    rig.server.fault = lambda _exchange: False
    event = add_web(rig.server, 1)
    rig.clock.ahead = 29
    assert rig.one(event) is None
    rig.clock.ahead = 31
    assert rig.one(event) == WEB


def test_a_forbidden_resource_is_left_alone_and_named_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def forbid(exchange: Exchange) -> bool:
        return "/deployments" in exchange.request.path and fails(403)(exchange)

    rig.server.fault = forbid
    deployments = [about("Deployment", f"d{number}", f"d-{number}", version="apps/v1") for number in range(3)]
    pod = add_web(rig.server, 1)
    for _ in range(3):
        found = rig.look_up(*deployments, pod)
        assert found == [*(Involved(None, "Deployment", f"d{number}") for number in range(3)), WEB]
    assert rig.without() == {"forbidden": 9}
    asked = rig.requests.counts[("deployments", "forbidden")]
    assert 1 <= asked <= 3
    rig.clock.ahead = 601
    rig.look_up(*deployments)
    assert rig.requests.counts[("deployments", "forbidden")] > asked
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "grant get and list on deployments.apps" in record.message


@pytest.mark.parametrize(("said", "seconds"), [(None, 1), (7, 7), (500, 30)])
def test_a_server_that_throttles_is_asked_when_it_says(
    start: Callable[..., Rig], server: FakeMetadata, monkeypatch: pytest.MonkeyPatch, said: int | None, seconds: int
) -> None:
    rig = start()
    real = ApiServer.get

    def get(*arguments: Any, **options: Any) -> Json:
        try:
            return real(*arguments, **options)
        except KubernetesError as error:
            error.retry_after = said
            raise

    monkeypatch.setattr(ApiServer, "get", get)
    event = add_web(server, 1)
    server.fault = fails(429)
    for _ in range(5):
        assert rig.one(event) is None
    assert len(server.requests) == 1
    server.fault = lambda _exchange: False
    rig.clock.ahead = seconds - 0.5
    assert rig.one(event) is None
    rig.clock.ahead = seconds + 0.5
    assert rig.one(event) == WEB
    assert rig.without() == {"budget": 6}


def test_the_rate_is_limited_and_what_has_no_turn_goes_without(start: Callable[..., Rig], server: FakeMetadata) -> None:
    rig = start(requests_per_second=10)
    events = [add_web(server, number, f"n{number}") for number in range(40)]
    found = rig.look_up(*events, budget=0.25)
    assert 21 <= found.count(WEB) <= 23  # a burst of 20, and 10 each second
    assert rig.without() == {"budget": found.count(None)}
    assert len(server.requests) <= 23


def test_many_events_wait_for_half_of_the_time_at_most(start: Callable[..., Rig], server: FakeMetadata) -> None:
    rig = start(budget_seconds=0.1)
    server.fault = slow(0.05)
    waited, began = 0.0, time.monotonic()
    for number in range(10):
        before = time.monotonic()
        rig.look_up(*[add_web(server, number, f"n{number}")] * 50)
        waited += time.monotonic() - before
        time.sleep(0.01)
    assert waited < 0.1 + (time.monotonic() - began) * 0.5 + 0.1


def test_two_threads_share_requests(rig: Rig) -> None:
    events = [add_web(rig.server, number) for number in range(200)]
    rig.server.fault = slow(0.02)
    results: list[list[Involved | None]] = []
    threads = [threading.Thread(target=lambda: results.append(rig.look_up(*events))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[WEB] * 200] * 4
    assert len(rig.server.requests) == 1


def test_closed_it_answers_what_it_knows(rig: Rig) -> None:
    event = add_web(rig.server, 1)
    rig.one(event)
    rig.enricher.close()
    rig.enricher.close()
    assert rig.look_up(event, add_web(rig.server, 2)) == [WEB, None]
    assert rig.without() == {"error": 1}


def test_the_cache_is_bounded_and_keeps_what_is_used(start: Callable[..., Rig], server: FakeMetadata) -> None:
    rig = start(cache_size=100)
    used = add_web(server, 1)
    rig.one(used)
    for number in range(1000):
        rig.enricher._known.missing(_target(number), now=rig.clock())
        rig.one(used)
        assert len(rig.enricher._known) <= 100
    assert len(server.requests) == 1


def _target(number: int) -> Any:
    return target_of(about("Pod", f"p{number}", f"u-p{number}"))


def test_large_labels_take_the_place_of_many() -> None:
    known = Known(size=100, fresh_seconds=600, missing_seconds=60)
    for number in range(100):
        known.store("Pod", "n", {"name": "p", "uid": f"u{number}", "labels": {"l" * 60: "x" * 20_000}}, now=0)
        assert len(known) <= 6


def test_it_counts_with_prometheus(server: FakeMetadata, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    counters = Counters(
        PrometheusCounter("enriched", "-", registry=registry),
        PrometheusCounter("unenriched", "-", ["cause"], registry=registry),
        PrometheusCounter("requests", "-", ["resource", "result"], registry=registry),
        Gauge("known", "-", registry=registry),
    )
    api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
    enricher = Enricher(api, counters)
    enricher.look_up([add_web(server, 1), None])
    enricher.close()
    api.close()
    assert registry.get_sample_value("enriched_total") == 1
    assert registry.get_sample_value("unenriched_total", {"cause": "unknown_kind"}) == 1
    assert registry.get_sample_value("requests_total", {"resource": "pods", "result": "ok"}) == 1
    assert registry.get_sample_value("known") == 1
