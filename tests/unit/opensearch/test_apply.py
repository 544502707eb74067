"""Templates are put in place once, in an order that OpenSearch takes, and nobody else's is touched."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from sidecar.config import loads
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.apply import Action, Change, apply_templates, plan_templates, templates_in_place
from sidecar.opensearch.client import Client
from sidecar.render.templates import EVENTS as EVENT_MAPPINGS
from sidecar.render.templates import Templates, templates
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import says

TEMPLATES = templates(loads("cluster: c\nopensearch: {url: http://localhost:9200}\n"))
EVENTS = "fluent-sidecar-eks-kubernetes-events"
NAMES = [*TEMPLATES.components, *TEMPLATES.indices]


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
    assert [change.name for change in done] == NAMES
    return {change.action for change in done}


def puts(server: FakeOpenSearch) -> list[str]:
    return [request.path for request in server.requests if request.method == "PUT"]


def test_a_plan_changes_nothing_and_says_what_apply_does(server: FakeOpenSearch, client: Client) -> None:
    assert actions(plan_templates(client, TEMPLATES)) == {Action.CREATED}
    assert not templates_in_place(client, TEMPLATES)
    assert puts(server) == []


def test_what_is_missing_is_created_and_then_left_alone(server: FakeOpenSearch, client: Client) -> None:
    assert actions(apply_templates(client, TEMPLATES)) == {Action.CREATED}
    assert (server.components, server.templates) == TEMPLATES
    assert templates_in_place(client, TEMPLATES)
    assert actions(apply_templates(client, TEMPLATES)) == {Action.UNCHANGED}
    assert len(puts(server)) == len(NAMES)


def test_components_come_first_because_an_index_template_names_them(server: FakeOpenSearch, client: Client) -> None:
    changes = list(apply_templates(client, TEMPLATES))
    kinds = [path.split("/")[1] for path in puts(server)]
    assert kinds == ["_component_template"] * len(TEMPLATES.components) + ["_index_template"] * len(TEMPLATES.indices)
    assert [f"_{change.kind.replace(' ', '_')}" for change in changes] == kinds


@pytest.mark.parametrize("name", [EVENTS, EVENT_MAPPINGS])
def test_another_hash_is_updated_and_only_that(server: FakeOpenSearch, client: Client, name: str) -> None:
    list(apply_templates(client, TEMPLATES))
    held = server.components if name in server.components else server.templates
    held[name] = held[name] | {"_meta": held[name]["_meta"] | {"hash": "old"}}
    assert not templates_in_place(client, TEMPLATES)
    changes = {change.name: change.action for change in apply_templates(client, TEMPLATES)}
    assert changes.pop(name) is Action.UPDATED
    assert set(changes.values()) == {Action.UNCHANGED}
    assert (server.components, server.templates) == TEMPLATES


def test_an_index_template_changes_with_its_components(client: Client) -> None:
    # 2.14 has other mappings, which are in components alone; who asks for the index template must see it too.
    older = templates(loads("cluster: c\nopensearch: {url: http://localhost:9200, version: '2.14'}\n"))
    list(apply_templates(client, older))
    changes = {change.name: change.action for change in apply_templates(client, TEMPLATES)}
    assert changes[EVENT_MAPPINGS] is changes[EVENTS] is Action.UPDATED


@pytest.mark.parametrize("meta", [None, {}, {"managed_by": "somebody", "hash": "x"}])
def test_a_template_of_somebody_else_is_left_alone_and_so_is_everything(
    server: FakeOpenSearch, client: Client, meta: Any
) -> None:
    foreign = {"index_patterns": ["x-*"]} | ({} if meta is None else {"_meta": meta})
    server.templates[EVENTS] = foreign
    with pytest.raises(
        OpenSearchError, match=f"an index template {EVENTS} that fluent-sidecar didn't make; it is left"
    ):
        list(apply_templates(client, TEMPLATES))
    assert server.templates == {EVENTS: foreign}
    assert server.components == {}


def test_a_component_of_somebody_else_is_left_alone_too(server: FakeOpenSearch, client: Client) -> None:
    server.components[EVENT_MAPPINGS] = {"template": {}}
    with pytest.raises(OpenSearchError, match=f"a component template {EVENT_MAPPINGS} that fluent-sidecar didn't make"):
        list(apply_templates(client, TEMPLATES))
    assert puts(server) == []


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_server_that_refuses_is_an_error_and_not_a_missing_template(
    server: FakeOpenSearch, client: Client, status: int
) -> None:
    server.script = [says(status, {"error": "no"})]
    with pytest.raises(OpenSearchError):
        list(apply_templates(client, TEMPLATES))
    assert puts(server) == []


@pytest.mark.parametrize("answer", [{}, {"component_templates": []}, {"component_templates": None}, [], 5])
def test_an_odd_answer_is_no_template(server: FakeOpenSearch, client: Client, answer: Any) -> None:
    server.script = [says(200, answer)]
    with pytest.raises(OpenSearchUnavailable):
        templates_in_place(client, TEMPLATES)


def test_a_name_can_not_leave_its_place_in_the_path(server: FakeOpenSearch, client: Client) -> None:
    odd = "a/../_all?x"
    named = Templates({odd: TEMPLATES.components[EVENT_MAPPINGS]}, {odd: {"_meta": {"hash": ""}}})
    list(apply_templates(client, named))
    assert puts(server) == ["/_component_template/a%2F..%2F_all%3Fx", "/_index_template/a%2F..%2F_all%3Fx"]
