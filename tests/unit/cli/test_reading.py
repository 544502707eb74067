"""The commands that read: what they print, where they complain, and how they end."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from sidecar.cli.main import cli
from tests.support.fakes.kubernetes import FakeKubernetes, kubeconfig, listing
from tests.support.fakes.searched import Searched

Json = dict[str, Any]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Searched]:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIDECAR_CONFIG", "p.yaml")
    with Searched() as made:
        Path("p.yaml").write_text(f"cluster: c\nopensearch: {{url: '{made.url}'}}\n")
        yield made


def run(*words: str) -> Result:
    result = CliRunner().invoke(cli, words, prog_name="sidecar")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def event(name: str, *, minutes: float = 5, namespace: str = "shop", about: str = "Pod/web-0", **more: Any) -> Json:
    kind, _, object_name = about.partition("/")
    seen = f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "@timestamp": seen, "id": f"{name}.1", "index": "i", "cluster": "c", "kind": "Event", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": name, "resourceVersion": "1",
                     "creationTimestamp": seen},
        "involvedObject": {"kind": kind, "name": object_name, "namespace": namespace, "labels": {"app": "web"}},
        "type": "Normal", "reason": "Pulled", "message": f"about {name}", "count": 1, "firstTimestamp": seen,
        "lastTimestamp": seen, **more,
    }  # fmt: skip


def put(server: Searched, *events: Json) -> None:
    server.put("eks-kubernetes-events-2026.11.27", *events)


def rows(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [re.split(r"\s{2,}", line) for line in result.stdout.splitlines()]


def test_the_table_is_kubectls(server: Searched) -> None:
    put(server, event("b", minutes=30), event("a", minutes=40, type="Warning", reason="BackOff"))
    assert rows(run("events", "-n", "shop")) == [
        ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
        ["40m", "Warning", "BackOff", "pod/web-0", "about a"],
        ["30m", "Normal", "Pulled", "pod/web-0", "about b"],
    ]
    assert rows(run("events", "-A", "--no-headers"))[0][0] == "shop"
    assert rows(run("events", "--last", "1", "-o", "wide"))[0][5:] == [
        "SUBOBJECT", "SOURCE", "MESSAGE", "FIRST SEEN", "COUNT", "NAME",
    ]  # fmt: skip
    assert [row[-1] for row in rows(run("events", "--sort-by", ".metadata.name"))[1:]] == ["about a", "about b"]


def test_objects_are_those_that_the_api_server_has(server: Searched) -> None:
    put(server, event("a", minutes=9), event("b"))
    found = json.loads(run("events", "-o", "json").stdout)
    assert (found["kind"], [item["metadata"]["name"] for item in found["items"]]) == ("List", ["a", "b"])
    assert set(found["items"][0]) & {"@timestamp", "id", "index", "cluster", "workload"} == set()
    assert "labels" not in found["items"][0]["involvedObject"]
    assert yaml.safe_load(run("events", "-o", "yaml").stdout) == found
    assert run("events", "-o", "name").stdout == "event/a\nevent/b\n"
    for form in ("json", "yaml"):
        assert yaml.safe_load(run("events", "-n", "other", "-o", form).stdout)["items"] == []


def test_the_namespace_is_that_of_the_kubeconfig_and_all_without_one(
    server: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, event("a"), event("b", namespace="other"))
    assert len(rows(run("events"))) == 3
    file = tmp_path / "kubeconfig"
    file.write_text("current-context: x\ncontexts: [{name: x, context: {namespace: other}}]\n")
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert [row[-1] for row in rows(run("events"))[1:]] == ["about b"]
    assert len(rows(run("events", "-A"))) == 3
    monkeypatch.delenv("KUBECONFIG")
    (tmp_path / ".kube").mkdir()
    file.rename(tmp_path / ".kube" / "config")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert len(rows(run("events"))) == 3


def test_nothing_is_told_on_stderr_with_where_it_looked_and_what_to_do(server: Searched) -> None:
    put(server, event("a", minutes=600))
    for command, what in (("events", "events"), ("problems", "problems"), ("logs", "lines")):
        result = run(command, "-n", "shop")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith(f"No {what} in namespace shop since ")
        assert server.url in result.stderr
    assert "-> the newest that is like this is of" in run("events", "-n", "shop").stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["events", "--since", "3x"], "--since '3x' is no time"),
        (["events", "-n", "a", "-A"], "-n and -A don't go together"),
        (["events", "--for", "web"], "'web' is no object"),
        (["events", "-w", "--until", "1h"], "-w shows what arrives"),
        (["events", "--sort-by", "a b"], "is no field"),
        (["logs", "-f", "--previous"], "-f shows what arrives"),
        (["logs", "--tail", "0"], "--tail 0 shows nothing"),
        (["events", "--for", f"deploy/{'a' * 254}"], "is no object"),
        (["logs", "-c", "pipeline.yaml"], "--config pipeline.yaml is what you mean"),
        (["problems", "--since", "1h", "--until", "2h"], "is not before"),
        (["events", "--context", "nope"], "no context 'nope'"),
    ],
)
def test_wrong_input_is_told_and_nobody_is_asked(server: Searched, words: list[str], text: str) -> None:
    result = run(*words)
    assert result.exit_code == (1 if "context" in text else 2)
    assert text in result.stderr
    assert server.requests == []


def test_a_server_that_is_down_or_not_whole_is_a_failure(server: Searched) -> None:
    put(server, event("a"))
    server.missing = 1
    result = run("events")
    assert (result.exit_code, "about a" in result.stdout) == (1, True)
    assert r"warning: 1 of 2 shards did not answer (i: too much \x1b[2J): some may be missing" in result.stderr
    server.down = True
    for command in ("events", "problems", "logs"):
        result = run(command)
        assert result.exit_code == 1
        assert "OpenSearch at" in result.stderr
        assert "503" in result.stderr


def test_closed_indices_are_told_for_a_search_passes_over_them(server: Searched) -> None:
    put(server, event("a"))
    for command in ("events", "problems", "logs"):
        assert "closed" not in run(command).stderr
    server.closed = True
    for command in ("events", "problems", "logs"):
        result = run(command)
        assert result.exit_code == 0
        assert re.search(r"note: of eks-\S+-\* there are closed indices, which are not searched", result.stderr)


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], "x", 1, {"hits": {}}, {"hits": {"hits": None}}, {"hits": {"hits": {}}}, {"hits": {"hits": [{}]}},
        {"hits": {"hits": [7]}}, {"hits": {"hits": []}, "_shards": 7}, {"hits": []},
        {"hits": {"hits": []}, "_shards": {"total": "x", "successful": 1}},
        {"hits": {"hits": [{"_index": "i", "_seq_no": "x"}]}},
        {"hits": {"hits": []}, "_shards": {"total": 2, "successful": 1, "failures": 7}},
        {"hits": {"hits": [{"_index": "i", "_seq_no": 1, "_source": {}}] * 100}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", [["events"], ["problems"], ["logs"], ["logs", "-p"], ["logs", "--tail", "3"]])
def test_half_an_answer_is_a_failure(server: Searched, answer: Any, words: list[str]) -> None:
    server.odd = answer
    result = run(*words)
    assert result.exit_code == 1 or "can't be told" in result.stderr or "no lines of two runs" in result.stderr
    assert server.url in result.stderr


def test_a_field_to_sort_by_that_none_has_is_told(server: Searched) -> None:
    put(server, event("a"))
    result = run("events", "--sort-by", ".nonsense")
    assert (result.exit_code, result.stderr) == (
        0, "note: none of them has .nonsense: they are in the order of their time\n"
    )  # fmt: skip
    assert run("events", "--sort-by", ".count").stderr == ""


def test_problems_are_told_with_what_ended_them(server: Searched) -> None:
    pod = "Pod/web-5d4f8c7b96-x2v7q"
    put(
        server,
        event("a", minutes=50, about=pod, type="Warning", reason="FailedMount", message="no secret", count=4),
        event("b", minutes=20, about=pod, reason="Started", message="Started container"),
        event("c", minutes=2, about="Node/n1", type="Warning", reason="NotReady", message="it is\ngone"),
    )
    text = run("problems", "-A", "--check")
    assert text.exit_code == 1
    head, node, gone, web, why, end = text.stdout.splitlines()
    assert head.split() == ["STATE", "NAMESPACE", "WORKLOAD", "REASON", "SINCE", "LAST", "SEEN", "COUNT"]
    assert (node.split()[0], gone.strip()) == ("open", "it is gone")
    assert web.split() == ["resolved", "shop", "deployment/web", "FailedMount", "50m", "50m", "4"]
    assert why.strip() == "no secret"
    assert re.fullmatch(r" +resolved .* \(20m ago\) by Started pod/web-5d4f8c7b96-x2v7q, after 30m", end)
    assert text.stderr.startswith("1 open, 1 resolved in any namespace")
    assert run("problems", "-A", "--resolved", "--since", "10m").stdout == ""
    found = json.loads(run("problems", "--for", "deploy/web", "--output", "json").stdout)
    assert [one["state"] for one in found["problems"]] == ["resolved"]


def test_the_cluster_is_asked_instead_where_that_is_wanted(server: Searched, tmp_path: Path) -> None:
    listed = [event("a"), event("b", minutes=600), event("c", about="Pod/other")]
    with FakeKubernetes([listing(listed, 9)]) as api:
        file = kubeconfig(tmp_path, api.url)
        result = run("events", "-n", "shop", "--source", "cluster", "--kubeconfig", str(file), "--for", "pod/web-0")
    assert [row[-1] for row in rows(result)[1:]] == ["about a"]
    assert server.requests == []


def test_versions_are_told_of_what_is_there_and_why_not_of_the_rest(server: Searched) -> None:
    told = json.loads(run("version", "--output", "json").stdout)
    assert told["opensearch"] == {"version": "3.4.0", "note": server.url}
    assert told["templates"]["version"] is None
    assert "not asked" in told["apiServer"]["note"]
    server.down = True
    result = run("version")
    assert result.exit_code == 0
    assert re.search(r"opensearch +-  \(OpenSearch at .*503", result.stdout)
    assert run("version", "-c", "missing.yaml").exit_code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_what_completes(shell: str, tmp_path: Path) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_SIDECAR_COMPLETE" in result.stdout
    if shutil.which(shell):
        file = tmp_path / "completion"
        file.write_text(result.stdout)
        subprocess.run([shell, "-n", str(file)], check=True, timeout=30)


@pytest.mark.parametrize(
    ("words", "found"),
    [("ev", "events"), ("events --so", "--sort-by --source"), ("events --source cl", "cluster")],
)
def test_bash_completes_commands_options_and_values(words: str, found: str, tmp_path: Path) -> None:
    file = tmp_path / "completion"
    file.write_text(run("completion", "bash").stdout)
    typed = ["sidecar", *words.split()]
    program = tmp_path / "sidecar"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sidecar "$@"\n')
    program.chmod(0o755)
    script = (
        f"source {file}; "
        f"COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; "
        '_sidecar_completion sidecar; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == found


_DOCUMENTED = [
    line.removeprefix("$ ").partition(" #")[0].partition(" |")[0].partition(" >")[0].partition(" ||")[0].strip()
    for line in (Path(__file__).parents[3] / "docs" / "reading.md").read_text().splitlines()
    if line.startswith("$ sidecar ")
]


@pytest.mark.parametrize("line", [line for line in _DOCUMENTED if not {"-w", "-f", "cluster"} & set(line.split())])
def test_what_the_documentation_says_works(server: Searched, line: str) -> None:
    put(server, event("a"), event("b", type="Warning", reason="Failed"))
    result = run(*shlex.split(line)[1:])
    assert result.exit_code == 0 or "--check" in line, result.output
    assert result.stdout or re.search(r"No (events|lines|problems) in|[0-9]+ open", result.stderr)


@pytest.mark.parametrize(("tail", "shown"), [("0", ""), ("1", "b\n"), (None, "a\nb\n")])
def test_following_begins_with_as_many_lines_as_are_wanted(
    server: Searched, monkeypatch: pytest.MonkeyPatch, tail: str | None, shown: str
) -> None:
    monkeypatch.setattr("sidecar.cli.terminal.follow", lambda *_: None)
    for minutes, log in ((9, "a"), (5, "b")):
        server.put("eks-pod-logs-2026.11.27", event(log, minutes=minutes, log=log))
    assert run("logs", "-f", *(["--tail", tail] if tail else [])).stdout == shown
