"""On a node, as users have it: the failing scenarios, lines, changes of pipeline.yaml, and deaths."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chaos.listener import Pipe
from tests.support.cluster.parts import Cluster
from tests.support.cluster.release import Release, make_release, namespace, sources
from tests.support.cluster.workloads import NUMBERED, SPOKEN, run_pod
from tests.support.events import create_events
from tests.support.kubeapi import Api
from tests.support.search import Answers
from tests.support.waiting import unique_name, wait_until

SCENARIOS = Path(__file__).parents[2] / "examples" / "scenarios"
ARRIVE_SECONDS = 120
Document = Mapping[str, Any]


@pytest.fixture
def scenarios(cluster: Cluster, api: Api) -> Iterator[None]:
    """The three failing Deployments."""
    yield
    cluster.run("kubectl", "delete", "--wait=false", "-k", SCENARIOS / "base")
    gone = lambda: api.raw("GET", "/api/v1/namespaces/test").status == 404  # noqa: E731 - it is asked once
    wait_until(gone, ARRIVE_SECONDS, "the namespace of the scenarios is gone", interval=0.5)


def of_workload(events: Answers, name: str) -> list[Document]:
    """A Deployment's events, and those of its pods, in the order of their time."""
    found = [one for one in sources(events) if one.get("workload") == {"kind": "Deployment", "name": name}]
    return sorted(found, key=lambda one: str(one["@timestamp"]))


def of_newest_pod(events: Answers, name: str) -> list[Document]:
    """The events of the pod that a Deployment made last: of one that goes the kubelet may complain to the end."""
    by_pod: dict[str, list[Document]] = {}
    for one in of_workload(events, name):
        if one["involvedObject"]["kind"] == "Pod":
            by_pod.setdefault(one["involvedObject"]["name"], []).append(one)
    return max(by_pod.values(), key=lambda found: min(str(one["metadata"]["creationTimestamp"]) for one in found))


def told_of(events: Answers, name: str) -> str:
    """A Deployment's events in short."""
    return "\n".join(f"{one['@timestamp']} {one['reason']}: {one['message']}" for one in of_workload(events, name))


def numbers(logs: Answers, namespace: str, pod: str) -> Counter[str]:
    """How often each line of a pod arrived."""
    return Counter(
        str(one["log"])
        for one in sources(logs)
        if (one["kubernetes"]["namespace_name"], one["kubernetes"]["pod_name"]) == (namespace, pod)
    )


@pytest.mark.usefixtures("scenarios")
def test_the_failing_scenarios_are_seen_and_seen_resolved(cluster: Cluster, events: Answers) -> None:
    expected = {"scenario-a": {"FailedMount"}, "scenario-b": {"Failed", "BackOff"}, "scenario-c": {"FailedScheduling"}}
    cluster.run("kubectl", "apply", "-k", SCENARIOS / "base")
    for name, reasons in expected.items():

        def failing(name: str = name, reasons: set[str] = reasons) -> list[Document]:
            return [one for one in of_workload(events, name) if one["reason"] in reasons]

        found = wait_until(failing, ARRIVE_SECONDS, f"{name} is seen failing", interval=1)
        assert found[0]["type"] == "Warning"
        assert found[0]["involvedObject"]["name"].startswith(name)
        assert found[0]["message"]
    cluster.run("kubectl", "apply", "-k", SCENARIOS / "fix")
    for name in expected:

        def resolved(name: str = name) -> bool:
            found = of_newest_pod(events, name)
            return any(one["reason"] == "Started" for one in found) and found[-1]["type"] == "Normal"

        wait_until(resolved, ARRIVE_SECONDS, partial(told_of, events, name), interval=1)


def test_ten_thousand_lines_are_complete_and_single(cluster: Cluster, api: Api, logs: Answers, quarters: str) -> None:
    run_pod(api, quarters, "numbered", cluster.image, NUMBERED, 10_000, 0)
    wanted = Counter(f"line {number:06d}" for number in range(10_000))
    wait_until(lambda: numbers(logs, quarters, "numbered") >= wanted, ARRIVE_SECONDS, "all lines arrive", interval=2)
    assert numbers(logs, quarters, "numbered") == wanted


def test_traces_json_and_secrets_are_as_they_should_be(
    cluster: Cluster, api: Api, logs: Answers, quarters: str
) -> None:
    run_pod(api, quarters, "spoken", cluster.image, SPOKEN)

    def said() -> dict[str, Document]:
        return {str(one["log"]): one for one in sources(logs) if one["kubernetes"]["namespace_name"] == quarters}

    # A trace ends when the next line comes, of its stream: all may arrive in any order.
    wait_until(lambda: len(said()) >= 5, ARRIVE_SECONDS, lambda: str(said()), interval=1)
    found = said()
    lines = list(found)
    assert len(lines) == 5
    (trace,) = [line for line in lines if "IllegalStateException" in line]
    assert trace.count("\n") == 4
    assert "the key *** is no one's business" in lines
    (structured,) = [one for one in found.values() if one.get("data")]
    assert structured["data"]["order"]["id"] == "9007199254740993"
    assert found["an ERROR of somebody"]["stream"] == "stderr"
    assert found["the end"]["kubernetes"]["labels"] == {"app": "spoken"}


def test_a_change_by_helm_reaches_the_node(
    cluster: Cluster, api: Api, release: Release, opensearch_url: str, quarters: str
) -> None:
    own = f"{release.namespace}-own"
    before = release.restarts("fluent-bit"), release.restarts("sidecar")
    release.pipeline["logs"]["routes"] = [{"name": "own", "namespaces": [quarters], "index": own}]
    release.upgrade()
    release.hurry()
    wait_until(lambda: release.events("ConfigApplied"), ARRIVE_SECONDS, release.log)
    run_pod(api, quarters, "routed", cluster.image, NUMBERED, 10, 0)
    with Answers(opensearch_url, own) as routed:
        wait_until(lambda: len(sources(routed)) == 10, ARRIVE_SECONDS, release.log, interval=1)
    assert (release.restarts("fluent-bit"), release.restarts("sidecar")) == before


def test_a_bad_change_is_refused_and_where_it_is_forced_in_it_does_no_harm(
    cluster: Cluster, api: Api, release: Release, logs: Answers, quarters: str
) -> None:
    said = release.try_upgrade(release.pipeline | {"evnets": {}})
    assert "evnets" in said
    good = release.text()
    run_pod(api, quarters, "steady", cluster.image, NUMBERED, 2_000, 0.01)
    release.edit(good + "\nevnets: {}\n")
    (told,) = wait_until(lambda: release.events("ConfigInvalid"), ARRIVE_SECONDS, release.log, interval=0.5)
    assert "evnets" in told
    unknown = yaml.safe_load(good)
    unknown["fluentbit"] = {"extra": {"outputs": [{"name": "no-such-plugin", "match": "nothing"}]}}
    release.edit(yaml.safe_dump(unknown))
    wait_until(lambda: release.events("ConfigRejected"), ARRIVE_SECONDS, release.log, interval=0.5)
    release.edit(good)
    wanted = Counter(f"line {number:06d}" for number in range(2_000))
    wait_until(lambda: numbers(logs, quarters, "steady") >= wanted, ARRIVE_SECONDS, release.log, interval=1)
    assert numbers(logs, quarters, "steady") == wanted


def test_nothing_is_lost_or_doubled_when_pods_die_while_events_and_lines_flow(
    cluster: Cluster, api: Api, release: Release, events: Answers, logs: Answers, quarters: str
) -> None:
    run_pod(api, quarters, "flowing", cluster.image, NUMBERED, 3_000, 0.01)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            create_events, cluster.kubeconfig, quarters, 1_000, workers=2, updates=lambda number: number % 2
        )
        release.delete_pods()
        release.wait_ready()
        release.delete_pods(grace=0)
        release.wait_ready()
        truth = writing.result(ARRIVE_SECONDS)
    wanted = Counter(f"line {number:06d}" for number in range(3_000))

    def missing() -> tuple[int, int]:
        found = [hit["_id"] for hit in events.documents()]
        return len(truth.ids - set(found)), len(wanted - numbers(logs, quarters, "flowing"))

    wait_until(lambda: missing() == (0, 0), ARRIVE_SECONDS, lambda: f"{missing()}; {release.log()}", interval=2)
    found = Counter(str(hit["_id"]) for hit in events.documents())
    assert {id_: count for id_, count in found.items() if count > 1 and id_ in truth.ids} == {}
    assert numbers(logs, quarters, "flowing") == wanted


def test_another_takes_over_from_the_leader_and_nothing_is_lost_or_doubled(
    cluster: Cluster, api: Api, release: Release, events: Answers, opensearch: Pipe, quarters: str
) -> None:
    """One Lease for two releases, as for two nodes."""
    other = make_release(cluster, api, opensearch, release.namespace)
    other.name = "other"
    other.values["fullnameOverride"] = "other"
    other.pipeline["logs"] = {"enabled": False}
    other.install()
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases/fluent-sidecar"
    before = api.get(lease)["spec"]
    try:
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(create_events, cluster.kubeconfig, quarters, 1_000, workers=2)
            release.delete_pods()
            release.wait_ready()
            other.delete_pods(grace=0)
            other.wait_ready()
            truth = writing.result(ARRIVE_SECONDS)

        def missing() -> int:
            return len(truth.ids - {hit["_id"] for hit in events.documents()})

        wait_until(lambda: missing() == 0, ARRIVE_SECONDS, lambda: f"{missing()}; {release.log()}", interval=2)
        found = Counter(str(hit["_id"]) for hit in events.documents())
        assert {id_: count for id_, count in found.items() if count > 1 and id_ in truth.ids} == {}
        after = api.get(lease)["spec"]
        # At least once: whoever is killed leads on when it is back in time.
        assert after["leaseTransitions"] > before["leaseTransitions"], (before, after)
    finally:
        other.uninstall()


@pytest.mark.parametrize("level", ["restricted", "baseline"])
def test_a_namespace_that_lets_no_pod_in_says_so_as_the_notes_do(
    cluster: Cluster, api: Api, opensearch: Pipe, level: str
) -> None:
    with namespace(api, unique_name(level), level=level) as name:
        refused = make_release(cluster, api, opensearch, name)
        refused.upgrade()
        told = wait_until(lambda: refused.events("FailedCreate"), ARRIVE_SECONDS, "the pods are refused", interval=0.5)
        assert f'violates PodSecurity "{level}:latest"' in told[0]
        notes = cluster.run("helm", "get", "notes", refused.name, "--namespace", name)
        assert "pod-security.kubernetes.io/enforce=privileged" in notes
        refused.uninstall()
