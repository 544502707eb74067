"""AWS over HTTP, played by a moto server: parameters, roles, and where credentials come from in a cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.aws import Parameters, Signer
from sidecar.config import loads
from sidecar.errors import AwsError, SecretError
from sidecar.opensearch import connect
from sidecar.opensearch.credentials import Pace
from tests.support.aws import REGION, Aws, forget_aws
from tests.support.fakes.server import Exchange, Request, Scripted, says
from tests.support.markers import secret
from tests.support.sigv4 import refusal
from tests.support.waiting import unique_name

ROLE = "arn:aws:iam::123456789012:role/writer"


@pytest.fixture(autouse=True)
def _this_aws_alone(aws_server: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(tmp_path, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.url)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret("key"))


@pytest.fixture
def path() -> str:
    """A path of parameters that nobody else has."""
    return f"/eksworkshop/{unique_name('cluster')}/opensearch"


@pytest.mark.usefixtures("keys")
def test_the_workshops_parameters_are_read_and_decrypted(aws_server: Aws, path: str) -> None:
    aws_server.put({f"{path}/host": "search-x.es.amazonaws.com", f"{path}/user": "admin", f"{path}/password": "a@b#c"})
    found = Parameters(path, ("host", "user", "password"), region=REGION).read()
    assert found == {"host": "search-x.es.amazonaws.com", "user": "admin", "password": "a@b#c"}


@pytest.mark.usefixtures("keys")
def test_a_parameter_that_is_not_there_is_named(aws_server: Aws, path: str) -> None:
    aws_server.put({f"{path}/user": "admin"})
    with pytest.raises(SecretError, match=f"no parameter {path}/password in {REGION}"):
        Parameters(path, ("user", "password"), region=REGION).read()


@pytest.mark.usefixtures("keys")
def test_a_rotated_password_is_used_when_the_old_one_is_refused(
    aws_server: Aws, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.opensearch.credentials.SSM", Pace(look=300, again=30, least=0))
    aws_server.put({f"{path}/user": "admin", f"{path}/password": secret("old")})
    good, refused = says(200, {"ok": 1}), says(401, b"")
    with Scripted(good, refused, good) as server:
        text = f"{{url: '{server.url}', auth: {{ssm: {{path: {path}, region: {REGION}}}}}}}"
        client = connect(loads(f"cluster: c\nopensearch: {text}\n"))
        client.request("GET", "/")
        aws_server.put({f"{path}/password": secret("new")})
        assert client.request("GET", "/") == {"ok": 1}
        client.close()
    first, second, third = (request.headers["authorization"] for request in server.requests)
    assert first == second != third


# --- Where credentials come from


@pytest.fixture
def opensearch() -> Iterator[Scripted]:
    with Scripted(says(200, {"ok": 1})) as server:
        yield server


def ask(server: Scripted, more: str = "") -> Request:
    client = connect(
        loads(f"cluster: c\nopensearch: {{url: '{server.url}', auth: {{sigv4: {{region: {REGION}{more}}}}}}}\n")
    )
    assert client.request("POST", "/a-*/_search", {"query": {}}) == {"ok": 1}
    client.close()
    return server.requests[-1]


def judged(request: Request, key: str, token: str) -> str:
    return refusal(request.method, request.target, request.headers, request.sent, secret=key, token=token)


@pytest.fixture
def handed_out(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The credentials that STS has handed out, in order: they are known to nobody but who asked."""
    from botocore.client import BaseClient  # noqa: PLC0415 - as heavy as moto's own

    found: list[dict[str, Any]] = []
    call = BaseClient._make_api_call

    def spying(self: Any, name: str, arguments: dict[str, Any]) -> Any:
        answer = call(self, name, arguments)
        if "Credentials" in answer:
            found.append(answer["Credentials"] | {"asked": (name, arguments)})
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", spying)
    return found


@pytest.mark.usefixtures("keys")
def test_another_accounts_role_is_assumed_once(opensearch: Scripted, handed_out: list[dict[str, Any]]) -> None:
    client = connect(
        loads(
            f"cluster: c\nopensearch: {{url: '{opensearch.url}', "
            f"auth: {{sigv4: {{region: {REGION}, roleArn: '{ROLE}'}}}}}}\n"
        )
    )
    for _ in range(3):
        client.request("GET", "/")
    client.close()
    (credentials,) = handed_out
    assert credentials["asked"] == ("AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "fluent-sidecar"})
    for request in opensearch.requests:
        assert judged(request, credentials["SecretAccessKey"], credentials["SessionToken"]) == ""


def test_irsa_hands_the_pods_token_to_sts(
    opensearch: Scripted, handed_out: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("the-pods-token")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    request = ask(opensearch)
    (credentials,) = handed_out
    name, arguments = credentials["asked"]
    assert (name, arguments["RoleArn"]) == ("AssumeRoleWithWebIdentity", ROLE)
    assert arguments["WebIdentityToken"] == "the-pods-token"
    assert judged(request, credentials["SecretAccessKey"], credentials["SessionToken"]) == ""


def pod_identity(key: str, token: str) -> Scripted:
    """The agent of EKS Pod Identity."""
    said = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": key, "Token": token, "Expiration": "2038-01-01T00:00:00Z"}

    def step(exchange: Exchange) -> None:
        if exchange.request.headers.get("authorization") != "the-pods-token":
            exchange.json({"message": "no"}, 401)
        else:
            exchange.answer(200, json.dumps(said).encode())

    return Scripted(step)


def test_pod_identity_is_asked_with_the_pods_token(
    opensearch: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("the-pods-token")
    key, token = secret("pod"), secret("pod-token")
    with pod_identity(key, token) as agent:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        assert judged(ask(opensearch), key, token) == ""
        (tmp_path / "token").write_text("another")
        with pytest.raises(AwsError, match="credentials") as caught:
            Signer(REGION, "es")("GET", "http://h/", b"")
    assert secret("") not in str(caught.value)


def test_pod_identity_serves_parameters_too(
    aws_server: Aws, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_server.put({f"{path}/user": "admin"})
    (tmp_path / "token").write_text("the-pods-token")
    with pod_identity(secret("pod"), secret("pod-token")) as agent:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        assert Parameters(path, ("user",), region=REGION).read() == {"user": "admin"}
    assert [request.headers["authorization"] for request in agent.requests] == ["the-pods-token"]
