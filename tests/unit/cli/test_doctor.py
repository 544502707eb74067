"""`sidecar doctor` as people and scripts see it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.main import cli
from sidecar.config import load
from tests.support.fakes.doctored import FakeCluster, FakeHealthy
from tests.support.fakes.kubernetes import kubeconfig
from tests.support.waiting import free_port

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SIDECAR_CONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TEST_PASSWORD", SECRET)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[FakeHealthy, FakeCluster]]:
    """Both servers, and a pipeline.yaml and a kubeconfig for them."""
    file = pipeline(tmp_path, "http://h")
    with FakeHealthy(load(str(file))) as server, FakeCluster() as cluster:
        pipeline(tmp_path, server.url)
        Path(kubeconfig(tmp_path, cluster.url)).rename(tmp_path / "kube.yaml")
        yield server, cluster


def pipeline(folder: Path, url: str) -> Path:
    file = folder / "pipeline.yaml"
    auth = "{basic: {username: {env: TEST_PASSWORD}, password: {env: TEST_PASSWORD}}}"
    file.write_text(
        f"cluster: c\nopensearch: {{url: '{url}', version: '3.4', auth: {auth}}}\n"
        f"fluentbit: {{port: {free_port()}}}\nagent: {{port: {free_port()}}}\n"
    )
    return file


def doctor(*words: str, colour: bool = False, **environment: str) -> Result:
    words = ("doctor", "--kubeconfig", "kube.yaml", *words)
    result = CliRunner().invoke(cli, words, prog_name="sidecar", color=colour, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    return result


def test_all_is_well(servers: tuple[FakeHealthy, FakeCluster]) -> None:
    result = doctor("--namespace", "logging")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == ["Dashboards", "  dashboards.url is not set"]
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "Dashboards",
        "Configuration",
        "Kubernetes",
        "Fluent Bit",
        "Sidecar",
        "OpenSearch",
        "In place",
        "Documents",
        "OpenSearch Dashboards",
        lines[-1],
    ]
    assert re.fullmatch(r"\d+ fine, 3 to be looked at, \d+ not looked at", lines[-1])
    assert servers[1].asked


def test_a_failure_is_exit_code_1_with_what_to_do_below(servers: tuple[FakeHealthy, FakeCluster]) -> None:
    servers[1].denied = {"watch events"}

    result = doctor()

    assert result.exit_code == 1
    assert "  FAIL  events            may not: watch events; so no event is collected\n" in result.stdout
    at = result.stdout.index("may not: watch events")
    assert result.stdout[at:].splitlines()[1].strip().startswith("-> grant it to ")
    assert ", 1 failed, " in result.stdout.splitlines()[-1]


def test_what_is_not_looked_at_for_one_reason_is_one_line(tmp_path: Path) -> None:
    pipeline(tmp_path, f"http://127.0.0.1:{free_port()}")

    result = doctor()

    assert result.exit_code == 1
    assert re.search(r"  --    6 more +not looked at, for want of: connection\n", result.stdout)
    assert result.stdout.count("for want of: connection") == 3


@pytest.mark.parametrize("columns", ["60", "80", "160"])
def test_no_line_is_wider_than_the_terminal(servers: tuple[FakeHealthy, FakeCluster], columns: str) -> None:
    servers[1].denied = {"list pods", "get nodes", "watch events"}
    servers[0].templates.clear()

    shown = doctor(COLUMNS=columns).stdout.splitlines()

    assert max(map(len, shown)) <= int(columns)
    assert not any(line.endswith(" ") for line in shown)


def test_colours_are_for_terminals_that_want_them(servers: tuple[FakeHealthy, FakeCluster]) -> None:
    assert "\x1b[" in doctor(colour=True).stdout
    assert "\x1b[" not in doctor(colour=True, NO_COLOR="1").stdout
    assert "\x1b[" not in doctor(colour=True, TERM="dumb").stdout
    assert servers[0].requests


def test_scripts_get_json(servers: tuple[FakeHealthy, FakeCluster]) -> None:
    servers[1].denied = {"watch events"}

    result = doctor("--output", "json")
    told = json.loads(result.stdout)

    assert result.exit_code == 1
    assert (told["ok"], told["dashboards"]) == (False, {})
    [events] = [one for one in told["areas"]["Kubernetes"] if one["name"] == "events"]
    assert events["state"] == "fail"
    assert events["text"] == "may not: watch events; so no event is collected"
    assert events["hint"]
    states = {one["state"] for area in told["areas"].values() for one in area}
    assert states == {"ok", "warn", "fail", "skip"}


def test_a_file_that_is_wrong_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("cluster: c\n")

    result = doctor()

    assert result.exit_code == 2
    assert "opensearch" in result.stderr
    assert result.stdout == ""
