"""The API server, what the sidecar may do there, and who leads."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import Config, loads
from sidecar.doctor import Finding, State, examine
from sidecar.doctor.cluster import Cluster
from sidecar.doctor.lease import lease_verdict
from sidecar.doctor.permissions import Right, purposes, verdict
from sidecar.kube import connect
from tests.support.fakes.doctored import FakeCluster
from tests.support.fakes.kubernetes import TOKEN, failing, kubeconfig
from tests.support.waiting import free_port

NOW = time.time()
NAMES = ["API server", "events", "leader election", "pods of the node", "labels of events", "leader"]


def pipeline(rest: str = "") -> Config:
    return loads(f"cluster: c\nopensearch: {{url: 'http://h'}}\n{rest}")


@pytest.fixture
def server() -> Iterator[FakeCluster]:
    with FakeCluster() as fake:
        yield fake


def found_at(
    url: str, folder: Path, config: Config | None = None, namespace: str | None = None, **more: Any
) -> dict[str, Finding]:
    connecting = partial(connect, kubeconfig=kubeconfig(folder, url, **more))
    [(_, found)] = examine([Cluster(config or pipeline(), connecting, namespace).area()])
    assert TOKEN not in repr(found)
    return {one.name: one for one in found}


def lease(holder: str = "node-1-ab12", ago: float = 1.0, trouble: str = "", now: float = NOW) -> dict[str, Any]:
    def stamp(seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))

    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 15,
        "renewTime": stamp(now - ago),
        "acquireTime": stamp(now - 7200),
    }
    annotations = {"fluent-sidecar/trouble": trouble} if trouble else {}
    return {"metadata": {"annotations": annotations}, "spec": spec}


def test_all_is_well(server: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    server.leases.held["logging", "fluent-sidecar"] = lease(now=time.time())

    found = found_at(server.url, tmp_path, namespace="logging")

    assert list(found) == NAMES
    assert {one.state for one in found.values()} == {State.OK}
    assert found["API server"].text == f"{server.url}, v1.31.2, as system:serviceaccount:logging:sidecar"
    assert found["events"].text == "may list, watch events"
    assert found["leader"].text == "node-1-ab12 watches the events, for 2 h (Lease logging/fluent-sidecar)"
    assert {one["namespace"] for one in server.asked if one["resource"] == "leases"} == {"logging"}


def test_outside_a_pod_it_is_said_whose_rights_they_are(
    server: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    found = found_at(server.url, tmp_path)

    assert found["API server"].text.endswith(
        ", as system:serviceaccount:logging:sidecar; what follows is what this user may do, which the sidecar need not "
        "be allowed to"
    )


def test_a_missing_permission_is_named_and_hides_no_other(server: FakeCluster, tmp_path: Path) -> None:
    server.denied = {"watch events", "update leases", "list replicasets", "get nodes", "list pods"}

    found = found_at(server.url, tmp_path, namespace="logging")

    assert found["events"].text == "may not: watch events; so no event is collected"
    assert found["leader election"].text.startswith("may not: update leases.coordination.k8s.io in logging; so no ")
    assert found["pods of the node"].text.startswith("may not: list pods; so pod logs carry no labels")
    assert found["labels of events"].text.startswith("may not: get nodes, list pods, list replicasets.apps; so ")
    assert [found[name].state for name in NAMES[1:5]] == [State.FAIL, State.FAIL, State.FAIL, State.WARN]
    assert found["events"].hint.startswith("grant it to system:serviceaccount:logging:sidecar by a Role")


@pytest.mark.parametrize(
    ("rest", "gone"),
    [
        ("logs: {enabled: false}", "pods of the node"),
        ("logs: {metadata: path}", "pods of the node"),
        ("events: {enrich: false}", "labels of events"),
    ],
)
def test_what_is_not_needed_is_not_asked_for(server: FakeCluster, tmp_path: Path, rest: str, gone: str) -> None:
    assert gone not in found_at(server.url, tmp_path, pipeline(rest))


def test_events_of_one_namespace_need_a_right_there_alone() -> None:
    [events, *_] = purposes(pipeline("events: {include: {namespaces: [shop]}}"), "logging")

    assert [str(right) for right in events.rights] == ["list events in shop", "watch events in shop"]


def test_many_missing_permissions_are_not_all_listed() -> None:
    *_, labels = purposes(pipeline(), "logging")

    found = verdict(labels, dict.fromkeys(labels.rights, False), "")

    assert found.text.count(", ") == 5
    assert f"and {len(labels.rights) - 6} more; so events" in found.text


def test_without_a_name_the_hint_speaks_of_this_user() -> None:
    [events, *_] = purposes(pipeline(), "logging")
    denied: dict[Right, bool] = dict.fromkeys(events.rights, False)

    assert verdict(events, denied, "").hint.startswith("grant it to this user by ")


def test_a_server_that_is_away_closes_the_area(tmp_path: Path) -> None:
    found = found_at(f"http://127.0.0.1:{free_port()}", tmp_path)

    assert found["API server"].state is State.FAIL
    assert "can't be reached" in found["API server"].text
    assert found["API server"].hint == "is it up, and the address right?"
    assert {found[name].state for name in NAMES[1:]} == {State.SKIP}


def test_credentials_that_are_not_accepted_are_said(server: FakeCluster, tmp_path: Path) -> None:
    server.script = failing(401, "Unauthorized")

    found = found_at(server.url, tmp_path)["API server"]

    assert (found.state, found.hint) == (
        State.FAIL,
        "the token or client certificate isn't accepted; is it expired?",
    )


def test_without_a_kubeconfig_it_is_said_how_to_name_one(tmp_path: Path) -> None:
    connecting = partial(connect, kubeconfig=str(tmp_path / "none"))

    [(_, [found, *_])] = examine([Cluster(pipeline(), connecting, None).area()])

    assert (found.name, found.state) == ("API server", State.FAIL)
    assert "no such file" in found.text
    assert found.hint


def test_without_a_lease_the_namespace_is_asked_about(server: FakeCluster, tmp_path: Path) -> None:
    found = found_at(server.url, tmp_path, namespace="elsewhere")["leader"]

    assert found.state is State.WARN
    assert found.text == "there is no Lease elsewhere/fluent-sidecar: no sidecar has run here yet"
    assert "--namespace" in found.hint


def test_a_lease_that_may_not_be_read_is_a_warning(server: FakeCluster, tmp_path: Path) -> None:
    server.leases.verbs = set()

    found = found_at(server.url, tmp_path)["leader"]

    assert found.state is State.WARN
    assert found.text.startswith("can't be told: ")
    assert found.hint.startswith("grant get on leases.coordination.k8s.io")


@pytest.mark.parametrize(
    ("content", "state", "said"),
    [
        (lease(ago=300), State.FAIL, "node-1-ab12 holds the Lease n/l, and last renewed it 5 min ago: nobody watches"),
        (lease(holder=""), State.WARN, "the Lease n/l has no holder: nobody watches the events just now"),
        (lease(trouble="OpenSearch takes nothing"), State.WARN, "OpenSearch takes nothing"),
        ({"spec": {"holderIdentity": "x"}}, State.FAIL, "x holds the Lease n/l, and last renewed it never"),
        ({"spec": {"holderIdentity": "x", "renewTime": "soon"}}, State.FAIL, "last renewed it never"),
        ({}, State.WARN, "has no holder"),
    ],
)
def test_what_a_lease_says(content: dict[str, Any], state: State, said: str) -> None:
    found = lease_verdict(content, NOW, "n/l")

    assert found.state is state
    assert said in found.text
    assert found.hint
