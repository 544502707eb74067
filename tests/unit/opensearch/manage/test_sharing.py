"""Several clusters in one OpenSearch: none takes from another what that one needs."""

from typing import Any

import pytest

from sidecar.opensearch.manage.change import Action
from tests.support.managing import Managed, Name

EVENTS = "fluent-sidecar-eks-kubernetes-events"
OWN = "fluent-sidecar-own-events"
ROLES = ", roles: true"


def users(managed: Managed, name: str = EVENTS) -> Any:
    return managed.server.templates[name]["_meta"]["clusters"]


def of(managed: Managed, action: Action) -> set[Name]:
    return {name for name, change in managed.plan().items() if change.action is action}


@pytest.fixture
def shared(managed: Managed) -> Managed:
    """The clusters a and b, which have the same indices."""
    for cluster in ("a", "b"):
        managed.load(cluster=cluster, opensearch=ROLES)
        managed.apply()
    return managed


def test_each_cluster_is_named_and_none_undoes_the_other(shared: Managed) -> None:
    assert users(shared) == ["a", "b"]
    for cluster in ("a", "b"):
        shared.load(cluster=cluster, opensearch=ROLES)
        assert {change.action for change in shared.plan().values()} == {Action.UNCHANGED}
    assert list(shared.backups.rglob("*.json")) == []


def test_what_another_cluster_uses_stays_when_one_goes(shared: Managed) -> None:
    shared.load(cluster="a", opensearch=ROLES)
    outcomes = shared.remove()
    assert {outcome.error for outcome in outcomes.values()} == {""}
    deleted = {name for name, outcome in outcomes.items() if outcome.change.action is Action.DELETE}
    assert {name for name in deleted if name[0] != "monitor"} == {
        ("role", "fluent-sidecar-a-writer"),
        ("role", "fluent-sidecar-a-manager"),
        ("role", "fluent-sidecar-a-control-plane"),
        ("role", "fluent-sidecar-a-reader"),
    }
    assert outcomes["index template", EVENTS].change.effect == "it stays, for b"
    assert users(shared) == ["b"]
    assert outcomes["index template", "fluent-sidecar-dead-letter"].change.action is Action.RELEASE
    shared.load(cluster="b", opensearch=ROLES)
    assert {change.action for change in shared.plan().values()} == {Action.UNCHANGED}


def test_the_last_cluster_takes_everything(shared: Managed) -> None:
    for cluster in ("b", "a"):
        shared.load(cluster=cluster, opensearch=ROLES)
        shared.remove()
    assert (shared.server.templates, shared.server.components, shared.server.ism.policies) == ({}, {}, {})


def test_what_only_another_cluster_has_is_no_leftover(managed: Managed) -> None:
    managed.load("events: {index: own-events}\n", cluster="a", opensearch=ROLES)
    managed.apply()
    managed.load(cluster="b", opensearch=ROLES)
    managed.apply()
    assert of(managed, Action.LEFTOVER) == set()
    assert managed.remove(leftovers=True) == {}
    assert OWN in managed.server.templates
    assert OWN in managed.server.ism.policies


def test_what_an_earlier_file_named_is_a_leftover_though_there_are_others(shared: Managed) -> None:
    shared.load("events: {index: own-events}\n", cluster="b", opensearch=ROLES)
    shared.apply()
    assert of(shared, Action.LEFTOVER) == set()  # the other one has it
    shared.load(cluster="b", opensearch=ROLES)
    assert of(shared, Action.LEFTOVER) == {("index template", OWN), ("policy", OWN)}
    assert {outcome.error for outcome in shared.remove(leftovers=True).values()} == {""}
    assert OWN not in shared.server.templates


def test_a_component_of_which_somebody_made_a_template_of_his_own_stays(managed: Managed) -> None:
    managed.apply()
    mine = {"index_patterns": ["mine-*"], "composed_of": ["fluent-sidecar-component-settings"]}
    managed.server.templates["mine"] = mine
    outcomes = managed.remove()
    assert list(managed.server.components) == ["fluent-sidecar-component-settings"]
    assert outcomes["component template", "fluent-sidecar-component-settings"].change.effect == "it stays, for mine"


def test_an_older_versions_template_is_taken_over(managed: Managed) -> None:
    managed.apply()
    del managed.server.templates[EVENTS]["_meta"]["clusters"]
    assert of(managed, Action.UPDATE) == {("index template", EVENTS)}
    managed.apply()
    assert users(managed) == ["c"]
    assert list(managed.backups.rglob("*.json")) == []


@pytest.mark.parametrize("odd", [None, 5, "a", {"a": 1}, [5, None, "z"]])
def test_an_odd_mark_is_no_obstacle(managed: Managed, odd: Any) -> None:
    managed.apply()
    managed.server.templates[EVENTS]["_meta"]["clusters"] = odd
    assert {outcome.error for outcome in managed.apply().values()} == {""}
    assert users(managed) == (["c", "z"] if isinstance(odd, list) else ["c"])
