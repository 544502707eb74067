import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.aws import Parameters, Secret
from sidecar.config.fixed import DEAD_LETTER
from sidecar.config.function import SECRET_VARIABLE, VARIABLE, Settings
from sidecar.controlplane import handler
from sidecar.controlplane.handler import Function
from sidecar.errors import OpenSearchError, PayloadError, SecretError, SidecarError, UndeliveredError
from sidecar.opensearch.credentials import Pace
from tests.support.controlplane import LINES, TEMPLATE, Context, event_id, invocation, settings
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import Request, says
from tests.support.fakes.tls import make_certificate
from tests.support.markers import secret
from tests.support.sigv4 import refusal

TODAY = "eks-control-plane-logs-2026.11.27"
SCHEDULER = invocation("kube-scheduler", LINES["kube-scheduler"])
COUNT = len(LINES["kube-scheduler"])
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:opensearch-AbCdEf"


@pytest.fixture
def server() -> Iterator[FakeOpenSearch]:
    with FakeOpenSearch() as fake:
        fake.templates[TEMPLATE] = {}
        yield fake


def bulks(server: FakeOpenSearch) -> list[Request]:
    return [request for request in server.requests if request.path == "/_bulk"]


@pytest.fixture
def function(server: FakeOpenSearch) -> Iterator[Function]:
    made = Function(settings(url=server.url))
    yield made
    made.close()


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return dict(json.loads(lines[-1]))


def test_lines_of_every_type_arrive_once(server: FakeOpenSearch, function: Function) -> None:
    total = 0
    for component, lines in LINES.items():
        event = invocation(component, lines, start=total)
        total += len(lines)
        assert function(event, Context()).stored == len(lines)
        again = function(event, Context())
        assert (again.stored, again.there) == (0, len(lines))
    assert set(server.documents) == {(TODAY, event_id(number)) for number in range(total)}


def test_one_connection_serves_many_invocations(server: FakeOpenSearch, function: Function) -> None:
    for number in range(5):
        function(invocation("kube-scheduler", ["x"], start=number), Context())
    connections = function._client.access.connection()._pool.pools
    assert [pool.num_connections for pool in (connections[key] for key in connections.keys())] == [1]  # noqa: SIM118 - no dict
    assert len(bulks(server)) == 5


def test_half_is_refused_and_kept_with_its_reason(
    server: FakeOpenSearch, function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"type": "mapper_parsing_exception", "reason": "failed to parse"}
    server.judge = lambda index, key, _: (400, error) if index != DEAD_LETTER and int(key) % 2 else (201, None)
    result = function(invocation("kube-scheduler", ["x"] * 10), Context())
    assert (result.stored, result.dead_lettered) == (5, 5)
    assert len([key for key in server.documents if key[0] == DEAD_LETTER]) == 5
    told = metrics(capsys)
    assert (told["Stored"], told["DeadLettered"], told["NotDelivered"]) == (5, 5, 0)
    assert told["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "FluentSidecar"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(server: FakeOpenSearch, function: Function, status: int) -> None:
    server.script = [says(status, {"error": "busy"})]
    result = function(SCHEDULER, Context())
    assert (result.stored, result.retried) == (COUNT, COUNT)


def test_items_that_are_too_many_are_sent_again_alone(server: FakeOpenSearch, function: Function) -> None:
    answers = [(429, {"type": "rejected_execution_exception", "reason": "full"})]
    server.judge = lambda _index, _key, _source: answers.pop() if answers else (201, None)
    assert function(SCHEDULER, Context()).retried == 1
    assert len(server.documents) == COUNT


def test_what_is_not_there_in_time_raises(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UndeliveredError, match=f"{COUNT} of {COUNT} documents"):
        function(SCHEDULER, Context(seconds=3))
    assert metrics(capsys)["NotDelivered"] == COUNT


def test_no_request_is_sent_that_might_not_be_answered_in_time(
    server: FakeOpenSearch, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first attempt has two: it looks for the template.
    now = iter([0.0, 0.0, 0.0])
    clock = SimpleNamespace(monotonic=lambda: next(now, 2.0), sleep=time.sleep, time=time.time)
    monkeypatch.setattr(handler, "time", clock)
    with pytest.raises(UndeliveredError, match="no time is left for a request"):
        function(SCHEDULER, Context(seconds=23))
    assert [request.path.split("/")[1] for request in server.requests] == ["_index_template"]


def test_a_server_that_refuses_us_raises_at_once(server: FakeOpenSearch, function: Function) -> None:
    server.script = [says(403, {"error": {"type": "security_exception", "reason": "no permissions for [x]"}})]
    with pytest.raises(OpenSearchError, match="403"):
        function(SCHEDULER, Context())


def test_nothing_is_written_before_the_template_is_there(server: FakeOpenSearch, function: Function) -> None:
    template = server.templates.pop(TEMPLATE)
    with pytest.raises(OpenSearchError, match=f"the index template {TEMPLATE} is not there.*sidecar apply"):
        function(SCHEDULER, Context())
    assert not server.documents
    server.templates[TEMPLATE] = template
    assert function(SCHEDULER, Context()).stored == COUNT
    asked = len(server.requests)
    function(SCHEDULER, Context())
    assert len(server.requests) == asked + 1, "it is looked for until it is seen"


def test_a_large_batch_is_divided(server: FakeOpenSearch, function: Function) -> None:
    lines = [f"{number:06d} {'x' * 1000}" for number in range(6 * 1024)]
    result = function(invocation("kube-apiserver", lines), Context())
    assert result.stored == len(lines)
    assert len(server.documents) == len(lines)
    assert len(bulks(server)) >= 2
    assert all(len(request.body) < 6 * 2**20 for request in server.requests)


def test_a_payload_that_is_not_gzip_raises(function: Function) -> None:
    with pytest.raises(PayloadError, match="not gzip"):
        function({"awslogs": {"data": base64.b64encode(b"plain text").decode()}}, Context())


# --- What Lambda calls


def test_lambda_calls_a_function_that_is_made_once(server: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "_function", None)
    monkeypatch.setenv(VARIABLE, settings(url=server.url).to_json())
    assert handler.handler(SCHEDULER, Context()) == {"stored": COUNT, "there": 0, "deadLettered": 0}
    monkeypatch.delenv(VARIABLE)
    assert handler.handler(SCHEDULER, Context()) == {"stored": 0, "there": COUNT, "deadLettered": 0}
    assert handler._function is not None
    handler._function.close()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"form": 2}', '{"form": 1, "cluster": "c"}'])
def test_settings_that_are_not_there_are_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "_function", None)
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(SidecarError, match=VARIABLE):
        handler.handler(SCHEDULER, Context())


def test_settings_come_back_as_they_were() -> None:
    for one in (settings(), settings(auth={"ssm": {"path": "/a", "region": "eu-west-1"}}, private_ca=True)):
        assert Settings.from_json(one.to_json()) == one


# --- Who we are


def test_user_and_password_of_the_parameter_store(server: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.controlplane.link.SSM", Pace(look=300, again=30, least=0))
    found = {"user": "writer", "password": secret("old")}
    monkeypatch.setattr(Parameters, "read", lambda _self: dict(found))
    function = Function(settings(url=server.url, auth={"ssm": {"path": "/w", "region": "eu-west-1"}}))
    function(SCHEDULER, Context())
    server.script = [says(401, b"")]
    found["password"] = secret("new")
    function(SCHEDULER, Context())
    function.close()
    first, refused, third = (request.headers["authorization"] for request in bulks(server))
    assert first == refused != third


def test_user_and_password_of_a_secret(server: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Secret, "read", lambda _self: ("writer", secret("lambda")))
    function = Function(settings(url=server.url, auth={"secret": True}), secret=ARN)
    function(SCHEDULER, Context())
    function.close()
    expected = base64.b64encode(f"writer:{secret('lambda')}".encode()).decode()
    assert bulks(server)[0].headers["authorization"] == f"Basic {expected}"


def test_a_secret_that_nobody_named_is_asked_for() -> None:
    with pytest.raises(SecretError, match=SECRET_VARIABLE):
        Function(settings(url="https://localhost:1", auth={"secret": True}))


def test_the_functions_own_role_signs(server: FakeOpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    key, token = secret("key"), secret("token")
    for name, value in (("ACCESS_KEY_ID", "ASIAEXAMPLE"), ("SECRET_ACCESS_KEY", key), ("SESSION_TOKEN", token)):
        monkeypatch.setenv(f"AWS_{name}", value)
    function = Function(settings(url=server.url, auth={"sigv4": {"region": "eu-west-1", "service": "es"}}))
    assert function(SCHEDULER, Context()).stored == COUNT
    function.close()
    for request in server.requests:
        assert refusal(request.method, request.target, request.headers, request.sent, secret=key, token=token) == ""
    assert len(bulks(server)) == 1


def test_a_private_ca_is_in_the_package(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    made.file.rename(tmp_path / "ca.pem")
    with FakeOpenSearch(tls=made.context) as server:
        server.templates[TEMPLATE] = {}
        function = Function(settings(url=server.url, private_ca=True), folder=tmp_path)
        assert function(SCHEDULER, Context()).stored == COUNT
        function.close()
        stranger = Function(settings(url=server.url), folder=tmp_path)
        with pytest.raises(OpenSearchError, match="certificate can't be verified"):
            stranger(SCHEDULER, Context())
        stranger.close()
