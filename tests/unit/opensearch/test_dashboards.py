"""OpenSearch Dashboards is asked by whom it lets in, in the right tenant, and what it answers oddly is explained."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sidecar.config import loads
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.manage.saved_objects import SavedObjects
from tests.support.aws import forget_aws
from tests.support.dashboards import apply, config_for, imports
from tests.support.fakes.dashboards import PRIVATE, FakeDashboards
from tests.support.fakes.server import Exchange, Script, says
from tests.support.fakes.tls import make_certificate
from tests.support.markers import secret
from tests.support.sigv4 import refusal
from tests.support.waiting import free_port

USER, PASSWORD, WRONG = "sidecar", secret("dashboards:ä"), secret("wrong")


@pytest.fixture
def server() -> Iterator[FakeDashboards]:
    with FakeDashboards(base="/_dashboards") as server:
        yield server


@pytest.mark.parametrize(("tenant", "store"), [("global", ""), ("team-a", "team-a"), ("private", PRIVATE)])
def test_they_land_in_the_tenant_that_is_asked_for(tenant: str, store: str) -> None:
    with FakeDashboards(tenants={"global_tenant": True, "team-a": True}) as server:
        results = apply(config_for(server.url, dashboards=f", tenant: {tenant}"))

        assert {result.error for result in results} == {None}
        assert {name: len(things) for name, things in server.stores.items() if things} == {store: len(results)}


@pytest.mark.parametrize(
    ("tenants", "tenant", "text"),
    [
        (
            {"global_tenant": True, "team-a": True},
            "team-b",
            "the tenant team-b is not there for the user sidecar, who has global_tenant, team-a",
        ),
        ({"global_tenant": True, "team-a": False}, "team-a", "the user sidecar may only read the tenant team-a"),
        ({"global_tenant": False}, "global", "the user sidecar may only read the tenant global"),
    ],
)
def test_a_tenant_that_can_not_be_had_is_said_before_anything_is_written(
    tenants: dict[str, bool], tenant: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASH_USER", USER)
    monkeypatch.setenv("DASH_PASSWORD", PASSWORD)
    auth = ", auth: {basic: {username: {env: DASH_USER}, password: {env: DASH_PASSWORD}}}"
    with FakeDashboards(user=(USER, PASSWORD), tenants=tenants) as server:
        with pytest.raises(OpenSearchError, match=text) as caught:
            SavedObjects(config_for(server.url, dashboards=f", tenant: {tenant}{auth}")).present()

        assert "dashboards.tenant" in caught.value.hint
        assert imports(server) == 0


def test_without_the_security_plugin_there_is_one_tenant() -> None:
    with FakeDashboards(secured=False) as server:
        assert {result.error for result in apply(config_for(server.url))} == {None}
        with pytest.raises(OpenSearchError, match="there are no tenants, so that team-a can't be used"):
            SavedObjects(config_for(server.url, dashboards=", tenant: team-a")).present()


def test_the_credentials_are_those_for_opensearch_or_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASH_USER", USER)
    monkeypatch.setenv("DASH_PASSWORD", PASSWORD)
    basic = "{basic: {username: {env: DASH_USER}, password: {env: DASH_PASSWORD}}}"
    with FakeDashboards(user=(USER, PASSWORD)) as server:
        same = f"cluster: c\nopensearch: {{url: 'http://h', auth: {basic}}}\ndashboards: {{url: '{server.url}'}}\n"
        for config in (loads(same), config_for(server.url, dashboards=f", auth: {basic}")):
            assert SavedObjects(config).present() == {} or imports(server)
            apply(config)
        assert imports(server) == 1

        with pytest.raises(OpenSearchError, match="401") as nobody:
            SavedObjects(config_for(server.url)).present()
        assert "set dashboards.auth.basic" in nobody.value.hint
        monkeypatch.setenv("DASH_PASSWORD", WRONG)
        with pytest.raises(OpenSearchError, match="401") as wrong:
            SavedObjects(loads(same)).present()
        assert "check dashboards.auth" in wrong.value.hint
        assert WRONG not in str(wrong.value)


def test_with_signatures_every_request_is_signed_a_form_included(
    server: FakeDashboards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_aws(tmp_path, monkeypatch)
    key = secret("aws-key")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key)
    config = loads(
        "cluster: c\nopensearch: {url: 'http://h', auth: {sigv4: {region: eu-west-1}}}\n"
        f"dashboards: {{url: '{server.url}'}}\n"
    )

    assert {result.error for result in apply(config)} == {None}

    assert imports(server) == 1
    for request in server.requests:
        assert refusal(request.method, request.target, request.headers, request.sent, secret=key) == ""


def test_the_manager_s_credentials_are_taken_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASH_USER", USER)
    monkeypatch.setenv("DASH_PASSWORD", PASSWORD)
    basic = "{basic: {username: {env: DASH_USER}, password: {env: DASH_PASSWORD}}}"
    with FakeDashboards(user=(USER, PASSWORD)) as server:
        config = loads(
            f"cluster: c\nopensearch: {{url: 'http://h', manage: {{auth: {basic}}}}}\n"
            f"dashboards: {{url: '{server.url}'}}\n"
        )

        assert {result.error for result in apply(config)} == {None}


def redirect(exchange: Exchange) -> None:
    handler = exchange._handler
    handler.send_response(302)
    handler.send_header("Location", "https://login.example/start?state=secret-state")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


LOGIN = b"<!doctype html><html><title>Please sign in</title></html>"
ELSEWHERE = {"error": "no handler found for uri [/api/v1/configuration/account] and method [GET]"}


@pytest.mark.parametrize(
    ("answers", "kind", "text", "hint"),
    [
        (
            [says(200, LOGIN)],
            OpenSearchError,
            'is none of its: an HTML page, "Please sign in"',
            "a login page is a proxy's",
        ),
        ([redirect], OpenSearchError, "302 .* a redirect to https://login.example/start ", "a login is a proxy's"),
        ([says(404, LOGIN), says(404, LOGIN)], OpenSearchError, "404", "its base path included"),
        ([says(400, ELSEWHERE)], OpenSearchError, "no handler found", "OpenSearch does there"),
        ([says(403, {"message": "Forbidden"})], OpenSearchError, "403", "kibana_all_write"),
        ([says(503, {"message": "not ready yet"})], OpenSearchUnavailable, "503 .* not ready yet", ""),
        ([says(200, {"data": {}}), says(200, {"saved": 1})], OpenSearchError, "the answer to _bulk_get is none", ""),
        (
            [
                says(200, {"data": {}}),
                says(
                    200,
                    {
                        "saved_objects": [
                            {"type": "t", "id": "i", "error": {"statusCode": 400, "message": "Unsupported type"}}
                        ]
                    },
                ),
            ],
            OpenSearchError,
            "a saved object can't be read: Unsupported type",
            "",
        ),
    ],
    ids=[
        "login page",
        "login redirect",
        "another path",
        "opensearch itself",
        "forbidden",
        "starting",
        "odd",
        "unreadable",
    ],
)
def test_an_odd_answer_is_explained(
    server: FakeDashboards, answers: Sequence[Script], kind: type[OpenSearchError], text: str, hint: str
) -> None:
    server.script = list(answers)

    with pytest.raises(kind, match=text) as caught:
        SavedObjects(config_for(server.url)).present()

    assert hint in caught.value.hint
    assert str(caught.value).startswith(f"OpenSearch Dashboards at {server.url}: ")
    assert "secret-state" not in str(caught.value)


def test_one_that_can_not_be_reached_is_said_by_its_own_name() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(OpenSearchUnavailable, match=f"OpenSearch Dashboards at {url}: can't be reached") as caught:
        SavedObjects(config_for(url)).present()

    assert "is dashboards.url right" in caught.value.hint


def test_a_secret_that_can_not_be_read_is_told_by_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASH_USER", raising=False)
    auth = ", auth: {basic: {username: {env: DASH_USER}, password: {env: DASH_USER}}}"

    with pytest.raises(
        OpenSearchUnavailable, match=r"dashboards\.auth\.basic\.username: the environment variable DASH_USER"
    ):
        SavedObjects(config_for("http://127.0.0.1:1", dashboards=auth)).present()


def test_https_is_checked_against_its_own_ca_or_that_of_opensearch(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with FakeDashboards(tls=certificate.context) as server:
        own = config_for(server.url, dashboards=f", tls: {{ca: {certificate.file}}}")
        same = loads(
            f"cluster: c\nopensearch: {{url: 'http://h', tls: {{ca: {certificate.file}}}}}\n"
            f"dashboards: {{url: '{server.url}'}}\n"
        )
        assert SavedObjects(own).present() == SavedObjects(same).present() == {}

        with pytest.raises(OpenSearchError, match="certificate") as none:
            SavedObjects(config_for(server.url)).present()
        assert "opensearch.tls.ca" in none.value.hint
        with pytest.raises(OpenSearchError, match="certificate") as other:
            SavedObjects(config_for(server.url, dashboards=", tls: {verify: true}")).present()
        assert "dashboards.tls.ca" in other.value.hint
