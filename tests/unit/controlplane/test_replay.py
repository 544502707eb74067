import base64
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sidecar.cli.main import cli
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
    ((batch,),) = payloads_of(file)
    assert [event.message for event in batch.events] == list(LINES["kube-scheduler"])


def test_several_payloads_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "saved"
    lines = [FORMS["invocation"], b"", json.dumps(RECEIVED).encode(), FORMS["base64"].strip()]
    file.write_bytes(b"\n".join(lines))
    assert len(payloads_of(file)) == 3


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no payload"),
        (b"{}", "no payload"),
        (b"[[[[[[[[[[[1]]]]]]]]]]]", "no payload"),
        (b"some text", "not base64"),
        (b'{"awslogs": {"data": "eA=="}}', "gzip"),
        (gzip.compress(b"x"), "not JSON"),
    ],
)
def test_a_file_without_a_payload_is_named(content: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / "saved"
    file.write_bytes(content)
    with pytest.raises(PayloadError, match=what) as caught:
        payloads_of(file)
    assert str(file) in str(caught.value)


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
