"""Documents of any shape: each command shows them, and nothing in them reaches a terminal as an order."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.main import cli
from tests.support.fakes.searched import Searched

Json = dict[str, Any]

HOSTILE = "A\x1b]0;title\x07B\x1b[2JC\rD\x08E\u202eF\x00G\x9b31mH"
ODD: tuple[Json, ...] = (
    {"message": 12345, "reason": 7, "type": None},
    {"count": "9" + HOSTILE},
    {"count": 2**70},
    {"metadata": None},
    {"metadata": [{"name": "a"}]},
    {"kind": None, "involvedObject": None},
    {"metadata": {"name": HOSTILE, "namespace": HOSTILE, "uid": HOSTILE, "resourceVersion": "9" * 5000},
     "involvedObject": {"kind": HOSTILE, "name": HOSTILE, "namespace": HOSTILE}, "reason": HOSTILE, "message": HOSTILE,
     "source": {"component": HOSTILE, "host": HOSTILE}, "type": HOSTILE},
    {"firstTimestamp": "0001-01-01T00:00:00Z", "lastTimestamp": "9999-12-31T23:59:59Z", "eventTime": "yesterday"},
    {"message": "half of \ud800"},
    {"log": None}, {"log": {"a": 1}}, {"log": 7}, {"log": HOSTILE},
    {"kubernetes": None}, {"kubernetes": "x"}, {"kubernetes": [{"pod_name": "x"}]},
    {"id": "a/b/" + "9" * 5000 + "/s/t/" + "9" * 5000},
    {"severity": ["error"]},
)  # fmt: skip
COMMANDS = (
    ("events",), ("events", "-o", "wide"), ("events", "-o", "json"), ("events", "-o", "yaml"), ("events", "-o", "name"),
    ("events", "--sort-by", ".count"), ("problems",), ("problems", "-o", "json"),
    ("logs",), ("logs", "--prefix", "--timestamps"), ("logs", "-o", "json"), ("logs", "--tail", "100"),
)  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Searched]:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "NO_COLOR", "PAGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SIDECAR_CONFIG", "p.yaml")
    monkeypatch.chdir(tmp_path)
    with Searched() as made:
        Path("p.yaml").write_text(f"cluster: c\nopensearch: {{url: '{made.url}'}}\n")
        yield made


def document(number: int, **more: Any) -> Json:
    """What is an Event and a line at once."""
    seen = f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "@timestamp": seen, "id": str(number), "cluster": "c", "kind": "Event", "lastTimestamp": seen,
        "metadata": {"name": f"e{number}", "namespace": "shop", "uid": str(number), "resourceVersion": "1"},
        "involvedObject": {"kind": "Pod", "name": f"p{number}", "namespace": "shop"}, "type": "Warning",
        "reason": "BackOff", "message": f"m{number}", "log": f"l{number}", "count": 1,
        "kubernetes": {"namespace_name": "shop", "pod_name": f"p{number}", "container_name": "c"}, **more,
    }  # fmt: skip


def run(*words: str) -> Result:
    result = CliRunner().invoke(cli, words, prog_name="sidecar")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("words", COMMANDS)
def test_a_document_of_any_shape_is_shown(server: Searched, words: tuple[str, ...]) -> None:
    for index in ("eks-kubernetes-events-2026.11.27", "eks-pod-logs-2026.11.27"):
        server.put(index, *(document(number, **odd) for number, odd in enumerate(ODD)))
    result = run(*words)
    assert result.exit_code == 0, result.output
    if words in {("events",), ("events", "-o", "wide"), ("events", "-o", "name"), ("problems",)}:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", result.stdout)
    if words == ("events",):
        assert len(result.stdout.splitlines()) == 1 + len(ODD)
        assert re.search(r"Warning +BackOff +pod/p0 +m0|7 +pod/p0 +12345", result.stdout)
    if words == ("events", "-o", "json"):
        assert len(json.loads(result.stdout)["items"]) == len(ODD)
    if words == ("logs", "-o", "json"):
        assert [json.loads(line)["cluster"] for line in result.stdout.splitlines()] == ["c"] * len(ODD)


def test_the_newest_may_have_no_time(server: Searched) -> None:
    server.put("eks-kubernetes-events-2026.11.27", {**document(1), "@timestamp": "0001-01-01T00:00:00Z"})
    result = run("events")
    assert "the newest that is like this is of @timestamp 0001-01-01T00:00:00Z" in result.stderr


def on_a_terminal(*words: str, pager: str) -> str:
    """What a terminal is sent."""
    main, side = pty.openpty()
    program = [sys.executable, "-m", "sidecar", *words]
    environment = {**os.environ, "TERM": "xterm", "PAGER": pager, "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(program, stdin=side, stdout=side, stderr=side, env=environment) as process:
        os.close(side)
        sent = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # that is how Linux tells that nobody writes any more
                break
            sent += part
        assert process.wait() == 0
    os.close(main)
    return sent.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("pager", ["", "sed s/^//"])
def test_a_terminal_obeys_nothing_that_a_pod_has_written_but_colours(server: Searched, pager: str) -> None:
    server.put("eks-pod-logs-2026.11.27", document(1, log=f"{HOSTILE}\n\x1b[32mgreen\ttab\r\n"))
    assert on_a_terminal("logs", pager=pager) == (
        "A\\x1b]0;title\\x07B\\x1b[2JC\\x0dD\\x08E\\u202eF\\x00G\\x9b31mH\n\x1b[32mgreen\ttab\x1b[0m\n"
    )
    assert run("logs").stdout_bytes == f"{HOSTILE}\n\x1b[32mgreen\ttab\r\n".encode()
