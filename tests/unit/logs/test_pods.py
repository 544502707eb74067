from typing import Any

import pytest

from sidecar.logs.pods import invalid_annotation, rows, table

Json = dict[str, Any]


def pod(**metadata: Any) -> Json:
    return {"metadata": {"namespace": "shop", "name": "web-1", "uid": "u-1", **metadata}, "spec": {}}


def owner(kind: str, name: str, *, controller: Any = True) -> list[Json]:
    return [{"kind": "Other", "name": "x"}, {"kind": kind, "name": name, "controller": controller}]


@pytest.mark.parametrize(
    ("metadata", "workload"),
    [
        ({}, ("Pod", "web-1")),
        (
            {"ownerReferences": owner("ReplicaSet", "web-7d9f"), "labels": {"pod-template-hash": "7d9f"}},
            ("Deployment", "web"),
        ),
        ({"ownerReferences": owner("ReplicaSet", "web-7d9f")}, ("ReplicaSet", "web-7d9f")),
        (
            {"ownerReferences": owner("ReplicaSet", "web-7d9f"), "labels": {"pod-template-hash": "d9f"}},
            ("ReplicaSet", "web-7d9f"),
        ),
        ({"ownerReferences": owner("Job", "backup-29384756")}, ("CronJob", "backup")),
        ({"ownerReferences": owner("Job", "backup-1234567")}, ("Job", "backup-1234567")),
        ({"ownerReferences": owner("Job", "migrate")}, ("Job", "migrate")),
        ({"ownerReferences": owner("DaemonSet", "agent")}, ("DaemonSet", "agent")),
        ({"ownerReferences": owner("Node", "node-1")}, ("Pod", "web-1")),
        ({"ownerReferences": owner("ReplicaSet", "web-7d9f", controller=False)}, ("Pod", "web-1")),
        ({"ownerReferences": "odd", "labels": None}, ("Pod", "web-1")),
    ],
)
def test_the_workload_is_found_without_asking(metadata: Json, workload: tuple[str, str]) -> None:
    (row,) = rows(pod(**metadata))
    assert (row.kind, row.workload) == workload


def test_a_static_pod_is_found_by_its_hash_too() -> None:
    found = rows(pod(annotations={"kubernetes.io/config.hash": "abc"}, ownerReferences=owner("Node", "n")))
    assert [row.key for row in found] == ["u-1", "abc"]
    assert {row.kind for row in found} == {"Pod"}
    assert len(rows(pod(annotations={"kubernetes.io/config.hash": "u-1"}))) == 1


@pytest.mark.parametrize(
    ("annotations", "exclude", "multiline"),
    [
        ({}, "-", "-"),
        ({"fluentbit.io/exclude": "true"}, "*", "-"),
        ({"fluentbit.io/exclude": "TRUE ", "fluentbit.io/exclude-app": "true"}, "*", "-"),
        ({"fluentbit.io/exclude": "false"}, "-", "-"),
        ({"fluentbit.io/exclude-b": "true", "fluentbit.io/exclude-a": "true"}, "a,b", "-"),
        ({"fluentbit.io/exclude-a\tb": "true", "fluentbit.io/exclude-": "true"}, "-", "-"),
        ({"fluent-sidecar/multiline": "java, own"}, "-", "java,own"),
        ({"fluent-sidecar/multiline": "none"}, "-", "none"),
        ({"fluent-sidecar/multiline": "java\tx;"}, "-", "-"),
        ({"fluent-sidecar/multiline": 5}, "-", "-"),
    ],
)
def test_annotations_choose(annotations: Json, exclude: str, multiline: str) -> None:
    (row,) = rows(pod(annotations=annotations))
    assert (row.exclude, row.multiline) == (exclude, multiline)


def test_a_wrong_choice_of_rules_is_told() -> None:
    assert invalid_annotation(pod(annotations={"fluent-sidecar/multiline": "java;go"}))
    assert not invalid_annotation(pod(annotations={"fluent-sidecar/multiline": "java, go"}))
    assert not invalid_annotation(pod())


@pytest.mark.parametrize("odd", [None, 5, {}, {"metadata": None}, {"metadata": {"name": "x", "uid": "y"}}])
def test_an_odd_pod_has_no_rows(odd: Any) -> None:
    assert rows(odd) == []


def test_the_table_is_sorted_and_has_one_line_a_row() -> None:
    found = [*rows(pod(uid="b", labels={"z": "1", "app": "web"})), *rows(pod(uid="a", labels={"t": "x\ty\nz", "n": 5}))]
    text = table(reversed(found), node="node-1", generation=7)
    assert text == (
        "# fluent-sidecar pods 1\t7\tnode-1\n"
        "a\tshop\tweb-1\tPod\tweb-1\t-\t-\tt=x y z\n"
        "b\tshop\tweb-1\tPod\tweb-1\t-\t-\tapp=web\tz=1\n"
    )
    assert text == table(found, node="node-1", generation=7)
