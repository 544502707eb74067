"""`sidecar plan` and `sidecar apply`: what users read, and how a script sees what happened."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.cli import manage
from sidecar.cli.main import cli
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import says

SETTINGS = "fluent-sidecar-component-settings"
OBJECTS = 4 + 3 + 4 + 10
PLUGINS = ["alerting", "index-management", "notifications", "security"]
Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[FakeOpenSearch]:
    with FakeOpenSearch() as server:
        yield server


@pytest.fixture
def run(server: FakeOpenSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command, with an optional `input` of a terminal's and `more` of pipeline.yaml."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, more: str = "", opensearch: str = "", **options: Any) -> Result:
        text = f"cluster: c\nopensearch: {{url: '{server.url}'{opensearch}}}\n{more}"
        (tmp_path / "pipeline.yaml").write_text(text)
        result = CliRunner().invoke(cli, list(words), prog_name="sidecar", **options)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def written(server: FakeOpenSearch) -> list[str]:
    return [f"{one.method} {one.path}" for one in server.requests if one.method != "GET"]


def test_a_plan_shows_diffs_and_sums_up_and_changes_nothing(run: Run, server: FakeOpenSearch) -> None:
    result = run("plan")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"OpenSearch 2.19.4 at {server.url}: {', '.join(PLUGINS)}"
    assert f"+ component template {SETTINGS}: create" in lines
    assert '    +  "_meta": {' in lines
    assert lines[-1].startswith(f"{OBJECTS} to create; 8 requests in 0.")
    assert written(server) == []


def test_after_apply_a_plan_is_empty(run: Run) -> None:
    applied = run("apply")
    assert applied.exit_code == 0
    lines = applied.stdout.splitlines()
    assert lines[1] == f"+ component template {SETTINGS}: created"
    assert lines[2] == "+ component template fluent-sidecar-component-events: created"
    assert lines[-1].startswith(f"{OBJECTS} created; {8 + OBJECTS} requests in 0.")
    for command in ("plan", "apply"):
        last = run(command).stdout.splitlines()
        assert len(last) == 2
        assert last[1].startswith(f"{OBJECTS} unchanged; 8 requests in 0.")


def test_a_script_gets_json(run: Run, server: FakeOpenSearch) -> None:
    told = json.loads(run("plan", "--output", "json").stdout)
    assert told["server"] == {
        "url": server.url, "version": "2.19.4", "plugins": PLUGINS, "amazon": False,
        "notes": [],
    }  # fmt: skip
    assert (told["summary"], told["empty"], told["requests"]) == ({"create": OBJECTS}, False, 8)
    assert {change["action"] for change in told["changes"]} == {"create"}
    done = json.loads(run("apply", "--output", "json").stdout)
    assert done["summary"] == {"created": OBJECTS}
    assert {outcome["error"] for outcome in done["outcomes"]} == {""}
    assert json.loads(run("plan", "--output", "json").stdout)["empty"] is True


def test_check_tells_by_its_exit_code(run: Run, server: FakeOpenSearch) -> None:
    assert run("plan", "--check").exit_code == 1
    run("apply")
    assert run("plan", "--check").exit_code == 0
    server.components[SETTINGS] = {"template": {}}
    refused = run("plan", "--check")
    assert refused.exit_code == 1
    assert f"! component template {SETTINGS}: refused" in refused.stdout
    assert "lacks the mark of fluent-sidecar" in refused.stdout


def test_a_plugin_that_is_missing_is_a_warning_and_no_failure(run: Run, server: FakeOpenSearch) -> None:
    server.plugins = []
    result = run("apply", opensearch=", roles: true")
    assert result.exit_code == 0
    assert "warning: policy: this server has no index-management plugin" in result.stderr
    assert "warning: role: this server has no security plugin" in result.stderr
    assert run("plan", "--check", opensearch=", roles: true").exit_code == 0


def test_roles_are_put_when_they_are_asked_for(run: Run, server: FakeOpenSearch) -> None:
    run("apply")
    assert server.roles.keys() == {"all_access"}
    result = run("apply", opensearch=", roles: true")
    assert "+ role fluent-sidecar-c-writer: created\n    map users or backend roles to it\n" in result.stdout
    roles = ("writer", "manager", "control-plane", "reader")
    assert server.roles.keys() == {"all_access", *(f"fluent-sidecar-c-{role}" for role in roles)}
    assert run("plan", "--check", opensearch=", roles: true").exit_code == 0
    server.roles["fluent-sidecar-c-writer"]["cluster_permissions"] = ["*"]
    assert "~ role fluent-sidecar-c-writer: updated" in run("apply", opensearch=", roles: true").stdout
    run("apply", "--delete", "--yes", opensearch=", roles: true")
    assert server.roles.keys() == {"all_access"}


def test_what_fails_is_an_error_in_the_end_and_the_rest_is_done(run: Run, server: FakeOpenSearch) -> None:
    server.components[SETTINGS] = {"template": {}}
    result = run("apply")
    assert result.exit_code == 1
    assert f"! component template {SETTINGS}: the server has one of this name that lacks the mark" in result.stderr
    assert result.stderr.splitlines()[-2:] == [
        f"1 of {OBJECTS} could not be done",
        "  -> mend it and run this again: what is done stays",
    ]
    assert len(server.templates) == 4


def test_what_somebody_changed_by_hand_is_kept_and_said(run: Run, server: FakeOpenSearch, tmp_path: Path) -> None:
    run("apply")
    server.components[SETTINGS] = server.components[SETTINGS] | {"template": {"settings": {"index": {"codec": "lz4"}}}}
    assert f"~ component template {SETTINGS}: update, which somebody changed by hand" in run("plan").stdout
    result = run("apply", "--backup", str(tmp_path / "kept"))
    (file,) = (tmp_path / "kept").rglob("*.json")
    assert f"    somebody had changed it by hand; what was there: {file}" in result.stdout
    assert '"codec": "lz4"' in file.read_text()


def test_a_change_that_the_server_has_yet_to_act_on_is_shown_and_is_no_difference(
    run: Run, server: FakeOpenSearch
) -> None:
    run("apply")
    server.ism.create_index("eks-pod-logs-2026.11.20")
    server.ism.run()
    shorter = "logs: {retain: 3d}\n"
    assert "takes the change at the next run" in run("apply", more=shorter).stdout
    result = run("plan", "--check", more=shorter)
    assert result.exit_code == 0
    assert "… policy fluent-sidecar-eks-pod-logs: waiting" in result.stdout
    assert "policy fluent-sidecar-eks-pod-logs: asked again" in run("apply", more=shorter).stdout


def test_delete_asks_first(run: Run, server: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    run("apply")
    server.documents["eks-pod-logs-2026.11.20", "1"] = {}
    refused = run("apply", "--delete")
    assert refused.exit_code == 2
    assert "--delete wants --yes where nobody can be asked." in refused.stderr
    monkeypatch.setattr(manage, "_is_terminal", lambda: True)
    declined = run("apply", "--delete", input="n\n")
    assert declined.exit_code == 1
    assert f"Delete these {OBJECTS}? Indices and their documents stay [y/N]: n" in declined.stdout
    assert len(server.templates) == 4
    done = run("apply", "--delete", input="y\n")
    assert done.exit_code == 0
    assert "- index template fluent-sidecar-eks-pod-logs: deleted" in done.stdout
    assert (server.templates, server.components, server.ism.policies) == ({}, {}, {})
    assert server.documents
    assert run("apply", "--delete").stdout.splitlines()[-1].startswith("nothing; ")


def test_leftovers_are_named_and_deleted_when_asked_for(run: Run, server: FakeOpenSearch) -> None:
    run("apply", more="events: {index: old}\n")
    named = "note: left alone, of an earlier pipeline.yaml: policy fluent-sidecar-old, index template"
    for command in ("plan", "apply"):
        assert named in run(command).stderr
    assert run("apply", "--delete", "--leftovers", "--yes").exit_code == 0
    assert "fluent-sidecar-old" not in server.templates
    assert len(server.templates) == 4
    assert "left alone" not in run("plan").stderr


@pytest.mark.parametrize("words", [["--yes"], ["--leftovers"]])
def test_what_goes_with_delete_alone(run: Run, words: list[str]) -> None:
    result = run("apply", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "go with --delete" in result.stderr


def test_only_the_managers_credentials_are_used(run: Run, server: FakeOpenSearch, tmp_path: Path) -> None:
    for name in ("writer", "manager"):
        (tmp_path / name).write_text(name)
    basic = "basic: {{username: {{file: {0}/{1}}}, password: {{file: {0}/{1}}}}}"
    auth = f", auth: {{{basic.format(tmp_path, 'writer')}}}, manage: {{auth: {{{basic.format(tmp_path, 'manager')}}}}}"
    assert run("apply", opensearch=auth).exit_code == 0
    assert {request.headers["authorization"] for request in server.requests} == {"Basic bWFuYWdlcjptYW5hZ2Vy"}


def test_a_server_that_can_not_be_used_is_an_error_before_anything_is_done(run: Run, server: FakeOpenSearch) -> None:
    for step, words in (
        (says(200, {"version": {"number": "8.11.0"}, "tagline": "You Know, for Search"}), "is Elasticsearch 8.11.0"),
        (says(200, b"<html>"), "is not JSON: an HTML page"),
        (says(401, {}), "wants a user and a password (401)"),
    ):
        server.script = [step]
        result = run("apply")
        assert (result.exit_code, result.stdout) == (1, "")
        assert words in result.stderr
    assert written(server) == []
