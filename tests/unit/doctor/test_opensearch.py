"""OpenSearch as a whole: what is wrong is said once, with what to do, and nothing else is hidden by it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from sidecar.config import Config, loads
from sidecar.config.family import Rotation
from sidecar.doctor import Finding, State, examine
from sidecar.doctor.doctor import areas
from sidecar.doctor.document import refusal
from sidecar.doctor.inplace import plural
from sidecar.doctor.link import present_index
from sidecar.kube import connect
from sidecar.opensearch.documents import Outcome, Verdict
from sidecar.render.indices import IndexFamily
from tests.support.fakes.doctored import FakeCluster, FakeHealthy, forbidden, health
from tests.support.fakes.kubernetes import kubeconfig
from tests.support.fakes.server import Script, says
from tests.support.waiting import free_port

PASSWORD = "hunter2"
SIMULATE = "POST /_index_template/_simulate_index"
EVENTS, LOGS, CONTROL = "eks-kubernetes-events", "eks-pod-logs", "eks-control-plane-logs"
Found = dict[str, dict[str, list[Finding]]]


def pipeline(url: str, rest: str = "") -> Config:
    auth = "{basic: {username: {env: TEST_USER}, password: {env: TEST_PASSWORD}}}"
    return loads(f"cluster: c\nopensearch: {{url: '{url}', version: '3.4', auth: {auth}}}\n{rest}")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_USER", "writer")
    monkeypatch.setenv("TEST_PASSWORD", PASSWORD)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.fixture
def server() -> Iterator[FakeHealthy]:
    with FakeHealthy(pipeline("http://h")) as fake:
        yield fake


def look(config: Config) -> Found:
    """The findings about OpenSearch, by area and name."""
    found: Found = {}
    for area, findings in examine(areas(config, "p.yaml", connect=connect, namespace=None)):
        assert PASSWORD not in repr(findings)
        for one in findings:
            found.setdefault(area, {}).setdefault(one.name, []).append(one)
    return {area: found[area] for area in ("OpenSearch", "In place", "Documents")}


def failures(found: Found) -> list[str]:
    return [
        name
        for area in found.values()
        for name, findings in area.items()
        if any(one.state is State.FAIL for one in findings)
    ]


def test_all_is_well_and_nothing_is_left_behind(server: FakeHealthy) -> None:
    found = look(pipeline(server.url))

    assert failures(found) == []
    assert [one.text for [one] in found["Documents"].values()] == [
        f"{index}-doctor: written, found, deleted" for index in (EVENTS, LOGS, CONTROL)
    ]
    assert server.documents == {}
    # What lacks a plugin is told, and that is all that is.
    warned = {name for area in found.values() for name, [one, *_] in area.items() if one.state is State.WARN}
    assert warned == {"policies", "monitors"}


def test_the_document_is_of_no_cluster_of_yours(server: FakeHealthy) -> None:
    server.answers[f"DELETE /{EVENTS}-doctor"] = forbidden("indices:admin/delete")
    look(pipeline(server.url))

    [((index, _), document)] = server.documents.items()
    assert index == f"{EVENTS}-doctor"
    assert document["cluster"] == "fluent-sidecar-doctor"
    # What it may leave behind is within no dashboard's time range, and in no alert.
    assert document["@timestamp"] == "1970-01-01T00:00:00.000Z"


def test_who_may_not_delete_leaves_one_document_however_often(server: FakeHealthy) -> None:
    server.answers[f"DELETE /{EVENTS}-doctor"] = forbidden("indices:admin/delete")

    for said in ("written", "there from an earlier time"):
        [found] = look(pipeline(server.url))["Documents"][EVENTS]
        assert found.state is State.OK
        assert found.text.endswith(f": {said}, found; this user may not delete it, so that is left to retention")
    assert len(server.documents) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (forbidden("indices:data/read/mget"), "no permissions for [indices:data/read/mget]"),
        (says(200, {"docs": [{"found": False}]}), "written, and not found"),
    ],
)
def test_a_document_that_is_not_found_is_deleted_all_the_same(server: FakeHealthy, answer: Script, said: str) -> None:
    server.answers["POST /_mget"] = answer

    found = look(pipeline(server.url))

    assert failures(found) == [EVENTS, LOGS, CONTROL]
    assert said in found["Documents"][EVENTS][0].text
    assert server.documents == {}


def test_a_wrong_password(server: FakeHealthy) -> None:
    server.answers["GET /"] = says(401, b"Unauthorized")

    found = look(pipeline(server.url))
    [credentials] = found["OpenSearch"]["credentials"]

    assert failures(found) == ["credentials"]
    assert "refuses user and password (401)" in credentials.text
    assert "opensearch.auth.basic" in credentials.hint
    assert found["In place"]["in place"][0].text == "not looked at, for want of: credentials"


def test_a_missing_permission_to_write_is_named(server: FakeHealthy) -> None:
    server.answers["POST /_bulk"] = forbidden("indices:data/write/bulk")

    found = look(pipeline(server.url))

    assert failures(found) == [EVENTS, LOGS, CONTROL]
    for [one] in found["Documents"].values():
        assert "no permissions for [indices:data/write/bulk]" in one.text


def test_who_may_not_read_the_templates_sends_nothing_and_that_is_a_failure(server: FakeHealthy) -> None:
    server.answers["GET /_component_template/fluent-sidecar-*"] = forbidden("cluster:admin/component_template/get")
    server.answers["GET /_index_template"] = forbidden("indices:admin/index_template/get")

    found = look(pipeline(server.url))

    assert failures(found) == ["component templates", "index templates"]
    [one] = found["In place"]["component templates"]
    assert "lacks the permission cluster:admin/component_template/get" in one.hint
    assert "opensearch/roles/" in one.hint


def test_what_only_a_manager_may_ask_is_not_looked_at(server: FakeHealthy) -> None:
    server.answers["GET /_cluster/health"] = forbidden("cluster:monitor/health")
    server.answers["GET /_cat/allocation"] = forbidden("cluster:monitor/state")
    for index in (EVENTS, LOGS, CONTROL):
        server.answers[f"{SIMULATE}/{index}-doctor"] = forbidden("indices:admin/index_template/simulate_index")

    found = look(pipeline(server.url))

    assert failures(found) == []
    for area, name in (("OpenSearch", "health"), ("OpenSearch", "disks"), ("In place", "new indices")):
        [one] = found[area][name]
        assert one.state is State.SKIP
        assert one.hint.startswith("this user may not ask, and need not; with an administrator's ")


def test_a_version_that_may_not_be_asked_for_is_that_of_the_file(server: FakeHealthy) -> None:
    server.answers["GET /"] = forbidden("cluster:monitor/main")

    found = look(pipeline(server.url))

    assert failures(found) == []
    assert found["OpenSearch"]["version"][0].text == (
        "this user may not ask for it; taken for 3.4, as opensearch.version says"
    )


@pytest.mark.parametrize(
    ("said", "found", "state"), [("3.4", "3.4.0", []), ("2.19", "3.4.0", [State.OK]), ("2.11", "2.19.4", [State.WARN])]
)
def test_another_version_is_to_be_looked_at_where_it_makes_a_difference(
    server: FakeHealthy, said: str, found: str, state: list[State]
) -> None:
    server.answers["GET /"] = says(200, {"version": {"number": found, "distribution": "opensearch"}})

    config = pipeline(server.url)
    config = config.model_copy(update={"opensearch": config.opensearch.model_copy(update={"version": said})})

    assert [one.state for one in look(config)["OpenSearch"]["version"]] == [State.OK, *state]


def test_another_product(server: FakeHealthy) -> None:
    server.answers["GET /"] = says(200, {"version": {"number": "8.15.0"}, "tagline": "You Know, for Search"})

    found = look(pipeline(server.url))

    assert failures(found) == ["version"]
    assert found["Documents"]["documents"][0].text == "not looked at, for want of: version"
    assert not [request for request in server.requests if request.method in {"POST", "DELETE"}]
    assert "Elasticsearch 8.15.0" in found["OpenSearch"]["version"][0].text


def test_a_proxys_error_page(server: FakeHealthy) -> None:
    server.answers["GET /"] = says(200, b"<html><h1>Sign in</h1></html>")

    found = look(pipeline(server.url))

    [one] = found["OpenSearch"]["credentials"]
    assert one.state is State.FAIL
    assert 'is not JSON: an HTML page, "Sign in"' in one.text
    assert one.hint == "is a proxy in between?"


def test_a_health_that_is_not_well_hides_nothing(server: FakeHealthy) -> None:
    server.answers["GET /_cluster/health"] = says(200, health(status="red", active_shards=1000, unassigned_shards=2))
    server.answers["GET /_cat/allocation"] = says(200, [{"node": "a", "disk.percent": "97"}])
    server.answers["GET /eks-kubernetes-events-*,eks-pod-logs-*,eks-control-plane-logs-*/_settings/index.blocks.*"] = (
        says(200, {f"{EVENTS}-2026.05.04": {"settings": {"index.blocks.read_only_allow_delete": "true"}}})
    )

    found = look(pipeline(server.url))

    assert failures(found) == ["health", "shards", "disks", "blocks"]
    assert found["Documents"][EVENTS][0].state is State.OK


def test_templates_that_are_missing_are_said_once_and_the_document_is_tried(server: FakeHealthy) -> None:
    server.templates.clear()

    found = look(pipeline(server.url))

    assert failures(found) == ["index templates"]
    assert found["In place"]["new indices"][0].text == "not looked at, for want of: index templates"
    [missing] = found["In place"]["index templates"]
    assert missing.text.startswith(f"missing: fluent-sidecar-{EVENTS}, fluent-sidecar-{LOGS}, ")
    assert missing.hint == "sidecar plan shows what differs, sidecar apply puts it in place"
    assert found["Documents"][EVENTS][0].state is State.OK


def test_without_template_and_right_to_delete_nothing_is_written(server: FakeHealthy) -> None:
    server.templates.clear()
    server.answers[f"DELETE /{EVENTS}-doctor"] = forbidden("indices:admin/delete")

    [found] = look(pipeline(server.url))["Documents"][EVENTS]

    assert found.state is State.SKIP
    assert "the index would get another mapping, or that can't be told, and this user may not delete" in found.text
    assert server.documents == {}


@pytest.mark.parametrize("lacking", ["template", "answer"])
def test_a_single_index_is_not_made_without_its_template(lacking: str) -> None:
    """It would have another mapping for ever: who deletes the document leaves the index."""
    rest = "events: {rotate: never}\n"
    with FakeHealthy(pipeline("http://h", rest)) as other:
        if lacking == "template":
            del other.templates[f"fluent-sidecar-{EVENTS}"]
        else:
            other.answers["GET /_index_template/*"] = forbidden("indices:admin/index_template/get")
            other.answers["GET /_index_template"] = forbidden("indices:admin/index_template/get")
        [found] = look(pipeline(other.url, rest))["Documents"][EVENTS]

    assert found.state is State.SKIP
    assert found.text.startswith("not tried: the index would get another mapping, or that can't be told, and it is a ")
    assert not [one for one in other.requests if one.path == "/_bulk" and EVENTS.encode() in one.body]


def test_an_old_template_that_says_another_thing(server: FakeHealthy) -> None:
    server.components["fluent-sidecar-component-events"]["template"]["mappings"]["properties"]["reason"] = {}

    found = look(pipeline(server.url))
    [one] = found["In place"]["new indices"]

    assert one.state is State.FAIL
    assert one.text == (
        f"a new index of {EVENTS} would not get our mapping: no template is there for it, or an old one"
    )


def test_of_many_routes_some_stand_for_all() -> None:
    routes = ", ".join(f"{{name: r{at}, namespaces: [n{at}], index: route-{at}}}" for at in range(30))
    rest = f"logs: {{routes: [{routes}]}}\n"
    with FakeHealthy(pipeline("http://h", rest)) as other:
        found = look(pipeline(other.url, rest))

    assert failures(found) == []
    assert list(found["Documents"])[-1] == "13 more"
    assert len(found["Documents"]) == 21


def test_blocks_of_many_routes_are_asked_for_in_parts() -> None:
    """A server takes a first line of 4 KiB."""
    routes = ", ".join(f"{{name: r{at}, namespaces: [n{at}], index: a-route-of-a-team-{at}}}" for at in range(200))
    rest = f"logs: {{routes: [{routes}]}}\n"
    with FakeHealthy(pipeline("http://h", rest)) as other:
        assert failures(look(pipeline(other.url, rest))) == []

    asked = [one.target for one in other.requests if one.path.endswith("/_settings/index.blocks.*")]
    assert len(asked) > 1
    assert max(map(len, asked)) < 4000
    assert sum(one.count(",") + 1 for one in asked) == 203


@pytest.mark.parametrize(("rotate", "wanted"), [("daily", "i-2026.05.04"), ("monthly", "i-2026.05"), ("never", "i")])
def test_the_index_of_this_moment(rotate: Rotation, wanted: str) -> None:
    assert present_index(IndexFamily("logs", "i", rotate, None, ""), datetime(2026, 5, 4, tzinfo=UTC)) == wanted


def test_a_template_of_somebody_else_that_comes_first(server: FakeHealthy) -> None:
    server.answers[f"{SIMULATE}/{EVENTS}-doctor"] = says(
        200,
        {
            "template": {"mappings": {"properties": {"message": {"type": "keyword"}}}},
            "overlapping": [{"name": f"fluent-sidecar-{EVENTS}", "index_patterns": [f"{EVENTS}-*"]}],
        },
    )

    found = look(pipeline(server.url))
    [one] = found["In place"]["new indices"]

    assert failures(found) == ["new indices"]
    assert one.text.endswith(f"a template of somebody else comes before fluent-sidecar-{EVENTS}")
    assert "lower its priority" in one.hint


def test_a_single_index_is_written_by_who_may_delete() -> None:
    rest = "events: {rotate: never}\n"
    with FakeHealthy(pipeline("http://h", rest)) as other:
        [found] = look(pipeline(other.url, rest))["Documents"][EVENTS]
        assert found.text == f"{EVENTS}: written, found, deleted"
        assert other.documents == {}

        other.answers[f"DELETE /{EVENTS}/_doc/fluent-sidecar-doctor"] = forbidden("indices:data/write/delete")
        [found] = look(pipeline(other.url, rest))["Documents"][EVENTS]
        assert found.state is State.SKIP
        assert other.documents == {}


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (
            Outcome(Verdict.LATER, 429, "cluster_block_exception", "FORBIDDEN/12/index read-only"),
            "see blocks and disks",
        ),
        (Outcome(Verdict.LATER, 400, "validation_exception", "this action would add [1] shards"), "see shards"),
        (Outcome(Verdict.LATER, 403, "security_exception", "no permissions for [x]"), "the role lacks the permission"),
        (Outcome(Verdict.LATER, 404, "index_not_found_exception", "no such index"), "action.auto_create_index"),
        (Outcome(Verdict.REFUSED, 400, "mapper_parsing_exception", "failed to parse"), "another mapping than ours"),
        (Outcome(Verdict.LATER, 503, "unavailable_shards_exception", "primary"), "see health"),
    ],
)
def test_why_a_document_is_not_taken(outcome: Outcome, said: str) -> None:
    found = refusal("events", "events-doctor", outcome)

    assert found.state is State.FAIL
    assert f"{outcome.status} {outcome.type}: {outcome.reason}" in found.text
    assert said in found.hint


def test_everything_down_is_told_within_seconds(tmp_path: Path) -> None:
    config = pipeline(f"https://127.0.0.1:{free_port()}")
    connecting = partial(connect, kubeconfig=kubeconfig(tmp_path, f"http://127.0.0.1:{free_port()}"))
    began = time.monotonic()

    found = dict(examine(areas(config, "p.yaml", connect=connecting, namespace=None)))

    assert time.monotonic() - began < 10
    assert [one.name for one in found["OpenSearch"] if one.state is State.FAIL] == ["connection"]
    assert [one.name for one in found["Kubernetes"] if one.state is State.FAIL] == ["API server"]


def test_both_servers_are_asked_at_once(server: FakeHealthy, tmp_path: Path) -> None:
    with FakeCluster() as cluster:
        connecting = partial(connect, kubeconfig=kubeconfig(tmp_path, cluster.url))
        found = dict(examine(areas(pipeline(server.url), "p.yaml", connect=connecting, namespace=None)))

    assert list(found) == [
        "Configuration",
        "Kubernetes",
        "Fluent Bit",
        "Sidecar",
        "OpenSearch",
        "In place",
        "Documents",
        "OpenSearch Dashboards",
    ]


def test_kinds_in_the_plural() -> None:
    assert [plural(title) for title in ("policy", "index template")] == ["policies", "index templates"]
