"""Templates are put in place once, in an order that OpenSearch takes, and nobody else's is touched."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import Client
from sidecar.opensearch.manage import Action, Item
from sidecar.opensearch.manage.engine import plan
from sidecar.opensearch.manage.server import Server
from sidecar.opensearch.manage.templates import ComponentTemplates, IndexTemplates, Presence, templates_in_place
from sidecar.render.templates import EVENTS as EVENT_MAPPINGS
from sidecar.render.templates import SETTINGS, Templates, templates
from tests.support.fakes.opensearch import as_kept
from tests.support.fakes.server import says
from tests.support.managing import Managed, Name

COMPONENT, TEMPLATE = "component template", "index template"
EVENTS = "fluent-sidecar-eks-kubernetes-events"


def names(managed: Managed) -> list[Name]:
    wanted = templates(managed.config)
    return [(COMPONENT, name) for name in wanted.components] + [(TEMPLATE, name) for name in wanted.indices]


def in_place(managed: Managed) -> Presence:
    client = Client(managed.server.url)
    try:
        return templates_in_place(client, templates(managed.config))
    finally:
        client.close()


def actions(found: dict[Name, Any]) -> set[Action]:
    changes = [getattr(one, "change", one) for (kind, _), one in found.items() if kind in {COMPONENT, TEMPLATE}]
    return {change.action for change in changes}


def test_a_plan_changes_nothing_and_says_what_apply_does(managed: Managed) -> None:
    found = managed.plan()
    assert set(names(managed)) <= found.keys()
    assert actions(found) == {Action.CREATE}
    assert '+  "index_patterns": [' in found[TEMPLATE, EVENTS].diff
    assert in_place(managed) is Presence.LACKING
    assert managed.written() == []


def test_what_is_missing_is_created_and_then_left_alone(managed: Managed) -> None:
    assert actions(managed.apply()) == {Action.CREATE}
    wanted = templates(managed.config)
    assert managed.server.templates == wanted.indices
    assert managed.server.components == {name: as_kept(body) for name, body in wanted.components.items()}
    assert in_place(managed) is Presence.EXACT
    written = managed.written()
    assert actions(managed.apply()) == {Action.UNCHANGED}
    assert managed.written() == written
    assert not managed.backups.exists()


def test_components_come_first_and_policies_before_what_makes_indices(managed: Managed) -> None:
    managed.apply()
    kinds = [path.split("/")[1 if "_template" in path else 3] for path in managed.written()]
    order = ["_component_template", "policies", "_index_template", "monitors"]
    assert sorted(kinds, key=order.index) == kinds
    assert set(kinds) == set(order)


@pytest.mark.parametrize("old", [{"number_of_shards": 3}, {"index.number_of_shards": "3"}, {"index": {"codec": "lz4"}}])
def test_what_was_changed_by_hand_is_kept_and_put_right(managed: Managed, old: dict[str, Any]) -> None:
    managed.apply()
    before = managed.server.components[SETTINGS] | {"template": {"settings": old}}
    managed.server.components[SETTINGS] = before
    planned = managed.plan()[COMPONENT, SETTINGS]
    assert (planned.action, planned.edited) == (Action.UPDATE, True)
    assert "Indices that exist stay as they are" in planned.effect
    assert "eks-kubernetes-events-*: from the next day (UTC) on" in planned.effect

    done = managed.apply()

    assert {name for name, one in done.items() if one.change.action is not Action.UNCHANGED} == {(COMPONENT, SETTINGS)}
    assert json.loads(Path(done[COMPONENT, SETTINGS].backup).read_text()) == before
    assert actions(managed.plan()) == {Action.UNCHANGED}


def test_one_of_an_older_version_is_updated_and_kept_but_not_said_to_be_changed_by_hand(managed: Managed) -> None:
    managed.load(opensearch=", version: '2.14'")
    managed.server.root["version"]["number"] = "2.14.0"
    managed.apply()
    managed.server.root["version"]["number"] = "2.19.4"
    managed.load()
    assert in_place(managed) is Presence.OTHER
    changed = {name: one for name, one in managed.apply().items() if one.change.action is Action.UPDATE}
    assert {kind for kind, _ in changed} == {COMPONENT}, "a thousand index templates stay as they are"
    assert all(one.backup and not one.change.edited for one in changed.values())
    assert in_place(managed) is Presence.EXACT


def test_a_version_alone_is_no_change(managed: Managed) -> None:
    managed.apply()
    managed.server.templates[EVENTS]["_meta"]["version"] = "0.0.1"
    assert actions(managed.plan()) == {Action.UNCHANGED}


@pytest.mark.parametrize("meta", [None, {}, {"managed_by": "somebody", "hash": "x"}, "odd"])
def test_what_somebody_else_has_is_left_alone_and_the_rest_is_done(managed: Managed, meta: Any) -> None:
    foreign = {"index_patterns": ["x-*"]} | ({} if meta is None else {"_meta": meta})
    managed.server.templates[EVENTS] = foreign
    done = managed.apply()
    assert done[TEMPLATE, EVENTS].change.action is Action.REFUSED
    assert "lacks the mark of fluent-sidecar; it is left alone" in done[TEMPLATE, EVENTS].change.reason
    assert managed.server.templates[EVENTS] == foreign
    assert managed.server.templates.keys() == templates(managed.config).indices.keys()
    assert in_place(managed) is Presence.LACKING
    assert managed.remove()
    assert managed.server.templates == {EVENTS: foreign}


def test_a_component_of_somebody_else_is_left_alone_too(managed: Managed) -> None:
    managed.server.components[EVENT_MAPPINGS] = {"template": {}}
    assert managed.apply()[COMPONENT, EVENT_MAPPINGS].change.action is Action.REFUSED
    assert managed.server.components[EVENT_MAPPINGS] == {"template": {}}


def test_a_stronger_template_of_somebody_else_is_told_of(managed: Managed) -> None:
    managed.server.templates["all"] = {"index_patterns": ["eks-kubernetes-*"], "priority": 501}
    for found in (managed.plan(), {name: one.change for name, one in managed.apply().items()}):
        warning = found[TEMPLATE, EVENTS].warning
        assert (
            "the index template all, which fluent-sidecar didn't make, claims eks-kubernetes-* with the higher"
            in warning
        )
        assert "narrow its patterns, or lower its priority" in warning
    assert {one.warning for name, one in managed.plan().items() if name != (TEMPLATE, EVENTS)} == {""}


@pytest.mark.parametrize(("pattern", "priority"), [("*", 200), ("*", None), ("other-*", 900)])
def test_a_weaker_one_or_one_for_other_indices_is_no_news(managed: Managed, pattern: str, priority: int | None) -> None:
    managed.server.templates["other"] = {"index_patterns": [pattern], "priority": priority}
    assert {(one.warning, one.action) for name, one in managed.plan().items() if name[0] == TEMPLATE} == {
        ("", Action.CREATE)
    }


def test_an_equally_strong_one_is_in_the_way(managed: Managed) -> None:
    managed.server.templates["other"] = {"index_patterns": ["eks-kubernetes-*"], "priority": 500}
    done = managed.apply()
    assert done[TEMPLATE, EVENTS].change.action is Action.REFUSED
    assert (
        "claims eks-kubernetes-* with the same priority 500, which OpenSearch refuses"
        in done[TEMPLATE, EVENTS].change.reason
    )


def test_what_an_earlier_file_named_is_left_until_it_is_asked_for(managed: Managed) -> None:
    managed.load("events: {index: old-events}\n")
    managed.apply()
    managed.load()
    name = (TEMPLATE, "fluent-sidecar-old-events")
    assert managed.apply()[name].change.action is Action.LEFTOVER
    assert name[1] in managed.server.templates
    managed.remove(leftovers=True)
    assert name[1] not in managed.server.templates
    assert in_place(managed) is Presence.EXACT


def test_all_is_removed_index_templates_before_what_they_are_made_of(managed: Managed) -> None:
    managed.apply()
    assert {outcome.error for outcome in managed.remove().values()} == {""}
    assert (managed.server.templates, managed.server.components, managed.server.ism.policies) == ({}, {}, {})
    assert managed.remove() == {}


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_server_that_refuses_to_tell_is_no_missing_template(managed: Managed, status: int) -> None:
    client = Client(managed.server.url)
    managed.server.script = [says(status, {"error": "no"})]
    wanted = templates(managed.config)
    (planned,) = plan([ComponentTemplates(client, wanted, managed.config, frozenset)], Server("2.19.4"))
    client.close()
    assert [change.action for change in planned.changes] == [Action.REFUSED]
    assert str(status) in planned.changes[0].reason


@pytest.mark.parametrize("answer", [{}, {"component_templates": None}, {"component_templates": [5]}, [], 5, b"<html>"])
def test_an_odd_answer_is_no_template(managed: Managed, answer: Any) -> None:
    client = Client(managed.server.url)
    managed.server.script = [says(200, answer)]
    with pytest.raises(OpenSearchUnavailable):
        ComponentTemplates(client, templates(managed.config), managed.config, frozenset).present()
    client.close()


@pytest.mark.parametrize("status", [401, 403, 500])
def test_whether_they_are_in_place_is_not_guessed(managed: Managed, status: int) -> None:
    managed.server.script = [says(status, {"error": "no"})]
    with pytest.raises(OpenSearchError):
        in_place(managed)


def test_a_name_can_not_leave_its_place_in_the_path(managed: Managed) -> None:
    odd = "a/../_all?x"
    client = Client(managed.server.url)
    body = {"index_patterns": ["x"], "priority": 1, "composed_of": [], "_meta": {"hash": ""}}
    kind = IndexTemplates(client, Templates({}, {odd: body}), "c")
    planned = plan([kind], Server("2.19.4"))
    kind.put(Item(odd, body))
    client.close()
    assert [change.action for change in planned[0].changes] == [Action.CREATE]
    assert managed.written() == ["PUT /_index_template/a%2F..%2F_all%3Fx"]


def test_nothing_changes_with_few_requests_however_many_routes(managed: Managed) -> None:
    routes = "".join(f"    - {{name: r{at}, namespaces: [ns{at}], index: route-{at}}}\n" for at in range(50))
    managed.load(f"logs:\n  routes:\n{routes}", opensearch=", roles: true")
    managed.apply()
    before = len(managed.server.requests)
    assert actions(managed.apply()) == {Action.UNCHANGED}
    paths = [request.path.split("/fluent")[0] for request in managed.server.requests[before:]]
    assert [path for path in paths if "explain" not in path] == [
        "/", "/_cat/plugins", "/_component_template", "/_plugins/_ism/policies", "/_index_template",
        "/_plugins/_security/api/roles", "/_plugins/_notifications/configs", "/_plugins/_alerting/monitors/_search",
    ]  # fmt: skip
    assert len(paths) == 9
