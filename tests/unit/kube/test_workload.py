from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.workload import Owner, Workload, belonging, controller, presumed

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["labels", "ownerReferences"]), inner),
    max_leaves=8,
)


def owner(kind: str, name: str, *, controller: Any = True, version: str = "apps/v1") -> list[dict[str, Any]]:
    other = {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "u-x"}
    return [other, {"apiVersion": version, "kind": kind, "name": name, "uid": f"u-{name}", "controller": controller}]


@pytest.mark.parametrize(
    ("metadata", "workload", "above"),
    [
        ({}, ("Pod", "web-1"), ""),
        (
            {"ownerReferences": owner("ReplicaSet", "web-7d9f"), "labels": {"pod-template-hash": "7d9f"}},
            ("Deployment", "web"),
            "",
        ),
        (
            # As Argo Rollouts labels its pods.
            {"ownerReferences": owner("ReplicaSet", "web-7d9f"), "labels": {"rollouts-pod-template-hash": "7d9f"}},
            ("ReplicaSet", "web-7d9f"),
            "web-7d9f",
        ),
        ({"ownerReferences": owner("Job", "backup-29384756", version="batch/v1")}, ("CronJob", "backup"), ""),
        ({"ownerReferences": owner("Job", "migrate", version="batch/v1")}, ("Job", "migrate"), "migrate"),
        ({"ownerReferences": owner("StatefulSet", "db")}, ("StatefulSet", "db"), ""),
        ({"ownerReferences": owner("Workflow", "w", version="argoproj.io/v1alpha1")}, ("Workflow", "w"), ""),
        ({"ownerReferences": owner("Node", "node-1", version="v1")}, ("Pod", "web-1"), ""),
        ({"ownerReferences": owner("ReplicaSet", "web-7d9f", controller="true")}, ("Pod", "web-1"), ""),
    ],
)
def test_a_pod_belongs_to_what_made_its_owner(metadata: Any, workload: tuple[str, str], above: str) -> None:
    found = belonging("Pod", metadata, "web-1")
    assert found.workload == workload
    assert (found.above.name if found.above else "") == above


@pytest.mark.parametrize(
    ("kind", "references", "workload"),
    [
        ("ReplicaSet", owner("Deployment", "web"), ("Deployment", "web")),
        ("ReplicaSet", owner("Rollout", "web", version="argoproj.io/v1alpha1"), ("Rollout", "web")),
        ("ReplicaSet", [], ("ReplicaSet", "it")),
        ("Job", owner("CronJob", "backup", version="batch/v1"), ("CronJob", "backup")),
        ("Job", None, ("Job", "it")),
        ("StatefulSet", owner("Postgres", "db", version="example.org/v1"), ("StatefulSet", "it")),
        ("ReplicationController", [], ("ReplicationController", "it")),
        ("Service", owner("Deployment", "web"), ("", "")),
        ("Node", [], ("", "")),
    ],
)
def test_what_stands_at_the_top(kind: str, references: Any, workload: tuple[str, str]) -> None:
    assert belonging(kind, {"ownerReferences": references}, "it").workload == workload


def test_a_name_alone_tells_some() -> None:
    assert presumed("Deployment", "web") == Workload("Deployment", "web")
    assert presumed("Job", "backup-29384756") == Workload("CronJob", "backup")
    assert [presumed(kind, "x") for kind in ("Job", "Pod", "ReplicaSet", "Service", "Secret")] == [Workload()] * 5


def test_an_owner_is_the_one_that_controls() -> None:
    assert controller({"ownerReferences": owner("ReplicaSet", "a")}) == Owner("apps/v1", "ReplicaSet", "a", "u-a")
    assert controller({"ownerReferences": [None, 5, {"controller": True, "kind": 5, "name": "x"}]}) is None


@given(st.sampled_from(["Pod", "ReplicaSet", "Job"]), ANYTHING)
def test_any_metadata_has_an_answer(kind: str, metadata: Any) -> None:
    assert belonging(kind, metadata, "it").workload.name
