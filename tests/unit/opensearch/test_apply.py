from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from sidecar.config import loads
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.apply import Action, Change, apply_templates, plan_templates, templates_in_place
from sidecar.opensearch.client import Client
from sidecar.render.templates import index_templates
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import says

TEMPLATES: dict[str, Any] = index_templates(loads("cluster: c\nopensearch: {url: http://localhost:9200}\n"))
EVENTS = "fluent-sidecar-eks-kubernetes-events"


@pytest.fixture
def server() -> Iterator[FakeOpenSearch]:
    with FakeOpenSearch() as server:
        yield server


@pytest.fixture
def client(server: FakeOpenSearch) -> Iterator[Client]:
    client = Client(server.url)
    yield client
    client.close()


def actions(changes: Iterable[Change]) -> set[Action]:
    done = list(changes)
    assert [change.name for change in done] == list(TEMPLATES)
    return {change.action for change in done}


def puts(server: FakeOpenSearch) -> list[str]:
    return [request.path for request in server.requests if request.method == "PUT"]


def test_a_plan_changes_nothing_and_says_what_apply_does(server: FakeOpenSearch, client: Client) -> None:
    assert actions(plan_templates(client, TEMPLATES)) == {Action.CREATED}
    assert not templates_in_place(client, TEMPLATES)
    assert puts(server) == []


def test_what_is_missing_is_created_and_then_left_alone(server: FakeOpenSearch, client: Client) -> None:
    assert actions(apply_templates(client, TEMPLATES)) == {Action.CREATED}
    assert server.templates == TEMPLATES
    assert templates_in_place(client, TEMPLATES)
    assert actions(apply_templates(client, TEMPLATES)) == {Action.UNCHANGED}
    assert len(puts(server)) == len(TEMPLATES)


def test_another_hash_is_updated_and_only_that(server: FakeOpenSearch, client: Client) -> None:
    list(apply_templates(client, TEMPLATES))
    older = TEMPLATES[EVENTS] | {"_meta": TEMPLATES[EVENTS]["_meta"] | {"hash": "old"}}
    server.templates[EVENTS] = older
    assert not templates_in_place(client, TEMPLATES)
    changes = {change.name: change.action for change in apply_templates(client, TEMPLATES)}
    assert changes.pop(EVENTS) is Action.UPDATED
    assert set(changes.values()) == {Action.UNCHANGED}
    assert server.templates == TEMPLATES


@pytest.mark.parametrize("meta", [None, {}, {"managed_by": "somebody", "hash": "x"}])
def test_a_template_of_somebody_else_is_left_alone_and_so_is_everything(
    server: FakeOpenSearch, client: Client, meta: Any
) -> None:
    foreign = {"index_patterns": ["x-*"]} | ({} if meta is None else {"_meta": meta})
    server.templates[EVENTS] = foreign
    with pytest.raises(OpenSearchError, match=f"{EVENTS} that fluent-sidecar didn't make; it is left alone"):
        list(apply_templates(client, TEMPLATES))
    assert server.templates == {EVENTS: foreign}


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_server_that_refuses_is_an_error_and_not_a_missing_template(
    server: FakeOpenSearch, client: Client, status: int
) -> None:
    server.script = [says(status, {"error": "no"})]
    with pytest.raises(OpenSearchError):
        list(apply_templates(client, TEMPLATES))
    assert puts(server) == []


@pytest.mark.parametrize("answer", [{}, {"index_templates": []}, {"index_templates": None}, [], 5])
def test_an_odd_answer_is_no_template(server: FakeOpenSearch, client: Client, answer: Any) -> None:
    server.script = [says(200, answer)]
    with pytest.raises(OpenSearchUnavailable):
        templates_in_place(client, TEMPLATES)


def test_a_name_can_not_leave_its_place_in_the_path(server: FakeOpenSearch, client: Client) -> None:
    template = {"a/../_all?x": TEMPLATES[EVENTS]}
    list(apply_templates(client, template))
    assert puts(server) == ["/_index_template/a%2F..%2F_all%3Fx"]
