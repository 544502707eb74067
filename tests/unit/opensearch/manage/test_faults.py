"""What goes wrong while things are put in place, and the message that a user needs."""

from typing import Any

import pytest

from sidecar.opensearch import client as client_module
from sidecar.opensearch.manage import Action
from tests.support.fakes.server import Exchange, says
from tests.support.managing import Managed

COMPONENT = "fluent-sidecar-component-settings"
BLOCKED = (
    "index [.opendistro-ism-config] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index "
    "has read-only-allow-delete block];"
)
FORBIDDEN = "no permissions for [cluster:admin/opendistro/ism/policy/write] and User [name=w]"


def error(kind: str, reason: str) -> dict[str, Any]:
    return {"error": {"root_cause": [], "type": kind, "reason": reason}}


def answers(managed: Managed, method: str, path: str, status: int, body: Any) -> None:
    """Let the server answer requests that begin so with an error, and all others as ever."""
    original = managed.server.handle

    def handle(exchange: Exchange) -> None:
        if (exchange.request.method, exchange.request.path.startswith(path)) == (method, True):
            says(status, body)(exchange)
        else:
            original(exchange)

    managed.server.handle = handle  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            429,
            error("cluster_block_exception", BLOCKED),
            "free disk space on its nodes, by deleting indices or a shorter retain: then it lifts the block by itself",
        ),
        (
            403,
            error("cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];"),
            "somebody made the whole cluster read-only: set cluster.blocks.read_only to null",
        ),
        (
            400,
            error(
                "validation_exception",
                "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has "
                "[1000]/[1000] maximum shards open;",
            ),
            "delete old indices, shorten retain, or raise cluster.max_shards_per_node",
        ),
        (
            400,
            error(
                "validation_exception",
                "Validation Failed: 1: this action would add [2] total LOCAL_ONLY shards, but this cluster currently "
                "has [1000]/[1000] maximum LOCAL_ONLY shards open;",
            ),
            "delete old indices, shorten retain, or raise cluster.max_shards_per_node",
        ),
        (
            403,
            error("security_exception", FORBIDDEN),
            "this user's role lacks the permission cluster:admin/opendistro/ism/policy/write",
        ),
    ],
    ids=["read-only index", "read-only cluster", "shard limit", "shard limit of 3.4", "permission"],
)  # fmt: skip
def test_a_policy_that_is_not_taken_keeps_no_template_back(
    managed: Managed, status: int, body: Any, words: str
) -> None:
    answers(managed, "PUT", "/_plugins/_ism/policies", status, body)
    done = managed.apply()
    failed = [one.error for name, one in done.items() if name[0] == "policy"]
    assert len(failed) == 3
    assert all(words in text for text in failed)
    tried = [path for path in managed.written() if path.startswith("PUT /_plugins/_ism")]
    assert len(tried) == 1, "it would fail for the others too"
    assert len(managed.server.templates) == 4


def test_a_permission_that_is_missing_for_templates_is_named(managed: Managed) -> None:
    reason = "no permissions for [cluster:admin/component_template/put] and User [name=writer, backend_roles=[]]"
    answers(managed, "PUT", "/_component_template", 403, error("security_exception", reason))
    done = managed.apply()
    assert "lacks the permission cluster:admin/component_template/put" in done["component template", COMPONENT].error
    assert "do not exist" in done["index template", "fluent-sidecar-eks-pod-logs"].error


def test_an_error_page_of_a_proxy_is_quoted(managed: Managed) -> None:
    answers(managed, "GET", "/_index_template", 200, b"<html>502 Bad Gateway</html>")
    change = managed.plan()["index template", ""]
    assert change.action is Action.REFUSED
    assert 'is not JSON: an HTML page, "502 Bad Gateway"' in change.reason
    assert "is a proxy in between?" in change.reason


@pytest.mark.parametrize("body", [b"", {"acknowledged": False}, True, []])
def test_what_the_server_does_not_confirm_is_not_done(managed: Managed, body: Any) -> None:
    answers(managed, "PUT", f"/_component_template/{COMPONENT}", 200, body)
    done = managed.apply()
    assert "did not confirm that it took the component template" in done["component template", COMPONENT].error
    assert "apply again" in done["component template", COMPONENT].error


def test_a_server_that_does_not_answer_is_said_so_and_the_next_attempt_does_the_rest(
    managed: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_SECONDS", 0.2)
    original = managed.server.handle

    def handle(exchange: Exchange) -> None:
        if (exchange.request.method, exchange.request.path) == ("PUT", f"/_component_template/{COMPONENT}"):
            exchange.hang()
        else:
            original(exchange)

    managed.server.handle = handle  # type: ignore[method-assign]
    done = managed.apply()
    assert "can't be reached" in done["component template", COMPONENT].error
    assert "no answer within" in done["component template", COMPONENT].error
    managed.server.handle = original  # type: ignore[method-assign]
    assert {one.error for one in managed.apply().values()} == {""}
    assert {change.action for change in managed.plan().values()} == {Action.UNCHANGED}
