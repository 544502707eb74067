"""Saved objects are imported once into the right tenant, compared by what they mean, and anything else is said."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import Config, loads
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import Client
from sidecar.opensearch.dashboards import Dashboards
from sidecar.opensearch.manage import Action, Outcome, Server
from sidecar.opensearch.manage.backup import Backup
from sidecar.opensearch.manage.engine import carry_out, changes, plan, plan_removal
from sidecar.opensearch.manage.kinds import later_kinds
from sidecar.opensearch.manage.saved_objects import SavedObjects
from sidecar.render.dashboards import ndjson
from sidecar.render.dashboards.links import dashboard_links
from tests.support.dashboards import apply, config_for, imports, key_of, to_do
from tests.support.fakes.dashboards import FakeDashboards
from tests.support.fakes.server import says
from tests.support.waiting import free_port

Json = dict[str, Any]


@pytest.fixture
def server() -> Iterator[FakeDashboards]:
    with FakeDashboards(base="/_dashboards") as server:
        yield server


def test_all_are_imported_at_once_and_then_there_is_nothing_to_do(server: FakeDashboards) -> None:
    config = config_for(server.url)

    results = apply(config)

    assert [result.error for result in results] == [None] * len(SavedObjects(config).wanted)
    assert len(server.objects) == len(results)
    assert imports(server) == 1
    before = len(server.requests)
    assert to_do(SavedObjects(config)) == []
    assert len(server.requests) - before == 2


def test_it_says_where_each_dashboard_landed(server: FakeDashboards) -> None:
    notes = {result.name: result.note for result in apply(config_for(server.url)) if result.note}

    assert list(notes) == [
        "dashboard Kubernetes events",
        "dashboard Pod logs",
        "dashboard Control-plane logs",
        "dashboard Pipeline health",
    ]
    key = key_of(server, "dashboard", "Pod logs")[1]
    assert notes["dashboard Pod logs"] == (
        f"in the tenant global: {server.url}/app/dashboards?security_tenant=global#/view/{key}"
    )


def test_what_the_server_writes_into_an_index_pattern_is_no_change(server: FakeDashboards) -> None:
    config = config_for(server.url)
    apply(config)

    found = {"name": "kubernetes.labels._value", "type": "unknown", "esTypes": ["flat_object"]}
    server.refresh_fields(key_of(server, "index-pattern", "eks-pod-logs-*"), [found])

    assert to_do(SavedObjects(config)) == []


def test_a_field_that_an_index_pattern_has_lost_is_put_back(server: FakeDashboards) -> None:
    config = config_for(server.url)
    apply(config)
    key = key_of(server, "index-pattern", "eks-pod-logs-*")
    specs = json.loads(server.objects[key]["attributes"]["fields"])

    server.edit(key, fields=json.dumps([spec for spec in specs if spec["name"] != "workload.name"]))

    assert [item.name for item in to_do(SavedObjects(config))] == ["index-pattern eks-pod-logs-*"]
    assert [result.error for result in apply(config)] == [None]
    assert to_do(SavedObjects(config)) == []


@pytest.mark.parametrize(
    ("kind", "title", "attributes"),
    [
        ("visualization", "Kubernetes events: by type", {"visState": "{}"}),
        ("visualization", "Kubernetes events: by type", {"visState": "no JSON"}),
        ("visualization", "Pod logs: about", {"description": "mine"}),
        ("search", "Pod logs: latest", {"columns": ["log"]}),
        ("dashboard", "Pod logs", {"timeFrom": "now-7d"}),
        ("index-pattern", "eks-pod-logs-*", {"timeFieldName": "observedTimestamp"}),
        ("index-pattern", "eks-pod-logs-*", {"fieldFormatMap": '{"log": {"id": "url"}}'}),
    ],
)
def test_what_a_user_changed_is_seen_with_what_was_there_and_put_back(
    server: FakeDashboards, kind: str, title: str, attributes: Json
) -> None:
    config = config_for(server.url)
    apply(config)
    server.edit(key_of(server, kind, title), **attributes)

    (item,) = to_do(SavedObjects(config))

    assert item.name == f"{kind} {title}"
    assert item.before is not None
    # The backup can be imported again.
    kept = SavedObjects(config).kept(item.before)
    assert {name: kept["attributes"][name] for name in attributes} == attributes
    assert item.before.ours
    assert not item.before.edited
    assert [result.error for result in apply(config)] == [None]
    assert to_do(SavedObjects(config)) == []


def test_other_objects_of_the_tenant_are_left_alone(server: FakeDashboards) -> None:
    theirs = {"type": "dashboard", "id": "mine", "attributes": {"title": "Kubernetes events"}, "references": []}
    server.objects["dashboard", "mine"] = theirs
    config = config_for(server.url)

    apply(config)
    kind = SavedObjects(config)
    for name, present in kind.present().items():
        kind.delete(name, present)

    assert server.objects == {("dashboard", "mine"): theirs}


def test_deleting_what_is_gone_already_is_no_error(server: FakeDashboards) -> None:
    config = config_for(server.url)
    apply(config)
    kind = SavedObjects(config)
    there = dict(kind.present())
    server.objects.clear()

    for name, present in there.items():
        kind.delete(name, present)


def test_what_an_earlier_configuration_made_is_found(server: FakeDashboards) -> None:
    apply(config_for(server.url))

    less = SavedObjects(config_for(server.url, "logs: {enabled: false}\ncontrolPlane: {types: [audit]}\n"))

    left = set(less.present()) - set(less.wanted)
    assert {
        "dashboard Pod logs",
        "search Control-plane logs: Scheduler, latest",
        "index-pattern eks-pod-logs-*",
    } <= left
    assert "dashboard Kubernetes events" not in left
    without = SavedObjects(config_for(server.url, "logs: {level: false}\n"))
    assert set(without.present()) - set(without.wanted) == {
        "visualization Pod logs: by severity",
        "visualization Pod logs: severities",
        "visualization Pod logs: errors by workload",
    }


def test_an_index_that_is_renamed_changes_the_same_index_pattern(server: FakeDashboards) -> None:
    apply(config_for(server.url))
    size = len(server.objects)
    config = config_for(server.url, "events: {index: team-events}\n")

    changed = [item.name for item in to_do(SavedObjects(config))]
    apply(config)

    assert "index-pattern team-events-*" in changed
    assert len(server.objects) == size
    assert key_of(server, "index-pattern", "team-events-*")


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (lambda server: server.migrations.update(visualization=(7, 8, 0)), "422 .*more recent version"),
        (lambda server: server.script.append(says(413, b"too large")), "413"),
        (lambda server: server.script.append(says(200, b"<html>Please sign in</html>")), "none of its"),
        (lambda server: server.script.append(says(200, {"success": False})), "the answer to _import is none of its"),
    ],
    ids=["older", "too large", "login page", "no reason"],
)
def test_an_import_that_is_refused_is_told_of_every_object(
    server: FakeDashboards, harm: Callable[[FakeDashboards], None], text: str
) -> None:
    kind = SavedObjects(config_for(server.url))
    items = to_do(kind)
    harm(server)

    results = list(kind.put_all(items))

    assert [result.name for result in results] == [item.name for item in items]
    for result in results:
        assert result.error is not None
        with pytest.raises(OpenSearchError, match=text):
            raise result.error
    assert server.objects == {}


def test_an_import_that_breaks_off_is_raised(server: FakeDashboards) -> None:
    kind = SavedObjects(config_for(server.url))
    items = to_do(kind)
    server.script = [lambda exchange: exchange.cut()]

    with pytest.raises(OpenSearchUnavailable, match="OpenSearch Dashboards at"):
        list(kind.put_all(items))


def test_an_object_whose_references_are_missing_is_named_and_the_others_say_why(server: FakeDashboards) -> None:
    kind = SavedObjects(config_for(server.url))
    items = [item for item in to_do(kind) if item.name != "index-pattern fluent-sidecar-dead-letter"]

    results = {result.name: str(result.error) for result in kind.put_all(items)}

    assert "it refers to index-pattern" in results["visualization Pipeline health: refused"]
    assert "which is not there" in results["visualization Pipeline health: refused"]
    assert "was not imported: others were not" in results["dashboard Pod logs"]
    assert server.objects == {}


def test_an_import_that_landed_elsewhere_is_no_success(server: FakeDashboards) -> None:
    kind = SavedObjects(config_for(server.url))
    items = to_do(kind)
    server.script = [says(200, {"success": True, "successCount": len(items)})]

    errors = {str(result.error).rpartition(": ")[2] for result in kind.put_all(items)}

    assert errors == {"the tenant global has none, or another one"}


def test_one_object_can_be_put_alone(server: FakeDashboards) -> None:
    kind = SavedObjects(config_for(server.url))
    first, *_ = to_do(kind)
    search = next(item for item in to_do(kind) if item.name == "search Pod logs: latest")

    assert kind.put(first) == ""
    assert len(server.objects) == 1
    with pytest.raises(OpenSearchError, match="refers to index-pattern"):
        kind.put(search)


def test_without_an_address_there_are_none_to_put() -> None:
    config = loads("cluster: c\nopensearch: {url: 'http://h'}\n")
    titles = [kind.title for kind in later_kinds(config, Client("http://h"))]

    assert SavedObjects.title not in titles
    assert dashboard_links(config) == {}


def test_with_an_address_they_come_last() -> None:
    config = config_for("https://h/_dashboards", dashboards=", tenant: team-a")
    titles = [kind.title for kind in later_kinds(config, Client("http://h"))]

    assert titles[-1] == SavedObjects.title
    link = dashboard_links(config)["Pod logs"]
    assert link.startswith("https://h/_dashboards/app/dashboards?security_tenant=team-a#/view/")


# By the engine

SERVER = Server("3.4.0")


def run(config: Config, folder: Path) -> list[Outcome]:
    return list(carry_out(plan([SavedObjects(config)], SERVER), Backup(folder)))


def actions(config: Config) -> Counter[Action]:
    return Counter(change.action for change in changes(plan([SavedObjects(config)], SERVER)))


def test_a_second_plan_is_empty(server: FakeDashboards, tmp_path: Path) -> None:
    config = config_for(server.url)
    assert set(actions(config)) == {Action.CREATE}

    assert [outcome.error for outcome in run(config, tmp_path) if outcome.error] == []

    assert set(actions(config)) == {Action.UNCHANGED}
    assert list(tmp_path.iterdir()) == []


def test_what_is_overwritten_is_kept_and_can_be_imported_again(server: FakeDashboards, tmp_path: Path) -> None:
    config = config_for(server.url)
    created = [outcome.change for outcome in run(config, tmp_path)]
    key = key_of(server, "search", "Pod logs: latest")
    server.edit(key, columns=["log"])

    (written,) = [outcome for outcome in run(config, tmp_path) if outcome.change.action is Action.UPDATE]

    assert {change.diff for change in created} == {""}
    assert '-      "log"' not in written.change.diff
    assert '+      "kubernetes.pod_name"' in written.change.diff
    kept = json.loads(Path(written.backup).read_text())
    assert set(actions(config)) == {Action.UNCHANGED}
    assert Dashboards(config).put(ndjson([kept])) == {}
    assert server.objects[key]["attributes"]["columns"] == ["log"]


def test_removal_takes_ours_and_says_what_goes_with_index_patterns(server: FakeDashboards, tmp_path: Path) -> None:
    config = config_for(server.url)
    run(config, tmp_path)
    server.objects["dashboard", "mine"] = {"type": "dashboard", "id": "mine", "attributes": {"title": "Mine"}}

    planned = plan_removal([SavedObjects(config)], SERVER)
    effects = {change.name.partition(" ")[0]: change.effect for change in changes(planned)}
    assert "of your own" in effects["index-pattern"]
    assert effects["dashboard"] == ""
    assert {outcome.error for outcome in carry_out(planned, Backup(tmp_path))} == {""}

    assert list(server.objects) == [("dashboard", "mine")]


def test_what_an_earlier_configuration_made_is_left_until_it_is_asked_for(
    server: FakeDashboards, tmp_path: Path
) -> None:
    run(config_for(server.url), tmp_path)
    less = config_for(server.url, "logs: {enabled: false}\n")
    run(less, tmp_path)

    left = [change.name for change in changes(plan([SavedObjects(less)], SERVER)) if change.action is Action.LEFTOVER]
    assert {"dashboard Pod logs", "index-pattern eks-pod-logs-*", "visualization Pipeline health: delay"} < set(left)
    assert not [name for name in left if "Kubernetes events" in name]
    assert key_of(server, "dashboard", "Pod logs")
    list(carry_out(plan_removal([SavedObjects(less)], SERVER, leftovers=True), Backup(tmp_path)))
    assert set(actions(less)) == {Action.UNCHANGED}


def test_dashboards_that_can_not_be_reached_keep_nothing_else_back(tmp_path: Path) -> None:
    (outcome,) = run(config_for(f"http://127.0.0.1:{free_port()}"), tmp_path)

    assert outcome.change.action is Action.REFUSED
    assert "OpenSearch Dashboards at" in outcome.change.reason
