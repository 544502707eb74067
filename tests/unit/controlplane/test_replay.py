import base64
import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sidecar.cli.main import cli
from sidecar.controlplane.payload import packed
from sidecar.controlplane.replay import payloads_of, replay
from sidecar.errors import OpenSearchUnavailable, PayloadError, UndeliveredError
from sidecar.opensearch import Document, Outcome
from tests.support.controlplane import LINES, STREAMS, TEMPLATE, events, invocation, message, settings
from tests.support.fakes.opensearch import FakeOpenSearch

EVENT = invocation("kube-scheduler", LINES["kube-scheduler"])
COUNT = len(LINES["kube-scheduler"])
MESSAGE = message(STREAMS["kube-scheduler"], events(LINES["kube-scheduler"]))
FAILED = {
    "version": "1.0",
    "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
    "requestPayload": EVENT,
    "responsePayload": {"errorType": "UndeliveredError"},
}
RECEIVED = {"Messages": [{"MessageId": "1", "ReceiptHandle": "x", "Body": json.dumps(FAILED)}]}
FORMS: dict[str, bytes] = {
    "invocation": json.dumps(EVENT).encode(),
    "failed": json.dumps(FAILED, indent=2).encode(),
    "received": json.dumps(RECEIVED, indent=4).encode(),
    "message": json.dumps(MESSAGE).encode(),
    "gzip": gzip.compress(json.dumps(MESSAGE).encode()),
    "base64": EVENT["awslogs"]["data"].encode() + b"\n",
    "appended": json.dumps({"Messages": []}, indent=4).encode() + b"\n" + json.dumps(RECEIVED, indent=4).encode(),
    "payload in a queue": json.dumps({"Messages": [{"Body": EVENT["awslogs"]["data"]}]}).encode(),
    "compressed": gzip.compress(json.dumps(RECEIVED).encode()),
    "of PowerShell": json.dumps(RECEIVED, indent=4).encode("utf-16"),
    "queue in another function": json.dumps({"Records": [{"body": json.dumps(EVENT)}]}).encode(),
}


@pytest.fixture
def server() -> Iterator[FakeOpenSearch]:
    with FakeOpenSearch() as fake:
        fake.templates[TEMPLATE] = {}
        yield fake


@pytest.fixture
def run(server: FakeOpenSearch, tmp_path: Path) -> Callable[..., Any]:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(f"cluster: c\nopensearch: {{url: '{server.url}'}}\n")

    def invoke(*files: Path) -> Any:
        return CliRunner().invoke(cli, ["controlplane", "replay", "-c", str(pipeline), *map(str, files)])

    return invoke


@pytest.mark.parametrize("form", FORMS)
def test_a_payload_is_found_however_it_was_saved(form: str, tmp_path: Path) -> None:
    file = tmp_path / "saved"
    file.write_bytes(FORMS[form])
    ((batch,),) = list(payloads_of(file))
    assert [event.message for event in batch.events] == list(LINES["kube-scheduler"])


def test_several_payloads_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "saved"
    lines = [FORMS["invocation"], b"", json.dumps(RECEIVED).encode(), FORMS["base64"].strip()]
    file.write_bytes(b"\n".join(lines))
    assert len(list(payloads_of(file))) == 3


LINE = json.dumps(EVENT)
CONTROL = {"messageType": "CONTROL_MESSAGE", "logEvents": [{"id": "", "timestamp": 1, "message": "CWL CONTROL"}]}


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        (b"", "", "no payload"),
        (b" \n", "", "no payload"),
        (b"{}", "line 1: ", "no payload"),
        (b"[[[[[[[[[[[1]]]]]]]]]]]", "line 1[0][0][0][0][0][0][0][0]: ", "no payload.* nested"),
        (b"some text", "line 1: ", "neither JSON nor base64"),
        (b'{"awslogs": {"data": "eHh4"}}', "line 1: ", "not gzip"),
        (b'{"awslogs": {"data": null}}', "line 1: ", "no text"),
        (gzip.compress(b"x"), "line 1: ", "neither JSON nor base64"),
        (b"\xff\xfe\xff", "", "no text"),
        # What is not recognised is never left out: its message would be deleted from the queue.
        (json.dumps({"Messages": [{"Body": LINE}, {"Body": "{}"}]}), "line 1.Messages[1].Body: ", "no payload"),
        (json.dumps({"Messages": [{"Body": LINE}, {"Body": "hello"}]}), "line 1.Messages[1].Body: ", "neither"),
        (json.dumps({"Messages": [{"Body": LINE}, {"MessageId": "2"}]}), "line 1.Messages[1]: ", "no payload"),
        (json.dumps({"Messages": [{"Body": LINE}, None]}), "line 1.Messages[1]: ", "no payload"),
        (json.dumps({"Messages": {"Body": 7}}), "line 1.Messages.Body: ", "no payload"),
        # Of a destination that took the record without what was too long.
        (json.dumps({"requestContext": {}, "responsePayload": {"errorType": "x"}}), "line 1: ", "no payload"),
        (f"{LINE}\n{{}}\n{LINE}", "line 2: ", "no payload"),
        (f"{LINE}\n\n{{", "line 3: ", "not JSON"),
        (json.dumps({"messageType": "DATA_MESSAGE", "owner": "1"}), "line 1: ", "no logEvents"),
        (json.dumps({"logEvents": {}}), "line 1: ", "no logEvents"),
        (json.dumps([CONTROL, 5]), "line 1[1]: ", "no payload"),
    ],
    ids=range(20),
)  # fmt: skip
def test_what_has_no_payload_is_named_with_its_place(
    content: bytes | str, place: str, what: str, tmp_path: Path
) -> None:
    file = tmp_path / "saved"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PayloadError, match=what) as caught:
        list(payloads_of(file))
    assert str(caught.value).startswith(f"{file}: {place}")


@pytest.mark.parametrize("content", [{"Messages": []}, [], {"Messages": None}], ids=str)
def test_an_empty_queue_has_no_payload_and_is_no_error(content: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "saved"
    file.write_text(json.dumps(content))
    result = run(file)
    assert result.exit_code == 0
    assert result.output == "payloads: 0: the queue was empty\n"


def test_a_control_message_is_a_payload_without_lines(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "saved"
    file.write_text(json.dumps({"Messages": [{"Body": json.dumps(packed(CONTROL))}, {"Body": json.dumps(CONTROL)}]}))
    assert "payloads: 2, lines: 0: 0 stored" in run(file).output


def test_a_message_that_came_twice_is_stored_once(
    run: Callable[..., Any], server: FakeOpenSearch, tmp_path: Path
) -> None:
    file = tmp_path / "saved"
    file.write_text(json.dumps({"Messages": RECEIVED["Messages"] * 2}))
    assert f"payloads: 2, lines: {2 * COUNT}: {COUNT} stored, {COUNT} there already" in run(file).output
    assert len(server.documents) == COUNT


def test_what_the_function_could_read_is_replayed(
    run: Callable[..., Any], server: FakeOpenSearch, tmp_path: Path
) -> None:
    # orjson, which the function hasn't, refuses half of a surrogate pair.
    line = '{"msg": "\ud800", "\ud801": 1}'
    odd = message(STREAMS["kube-apiserver"], [{"id": "1", "timestamp": 1, "message": line}])
    file = tmp_path / "saved"
    file.write_text(json.dumps([{"awslogs": {"data": packed_as_json(odd)}}, EVENT]))
    result = run(file)
    assert result.exit_code == 0, result.output
    assert len(server.documents) == COUNT + 1


def packed_as_json(found: dict[str, Any]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(found).encode())).decode()


def test_a_pipe_is_read_once(run: Callable[..., Any], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(FORMS["received"],))
    writer.start()
    result = run(pipe)
    writer.join()
    assert f"payloads: 1, lines: {COUNT}: {COUNT} stored" in result.output


def test_the_command_is_safe_to_repeat(run: Callable[..., Any], server: FakeOpenSearch, tmp_path: Path) -> None:
    files = []
    for form in ("received", "gzip"):
        files.append(tmp_path / form)
        files[-1].write_bytes(FORMS[form])
    first, second = run(*files), run(*files)
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert f"payloads: 2, lines: {2 * COUNT}: {COUNT} stored, {COUNT} there already, 0 refused" in first.output
    assert f"payloads: 2, lines: {2 * COUNT}: 0 stored, {2 * COUNT} there already, 0 refused" in second.output
    assert len(server.documents) == COUNT


def test_nothing_is_sent_where_a_file_can_not_be_read(
    run: Callable[..., Any], server: FakeOpenSearch, tmp_path: Path
) -> None:
    good = tmp_path / "good"
    good.write_bytes(FORMS["gzip"])
    result = run(good, tmp_path / "missing")
    assert result.exit_code == 2
    assert "missing: can't be read: No such file or directory" in result.output
    assert not server.requests


class Down:
    """An OpenSearch that isn't there, and a clock that goes on when somebody waits."""

    now = 0.0

    def create(self, documents: list[Document]) -> list[Outcome]:
        raise OpenSearchUnavailable(f"down, for {len(documents)}")

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_patience_ends(tmp_path: Path) -> None:
    file = tmp_path / "saved"
    file.write_bytes(FORMS["gzip"])
    down, said = Down(), list[tuple[str, float | None]]()
    with pytest.raises(UndeliveredError, match="down"):
        replay(
            [file], settings(), down, progress=lambda *told: said.append(told), patience=60,  # type: ignore[arg-type]
            clock=lambda: down.now, sleep=down.sleep,
        )  # fmt: skip
    assert 40 < down.now < 60
    assert said == [("replaying: saved: 0 lines are in OpenSearch", 0.0)]


def test_the_package_is_written_and_its_size_told(tmp_path: Path) -> None:
    file = tmp_path / "function.zip"
    result = CliRunner().invoke(cli, ["lambda", "package", "-o", str(file)])
    assert result.exit_code == 0
    assert f"{file}: 0.4" in result.output
    assert " MiB, " in result.output
    assert file.read_bytes().startswith(b"PK")
    first = base64.b64encode(file.read_bytes())
    CliRunner().invoke(cli, ["lambda", "package", "-o", str(file)])
    assert base64.b64encode(file.read_bytes()) == first
