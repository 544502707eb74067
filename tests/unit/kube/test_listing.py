from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import KubernetesUnavailable, ResourceExpired
from sidecar.kube import ApiServer, connect, pages
from tests.support.fakes.kubernetes import FakeKubernetes, event, failing, kubeconfig, listing, versions
from tests.support.fakes.server import says

PATH = "/api/v1/events"


def api_of(folder: Path, server: FakeKubernetes) -> ApiServer:
    return connect(kubeconfig=kubeconfig(folder, server.url))


def test_all_pages_follow_their_tokens(tmp_path: Path) -> None:
    steps = [listing([event(1), event(2)], 9, "t/1=="), listing([event(3)], 9, "t2"), listing([], 9)]
    with FakeKubernetes(steps) as server:
        found = list(pages(api_of(tmp_path, server), PATH, limit=2))
    assert [versions(page.items) for page in found] == [["1", "2"], ["3"], []]
    assert [page.token for page in found] == ["t/1==", "t2", ""]
    assert {page.resource_version for page in found} == {"9"}
    assert server.asked(watch=False) == [
        {"limit": "2"},
        {"limit": "2", "continue": "t/1=="},
        {"limit": "2", "continue": "t2"},
    ]


def test_pages_are_fetched_one_at_a_time(tmp_path: Path) -> None:
    with FakeKubernetes([listing([event(1)], 9, "more"), listing([event(2)], 9)]) as server:
        api = api_of(tmp_path, server)
        walk = pages(api, PATH)
        next(walk)
        assert len(server.requests) == 1
        walk.close()  # type: ignore[attr-defined]


def test_a_410_in_the_middle_is_said(tmp_path: Path) -> None:
    with FakeKubernetes([listing([event(1)], 9, "old"), failing(410, "continue token is too old")]) as server:
        walk = pages(api_of(tmp_path, server), PATH)
        next(walk)
        with pytest.raises(ResourceExpired, match="continue token is too old") as caught:
            next(walk)
    assert caught.value.token == ""


def test_a_list_may_go_on_by_the_token_of_a_410(tmp_path: Path) -> None:
    steps = [
        listing([event(1)], 9, "old"),
        failing(410, token="later=="),
        listing([event(2)], 12, "t"),
        listing([event(3)], 12),
    ]
    with FakeKubernetes(steps) as server:
        api = api_of(tmp_path, server)
        walk = pages(api, PATH, limit=2)
        next(walk)
        with pytest.raises(ResourceExpired) as caught:
            next(walk)
        rest = list(pages(api, PATH, limit=2, resource_version="0", token=caught.value.token))
    assert [versions(page.items) for page in rest] == [["2"], ["3"]]
    assert server.asked(watch=False)[2:] == [{"limit": "2", "continue": "later=="}, {"limit": "2", "continue": "t"}]


def test_a_list_of_nothing_is_empty(tmp_path: Path) -> None:
    with FakeKubernetes([says(200, {"metadata": {"resourceVersion": "5"}, "items": None})]) as server:
        (page,) = pages(api_of(tmp_path, server), PATH)
    assert (page.items, page.resource_version) == ([], "5")


@pytest.mark.parametrize(
    "answer",
    [{}, {"items": []}, {"metadata": {}, "items": []}, {"metadata": "x", "items": []}, {"metadata": None},
     {"metadata": {"resourceVersion": ""}}, {"metadata": {"resourceVersion": "1"}, "items": {"a": 1}}],
)  # fmt: skip
def test_what_is_no_list_is_no_answer(tmp_path: Path, answer: Any) -> None:
    with (
        FakeKubernetes([says(200, answer)]) as server,
        pytest.raises(KubernetesUnavailable, match="the answer to /api/v1/events is not a list"),
    ):
        list(pages(api_of(tmp_path, server), PATH))
