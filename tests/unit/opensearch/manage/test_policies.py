"""Retention: policies by sequence number, and that the indices that exist have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.opensearch.manage import Action, Change, Outcome
from sidecar.opensearch.manage.managed import in_paths
from sidecar.render.policies import policies
from tests.support.fakes.ism import Index
from tests.support.fakes.server import says
from tests.support.managing import Managed

LOGS = "fluent-sidecar-eks-pod-logs"
SHORTER = "logs: {retain: 3d}\n"


def planned(managed: Managed, name: str = LOGS) -> Change:
    return managed.plan()["policy", name]


def applied(managed: Managed, name: str = LOGS) -> Outcome:
    return managed.apply()["policy", name]


def asked(managed: Managed) -> list[str]:
    """Changes that were asked of the plugin, apart from the policies themselves."""
    ism = "POST /_plugins/_ism/"
    return [path.removeprefix(ism) for path in managed.written() if path.startswith(ism)]


def test_policies_are_created_and_then_left_alone_though_the_server_adds_to_them(managed: Managed) -> None:
    assert planned(managed).action is Action.CREATE
    managed.apply()
    assert managed.server.ism.policies.keys() == policies(managed.config).keys()
    assert managed.server.ism.policies[LOGS]["policy"] != policies(managed.config)[LOGS]["policy"]
    written = managed.written()
    managed.apply()
    assert {change.action for name, change in managed.plan().items() if name[0] == "policy"} == {Action.UNCHANGED}
    assert managed.written() == written


@pytest.mark.parametrize(
    ("hand", "same"),
    [
        ({"error_notification": None, "user": {"name": "admin"}}, True),
        ({"schema_version": 1, "last_updated_time": 5}, True),
        ({"ism_template": {"index_patterns": ["eks-pod-logs-*"], "priority": 500}}, True),
        ({"error_notification": {"channel": {"id": "x"}}}, False),
        ({"ism_template": [{"index_patterns": ["eks-pod-logs-*"], "priority": 7}]}, False),
    ],
)
def test_what_is_no_difference(managed: Managed, hand: dict[str, Any], same: bool) -> None:
    managed.apply()
    managed.server.ism.change_by_hand(LOGS, **hand)
    assert planned(managed).action is (Action.UNCHANGED if same else Action.UPDATE)


def test_an_age_in_days_is_the_same_in_hours(managed: Managed) -> None:
    managed.apply()
    states = json.loads(json.dumps(managed.server.ism.policies[LOGS]["policy"]["states"]))
    assert states[0]["transitions"][0]["conditions"] == {"min_index_age": "360h"}
    states[0]["transitions"][0]["conditions"] = {"min_index_age": "15d"}
    managed.server.ism.change_by_hand(LOGS, states=states)
    assert planned(managed).action is Action.UNCHANGED


def test_what_was_changed_by_hand_is_kept_and_put_right(managed: Managed) -> None:
    managed.apply()
    managed.server.ism.change_by_hand(LOGS, states=[{"name": "kept", "actions": [], "transitions": []}])
    assert planned(managed).edited
    before = managed.server.ism.policies[LOGS]["policy"]
    done = applied(managed)
    assert (done.error, json.loads(Path(done.backup).read_text())) == ("", {"policy": before})
    assert planned(managed).action is Action.UNCHANGED


def test_another_retention_is_no_change_by_hand(managed: Managed) -> None:
    managed.apply()
    managed.load(SHORTER)
    change = planned(managed)
    assert (change.action, change.edited) == (Action.UPDATE, False)
    assert '-              "min_index_age": "360h"' in change.diff
    assert '+              "min_index_age": "96h"' in change.diff


def test_a_change_reaches_the_indices_that_exist(managed: Managed) -> None:
    ism = managed.server.ism
    managed.apply()
    for day in range(3):
        ism.create_index(f"eks-pod-logs-2026.11.2{day}")
    ism.create_index("eks-kubernetes-events-2026.11.20")
    ism.run()
    assert {change.action for name, change in managed.plan().items() if name[0] == "policy"} == {Action.UNCHANGED}

    managed.load(SHORTER)
    assert "3 indices that have it take the change at the next run, within about 8 minutes" in planned(managed).effect
    done = applied(managed)

    assert done.note == "3 indices take the change at the next run, within about 8 minutes"
    assert asked(managed) == ["change_policy/eks-pod-logs-2026.11.20,eks-pod-logs-2026.11.21,eks-pod-logs-2026.11.22"]
    waiting = planned(managed)
    assert waiting.action is Action.WAITING
    assert waiting.effect.startswith("3 indices have an earlier version of it, and take this one at the next run")
    ism.run()
    assert planned(managed).action is Action.UNCHANGED


def test_a_change_that_was_lost_on_the_way_is_asked_for_again(managed: Managed) -> None:
    ism = managed.server.ism
    managed.apply()
    ism.create_index("eks-pod-logs-2026.11.20")
    ism.run()
    managed.load(SHORTER)
    # The policy was put, and then the one who did it died.
    managed.server.script = [managed.server._manage] * 6 + [
        managed.server._manage,
        says(503, {}),
    ]
    managed.apply()
    managed.server.script = []
    ism.indices["eks-pod-logs-2026.11.20"].queued = ""
    assert planned(managed).action is Action.WAITING
    assert applied(managed).note.startswith("the index eks-pod-logs-2026.11.20 takes the change at the next")
    ism.run()
    assert planned(managed).action is Action.UNCHANGED


def test_indices_that_have_no_policy_get_it_and_no_others(managed: Managed) -> None:
    ism = managed.server.ism
    for name in ("eks-pod-logs-2026.11.20", "eks-pod-logs-2026.11.21", "eks-pod-logs", "other", "eks-pod-logsx-1"):
        ism.create_index(name)
    change = planned(managed)
    assert "2 indices that exist get it: what is too old goes at the next run." in change.effect
    assert applied(managed).error == ""
    assert asked(managed) == ["add/eks-pod-logs-2026.11.20,eks-pod-logs-2026.11.21"]
    assert {name for name, index in ism.indices.items() if index.policy} == {
        "eks-pod-logs-2026.11.20",
        "eks-pod-logs-2026.11.21",
    }
    assert planned(managed).action is Action.UNCHANGED


def test_an_index_without_a_policy_is_a_difference_even_if_the_policy_is_right(managed: Managed) -> None:
    managed.apply()
    managed.server.ism.indices["eks-pod-logs-2026.11.20"] = Index()
    change = planned(managed)
    assert change.action is Action.UPDATE
    assert '-    "eks-pod-logs-2026.11.20"' in change.diff
    done = applied(managed)
    assert (done.error, done.backup) == ("", "")
    assert managed.written()[-1] == "POST /_plugins/_ism/add/eks-pod-logs-2026.11.20"


def test_an_index_with_another_policy_keeps_it(managed: Managed) -> None:
    managed.apply()
    managed.server.ism.policies["mine"] = json.loads(json.dumps(managed.server.ism.policies[LOGS]))
    managed.server.ism.policies["mine"]["policy"]["ism_template"] = None
    managed.server.ism.create_index("eks-pod-logs-2026.11.20")
    managed.server.ism.indices["eks-pod-logs-2026.11.20"].policy = "mine"
    change = planned(managed)
    assert (change.action, change.warning) == (
        Action.UNCHANGED,
        "the index eks-pod-logs-2026.11.20 has another policy, and keeps it",
    )
    managed.load(SHORTER)
    managed.apply()
    assert asked(managed) == []


@pytest.mark.parametrize(("priority", "action"), [(500, Action.REFUSED), (501, Action.CREATE), (499, Action.CREATE)])
def test_a_policy_of_somebody_else_for_the_same_indices(managed: Managed, priority: int, action: Action) -> None:
    body = {"description": "d", "default_state": "a", "states": [{"name": "a", "actions": [], "transitions": []}]}
    template = [{"index_patterns": ["eks-pod-*"], "priority": priority}]
    managed.server.ism.policies["mine"] = {
        "_seq_no": 1, "_primary_term": 1, "policy": body | {"ism_template": template},
    }  # fmt: skip
    done = applied(managed)
    assert (done.change.action, done.error) == (action, "")
    if priority == 500:
        assert "the policy mine claims eks-pod-* with the same priority 500" in done.change.reason
        assert LOGS not in managed.server.ism.policies
    elif priority == 501:
        assert "the policy mine claims eks-pod-* with the higher priority 501" in done.change.warning
    else:
        assert done.change.warning == ""
    managed.remove()
    assert managed.server.ism.policies.keys() == {"mine"}


def test_a_policy_of_somebody_else_with_our_name_is_left_alone(managed: Managed) -> None:
    managed.apply()
    managed.server.ism.change_by_hand(LOGS, description="what I want")
    before = json.dumps(managed.server.ism.policies[LOGS])
    assert applied(managed).change.action is Action.REFUSED
    managed.remove()
    assert json.dumps(managed.server.ism.policies[LOGS]) == before


def test_a_leftover_lets_go_of_its_indices_before_it_is_deleted(managed: Managed) -> None:
    managed.load("logs: {index: earlier}\n")
    managed.apply()
    ism = managed.server.ism
    ism.create_index("earlier-2026.11.20")
    ism.create_index("eks-kubernetes-events-2026.11.20")
    ism.run()
    managed.load()
    managed.apply()
    done = managed.remove(leftovers=True)["policy", "fluent-sidecar-earlier"]
    assert done.error == ""
    assert done.change.effect == "the index earlier-2026.11.20 loses it, and is kept for ever."
    assert "fluent-sidecar-earlier" not in ism.policies
    # By a copy of it, which it would keep, it would be deleted one day.
    assert ism.indices["earlier-2026.11.20"].policy == ""
    assert ism.indices["eks-kubernetes-events-2026.11.20"].policy


def test_one_who_changed_it_a_moment_ago_is_not_overwritten(managed: Managed) -> None:
    managed.apply()
    managed.load(SHORTER)
    ism = managed.server.ism

    def meanwhile(exchange: Any) -> None:
        ism.change_by_hand(LOGS, error_notification=None)
        managed.server.script.insert(0, pass_on)
        managed.server.script.pop(0)(exchange)

    def pass_on(exchange: Any) -> None:
        managed.server._manage(exchange)

    # root, plugins, components, policies, explain, index templates; then the policy is put.
    managed.server.script = [pass_on] * 6 + [meanwhile]
    done = applied(managed)
    assert f"policy {LOGS}: somebody changed it a moment ago" in done.error
    assert done.error.endswith("(apply again)")
    assert applied(managed).error == ""


def test_a_server_that_wants_its_template_as_an_object_gets_one(managed: Managed) -> None:
    managed.server.ism.object_only = True
    assert applied(managed).error == ""
    assert planned(managed).action is Action.UNCHANGED


def test_a_pattern_without_an_index_may_be_refused(managed: Managed) -> None:
    managed.server.ism.refuses_nothing = True
    assert applied(managed).error == ""
    assert planned(managed).action is Action.UNCHANGED


def test_without_the_plugin_the_rest_is_done_and_it_is_said(managed: Managed) -> None:
    managed.server.plugins = []
    done = managed.apply()
    assert done["policy", ""].change.action is Action.UNSUPPORTED
    assert "no index-management plugin: nothing deletes old indices" in done["policy", ""].change.reason
    assert managed.server.templates
    assert managed.remove()
    assert managed.server.templates == {}


def test_removing_a_policy_leaves_the_documents_for_good(managed: Managed) -> None:
    managed.apply()
    managed.server.ism.create_index("eks-pod-logs-2026.11.20")
    done = managed.remove()["policy", LOGS]
    assert done.change.effect == "the index eks-pod-logs-2026.11.20 loses it, and is kept for ever."
    assert managed.server.ism.indices["eks-pod-logs-2026.11.20"].policy == ""
    assert not managed.server.ism.policies


def test_a_policy_that_is_gone_already_is_no_error(managed: Managed) -> None:
    managed.apply()
    ism = managed.server.ism

    def gone(exchange: Any) -> None:
        ism.policies.pop(LOGS, None)
        managed.server._manage(exchange)

    index_templates = len(managed.server.templates)
    managed.server.script = [managed.server._manage] * (6 + index_templates) + [gone] * 3
    assert {outcome.error for outcome in managed.remove().values()} == {""}


def test_what_the_server_did_not_do_is_told(managed: Managed) -> None:
    managed.server.ism.create_index("eks-pod-logs-2026.11.20")

    def refuses(exchange: Any) -> None:
        failed = [{"index_name": "eks-pod-logs-2026.11.20", "index_uuid": "u", "reason": "This index is closed"}]
        exchange.json({"updated_indices": 0, "failures": True, "failed_indices": failed})

    original = managed.server.ism._ask
    managed.server.ism._ask = lambda exchange, *_more: refuses(exchange)  # type: ignore[method-assign]
    assert applied(managed).note == "not done: eks-pod-logs-2026.11.20: This index is closed"
    managed.server.ism._ask = original  # type: ignore[method-assign]


def test_names_go_into_paths_that_the_server_takes() -> None:
    names = [f"an-index-of-a-route-{at:04}-*" for at in range(1000)]
    groups = list(in_paths(names))
    assert [name for group in groups for name in group.split(",")] == names
    assert max(map(len, groups)) <= 3000
    assert len(groups) < 12
    assert list(in_paths([])) == []
    assert list(in_paths(["a b/c,d"])) == ["a%20b%2Fc%2Cd"]
