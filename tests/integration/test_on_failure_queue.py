"""The loop that the documentation empties the on-failure queue with: no message is deleted that was not delivered."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from tests.support.controlplane import LINES, TEMPLATE, invocation
from tests.support.documented import ROOT, commands
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.parts import not_run

(LOOP,) = (
    command.text for command in commands(ROOT / "docs/control-plane.md") if command.text.startswith("while aws sqs")
)
_PROGRAMS = {
    "aws": """#!/bin/sh
case "$2" in
  receive-message)
    for answer in answers/*; do
      [ -e "$answer" ] || exit 0  # nothing was received: the AWS CLI prints nothing
      cat "$answer" && rm "$answer"
      exit 0
    done ;;
  delete-message-batch)
    [ "$5" = --entries ] && cat "${6#file://}" >> deleted ;;
  *) exit 64 ;;
esac
""",
    "sidecar": f'#!/bin/sh\nexec {sys.executable} -m sidecar "$@"\n',
}
_LINES = LINES["kube-scheduler"]


@pytest.fixture
def server() -> Iterator[FakeOpenSearch]:
    with FakeOpenSearch() as fake:
        fake.templates[TEMPLATE] = {}
        yield fake


def received(first: int, *bodies: Any) -> str:
    """What `aws sqs receive-message` prints for bodies of messages, which are numbered."""
    messages = [
        {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": json.dumps(body)}
        for number, body in enumerate(bodies, first)
    ]
    return json.dumps({"Messages": messages}, indent=4)


def failed(number: int) -> dict[str, Any]:
    """The record of an invocation that failed, with lines of its own."""
    return {"requestPayload": invocation("kube-scheduler", _LINES, start=number * len(_LINES))}


def emptied(folder: Path, url: str, answers: Sequence[str]) -> tuple[set[str], str]:
    """The messages that the loop deletes, where the queue answers so; and what the loop says."""
    for name in ("bash", "jq"):
        if not which(name):
            not_run(name, "not on PATH")
    (folder / "pipeline.yaml").write_text(f"cluster: c\nopensearch: {{url: '{url}'}}\n")
    for part in ("answers", "bin"):
        (folder / part).mkdir()
    for number, answer in enumerate(answers):
        (folder / "answers" / str(number)).write_text(answer)
    for name, text in _PROGRAMS.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", LOOP], cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "URL": "http://q"},
    )  # fmt: skip
    deleted = folder / "deleted"
    text = deleted.read_text() if deleted.exists() else ""
    entries = [entry for part in text.split("]") if part.strip() for entry in json.loads(f"{part}]")]
    assert all(entry["ReceiptHandle"] == f"r{entry['Id'][1:]}" for entry in entries)
    return {entry["Id"] for entry in entries}, done.stdout + done.stderr


def test_a_queue_is_emptied(server: FakeOpenSearch, tmp_path: Path) -> None:
    answers = [received(0, failed(0), failed(1)), received(2, failed(2))]
    assert emptied(tmp_path, server.url, answers)[0] == {"m0", "m1", "m2"}
    assert len(server.documents) == 3 * len(_LINES)


def test_an_empty_queue_is_the_end(server: FakeOpenSearch, tmp_path: Path) -> None:
    assert emptied(tmp_path, server.url, []) == (set(), "")


def test_nothing_is_deleted_that_is_no_payload_nor_what_was_received_with_it(
    server: FakeOpenSearch, tmp_path: Path
) -> None:
    answers = [received(0, failed(0)), received(1, failed(1), {"hello": "world"}), received(3, failed(3))]
    deleted, said = emptied(tmp_path, server.url, answers)
    assert deleted == {"m0"}
    assert "Messages[1].Body" in said
    assert len(server.documents) == len(_LINES)
    assert [file.name for file in (tmp_path / "answers").iterdir()] == ["2"], "the loop goes on"


def test_nothing_is_deleted_that_opensearch_does_not_take(server: FakeOpenSearch, tmp_path: Path) -> None:
    server.templates.clear()
    deleted, said = emptied(tmp_path, server.url, [received(0, failed(0)), received(1, failed(1))])
    assert deleted == set()
    assert "sidecar apply" in said
    assert [file.name for file in (tmp_path / "answers").iterdir()] == ["1"], "the loop goes on"
