import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import KubernetesError, KubernetesUnavailable, ResourceExpired, ResourceMissing
from sidecar.kube import ApiServer, connect
from sidecar.kube.metadata import (
    ITEM,
    LIST,
    Resource,
    get_metadata,
    is_name,
    list_metadata,
    resource_of,
    rules,
)
from tests.support.fakes.kubernetes import kubeconfig, status_object
from tests.support.fakes.metadata import FakeMetadata, answers
from tests.support.fakes.server import says

PODS = "/api/v1/namespaces/shop/pods"
POD = Resource("", "v1", "pods")


@pytest.fixture
def server() -> Iterator[FakeMetadata]:
    with FakeMetadata() as fake:
        yield fake


@pytest.fixture
def api(server: FakeMetadata, tmp_path: Path) -> Iterator[ApiServer]:
    made = connect(kubeconfig=kubeconfig(tmp_path, server.url))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("version", "kind", "path"),
    [
        ("v1", "Pod", "/api/v1/namespaces/n/pods/x"),
        ("", "Pod", "/api/v1/namespaces/n/pods/x"),
        ("v1", "Node", "/api/v1/nodes/x"),
        ("", "PersistentVolume", "/api/v1/persistentvolumes/x"),
        ("v1", "Namespace", "/api/v1/namespaces/x"),
        ("apps/v1beta2", "Deployment", "/apis/apps/v1/namespaces/n/deployments/x"),
        ("extensions/v1beta1", "Deployment", "/apis/apps/v1/namespaces/n/deployments/x"),
        ("extensions/v1beta1", "Ingress", "/apis/networking.k8s.io/v1/namespaces/n/ingresses/x"),
        ("batch/v1beta1", "CronJob", "/apis/batch/v1/namespaces/n/cronjobs/x"),
        ("", "Job", "/apis/batch/v1/namespaces/n/jobs/x"),
        (
            "autoscaling/v2beta2",
            "HorizontalPodAutoscaler",
            "/apis/autoscaling/v2/namespaces/n/horizontalpodautoscalers/x",
        ),
        ("policy/v1beta1", "PodDisruptionBudget", "/apis/policy/v1/namespaces/n/poddisruptionbudgets/x"),
    ],
)
def test_kinds_have_their_path_whichever_version_is_named(version: str, kind: str, path: str) -> None:
    resource = resource_of(version, kind)
    assert resource is not None
    assert resource.path("n", "x") == path


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
        ("", "Secret"),
        ("serving.knative.dev/v1", "Service"),
        ("example.org/v1", "Pod"),
        ("extensions/v1beta1", "Pod"),
        ("v1", "Deployment"),
        ("apps/v1", "Pod"),
        ("/", "Deployment"),
        ("/v1", "Deployment"),
        ("", ""),
    ],
)
def test_other_kinds_are_not_asked_for(version: str, kind: str) -> None:
    assert resource_of(version, kind) is None


def test_a_role_for_all_of_it_has_get_and_list_and_nothing_secret() -> None:
    found = rules()
    assert {verb for rule in found for verb in rule["verbs"]} == {"get", "list"}
    named = {
        f"{name}.{group}".rstrip(".") for rule in found for group in rule["apiGroups"] for name in rule["resources"]
    }
    assert {"pods", "nodes", "deployments.apps", "cronjobs.batch", "ingresses.networking.k8s.io"} < named
    assert not named & {"secrets", "configmaps"}


@given(st.text(max_size=300) | st.text(alphabet=string.ascii_letters + "./%-", max_size=6))
def test_what_passes_for_a_name_stays_one_segment_of_a_path(text: str) -> None:
    if is_name(text):
        assert text not in {".", ".."}
        assert not set(text) & set("/%?#\\ ")
        assert 0 < len(text) < 254


@pytest.mark.parametrize("odd", ["", ".", "..", "a/b", "a%2fb", "x?y", "a\n", None, 5, ["a"], "x" * 254])
def test_what_is_no_name(odd: object) -> None:
    assert not is_name(odd)


def test_metadata_of_one_object(server: FakeMetadata, api: ApiServer) -> None:
    made = server.add(PODS, "web-1", "u-1", labels={"app": "web"})
    assert get_metadata(api, POD, "shop", "web-1", seconds=5) == made
    assert server.requests[0].headers["accept"] == ITEM
    with pytest.raises(ResourceMissing):
        get_metadata(api, POD, "shop", "web-2", seconds=5)


def test_metadata_of_a_collection_comes_in_pages(server: FakeMetadata, api: ApiServer) -> None:
    for number in range(501):
        server.add(PODS, f"p{number:03}", f"u-{number}")
    first = list_metadata(api, POD, "shop", seconds=5)
    second = list_metadata(api, POD, "shop", token=first.token, seconds=5)
    assert (len(first.items), first.token, len(second.items), second.token) == (500, "500", 1, "")
    assert server.requests[0].headers["accept"] == LIST
    assert [request.query.get("limit") for request in server.requests] == ["500", "500"]


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": {"uid": 5}}, {"metadata": {"uid": ""}}])
def test_an_answer_without_metadata_is_an_error(server: FakeMetadata, api: ApiServer, body: object) -> None:
    server.fault = answers(says(200, body))
    with pytest.raises(KubernetesUnavailable, match="is not metadata"):
        get_metadata(api, POD, "shop", "x", seconds=5)


def test_odd_items_of_a_list_are_left_out(server: FakeMetadata, api: ApiServer) -> None:
    items = [None, 5, {}, {"metadata": {"name": "x"}}, {"metadata": {"name": "y", "uid": "u"}}]
    server.fault = answers(says(200, {"metadata": {"continue": 5}, "items": items}))
    page = list_metadata(api, POD, "shop", seconds=5)
    assert (page.items, page.token) == ([{"name": "y", "uid": "u"}], "")
    server.fault = answers(says(200, {"metadata": {}, "items": {"a": 1}}))
    with pytest.raises(KubernetesUnavailable, match="is not metadata"):
        list_metadata(api, POD, "shop", seconds=5)


def test_an_expired_token_is_told(server: FakeMetadata, api: ApiServer) -> None:
    body = {**status_object(410), "metadata": {"continue": "later"}}
    server.fault = answers(says(410, body))
    with pytest.raises(ResourceExpired) as caught:
        list_metadata(api, POD, "shop", token="old", seconds=5)
    assert caught.value.token == "later"


@pytest.mark.parametrize("status", [403, 429, 503])
def test_the_status_of_a_refusal_is_told(server: FakeMetadata, api: ApiServer, status: int) -> None:
    server.fault = answers(says(status, status_object(status)))
    with pytest.raises(KubernetesError) as caught:
        get_metadata(api, POD, "shop", "x", seconds=5)
    assert caught.value.status == status


def test_no_answer_has_no_status() -> None:
    assert KubernetesUnavailable("can't be reached").status == 0
