"""A real API server takes everything that the chart renders, looked at strictly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chart import CHART
from tests.support.helm import call, render
from tests.support.kubeapi import Api
from tests.support.waiting import unique_name

COLLECTIONS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
OPERATOR = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
"""Kinds that an API server knows only with the Prometheus operator."""


@pytest.fixture
def api(kubernetes_kubeconfig: Path) -> Iterator[tuple[Api, str]]:
    found, namespace = Api(kubernetes_kubeconfig), unique_name("chart")
    found.ensure_namespace(namespace)
    yield found, namespace
    found.raw("DELETE", f"/api/v1/namespaces/{namespace}")
    found.close()


def test_the_api_server_takes_every_object(helm: Path, api: tuple[Api, str]) -> None:
    server, namespace = api
    taken = set()
    for values in sorted((CHART / "ci").glob("*-values.yaml")):
        for found in render(helm, values, "--set", f"namespaceOverride={namespace}", release=unique_name("chart")):
            if found["kind"] not in OPERATOR:
                found["metadata"].setdefault("namespace", namespace) if found["kind"] == "ConfigMap" else None
                path = COLLECTIONS[found["kind"]].format(namespace)
                server.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", found)
                taken.add(found["kind"])

    assert taken == COLLECTIONS.keys()


def test_the_notes_say_what_to_do_next(
    helm: Path, kubernetes_kubeconfig: Path, api: tuple[Api, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, namespace = api
    monkeypatch.setenv("KUBECONFIG", str(kubernetes_kubeconfig))
    values = CHART / "ci/manager-values.yaml"

    told = call(helm, "install", "notes", CHART, "-n", namespace, "--dry-run=server", "-f", str(values))

    notes = told.partition("NOTES:")[2]
    assert f"kubectl label namespace {namespace} pod-security.kubernetes.io/enforce=privileged" in notes
    assert "exec daemonset/notes-fluent-sidecar -- sidecar doctor" in notes
    assert "logs job/notes-fluent-sidecar-apply" in notes
    assert f"/var/lib/fluent-sidecar/{namespace}_notes-fluent-sidecar" in notes
    assert "for the cluster my-cluster: on every Linux node, to https://opensearch.example:9200.\n" in notes
    assert "3. Documents are in eks-kubernetes-events-* and eks-pod-logs-*.\n" in notes
    assert "Windows nodes and Fargate are not supported" in notes
