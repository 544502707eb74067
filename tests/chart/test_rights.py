"""The chart's roles are what the code says it needs, and no more."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import loads
from sidecar.doctor.permissions import Right, purposes
from sidecar.kube.metadata import rules
from tests.support.chart import CHART
from tests.support.helm import MINIMAL, one, render

NAMESPACE = "logging"
OWN_EVENTS = {Right("create", "events", "", NAMESPACE)}
"""What a change of the configuration came to is an event of the pod."""


def granted(objects: list[dict[str, Any]]) -> set[Right]:
    return {
        Right(verb, resource, group, namespace, name)
        for kind, namespace in (("ClusterRole", ""), ("Role", NAMESPACE))
        for rule in one(objects, kind)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def needed(pipeline: str) -> set[Right]:
    config = loads(f"cluster: c\nopensearch: {{url: 'https://h'}}\n{pipeline}")
    return {right for purpose in purposes(config, NAMESPACE) for right in purpose.rights}


@pytest.mark.parametrize(
    ("pipeline", "text"),
    [
        ({}, ""),
        ({"events": {"enrich": False, "lease": "other"}}, "events: {enrich: false, lease: other}"),
        ({"logs": {"metadata": "path"}}, "logs: {metadata: path}"),
        ({"logs": {"enabled": False}, "events": {"enrich": False}}, "logs: {enabled: false}\nevents: {enrich: false}"),
    ],
)
def test_the_roles_are_what_the_code_needs(helm: Path, pipeline: dict[str, Any], text: str) -> None:
    found = granted(render(helm, {"pipeline": MINIMAL["pipeline"] | pipeline}, release="fluent-sidecar"))

    # `get` on events is for people who look with the pod's account, as `sidecar doctor` users do.
    assert found == needed(text) | OWN_EVENTS | {Right("get", "events")}


def test_the_rules_for_labels_are_the_tables(helm: Path) -> None:
    there = one(render(helm, MINIMAL), "ClusterRole")["rules"]

    def as_set(found: Iterable[dict[str, Any]]) -> set[tuple[str, str, str]]:
        return {
            (rule["apiGroups"][0], name, verb) for rule in found for name in rule["resources"] for verb in rule["verbs"]
        }

    assert as_set(rules()) <= as_set(there)


@pytest.mark.parametrize("values", sorted((CHART / "ci").glob("*-values.yaml")), ids=lambda path: path.name)
def test_nothing_secret_and_nothing_of_the_kubelet_is_granted(helm: Path, values: Path) -> None:
    for found in render(helm, values):
        for rule in found.get("rules", []) if found["kind"] in {"Role", "ClusterRole"} else []:
            assert not {"secrets", "configmaps", "nodes/proxy", "*"} & {*rule["resources"], *rule["verbs"]}
            assert "*" not in rule["apiGroups"]
