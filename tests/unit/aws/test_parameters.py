"""Parameters of SSM: what is asked, and what is said where it refuses. What moto can't play, a small server does."""

import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from sidecar.aws import Parameters, Signer
from sidecar.errors import AwsError, SecretError
from tests.support.fakes.server import Exchange, Script, Scripted, says
from tests.support.markers import secret

VALUES = {"/eksworkshop/a-b/opensearch/user": "admin", "/eksworkshop/a-b/opensearch/password": secret("ssm")}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret("key"))


def has(**values: str) -> Script:
    """SSM with these parameters besides VALUES; those of the last part of their name."""
    known = VALUES | {f"/eksworkshop/a-b/opensearch/{name}": value for name, value in values.items()}

    def step(exchange: Exchange) -> None:
        asked = orjson.loads(exchange.request.body)
        assert asked["WithDecryption"] is True
        found = [{"Name": name, "Value": known[name]} for name in asked["Names"] if known.get(name)]
        exchange.json(
            {"Parameters": found, "InvalidParameters": [name for name in asked["Names"] if name not in known]}
        )

    return step


def refuses(code: str, message: str, status: int = 400) -> Script:
    return lambda exchange: exchange.json({"__type": code, "message": message}, status)


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a Parameter Store that answers as it is told."""
    servers: list[Scripted] = []

    def make(*steps: Script) -> Scripted:
        servers.append(Scripted(*steps))
        servers[-1].__enter__()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", servers[-1].url)
        return servers[-1]

    yield make
    for server in servers:
        server.__exit__(None, None, None)


def parameters(*names: str) -> Parameters:
    return Parameters("/eksworkshop/a-b/opensearch", names or ("user", "password"), region="eu-west-1")


def test_one_call_gets_all(ssm: Any) -> None:
    server = ssm(has())
    assert parameters().read() == {"user": "admin", "password": secret("ssm")}
    (request,) = server.requests
    assert request.headers["x-amz-target"] == "AmazonSSM.GetParameters"
    assert "/eu-west-1/ssm/aws4_request" in request.headers["authorization"]


def test_parameters_that_are_missing_are_named(ssm: Any) -> None:
    ssm(has())
    with pytest.raises(SecretError) as caught:
        parameters("host", "user", "port").read()
    wanted = "opensearch.auth.ssm: there is no parameter /eksworkshop/a-b/opensearch/host and none "
    assert caught.value.what == f"{wanted}/eksworkshop/a-b/opensearch/port in eu-west-1"
    assert "opensearch.auth.ssm.path" in caught.value.hint


@pytest.mark.parametrize("body", [{}, {"Parameters": None}, {"Parameters": [{"Name": "x"}]}])
def test_an_answer_without_parameters_is_told_as_such(ssm: Any, body: Any) -> None:
    ssm(says(200, body))
    with pytest.raises(SecretError, match="there is no parameter /eksworkshop/a-b/opensearch/user and none"):
        parameters().read()


@pytest.mark.parametrize(("value", "what"), [("a\nb", "holds more than one line of text"), ("\n", "is empty")])
def test_a_value_that_is_not_one_line_is_refused_and_not_shown(ssm: Any, value: str, what: str) -> None:
    ssm(has(user=value))
    with pytest.raises(SecretError) as caught:
        parameters().read()
    assert caught.value.what == f"opensearch.auth.ssm: the parameter /eksworkshop/a-b/opensearch/user {what}"


DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/writer/x is not authorized to perform: ssm:GetParameters on "
    "resource: arn:aws:ssm:eu-west-1:123456789012:parameter/eksworkshop/a-b/opensearch/user because no "
    "identity-based policy allows the ssm:GetParameters action"
)


def test_a_denial_names_action_and_resource(ssm: Any) -> None:
    ssm(refuses("AccessDeniedException", DENIED))
    with pytest.raises(AwsError) as caught:
        parameters().read()
    assert "AccessDeniedException" in caught.value.what
    assert (
        "perform: ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:123456789012:parameter/eks" in caught.value.what
    )
    assert "must allow ssm:GetParameters on arn:aws:ssm:eu-west-1:ACCOUNT:parameter/eksworkshop/" in caught.value.hint
    assert "kms:Decrypt" in caught.value.hint


@pytest.mark.parametrize(
    ("step", "what", "hint"),
    [
        (refuses("UnrecognizedClientException", "The security token is invalid."), "token is invalid", "not expired?"),
        (refuses("ExpiredTokenException", "The security token has expired"), "has expired", "not expired?"),
        (refuses("InternalServerError", "odd", 500), "InternalServerError", ""),
        (Exchange.cut, "can't be reached: Connection was closed before we received a valid response", "VPC endpoint"),
    ],
)
def test_other_failures_are_told(ssm: Any, step: Script, what: str, hint: str) -> None:
    ssm(step)
    with pytest.raises(AwsError, match="SSM in eu-west-1, parameters /eksworkshop/a-b/opensearch/user, ") as caught:
        parameters().read()
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert secret("") not in str(caught.value)


def test_an_endpoint_that_nobody_listens_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1")
    with pytest.raises(AwsError, match=r"can't be reached: .*127\.0\.0\.1:1") as caught:
        parameters().read()
    assert "VPC endpoint" in caught.value.hint


def test_no_credentials(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    server = ssm(has())
    with pytest.raises(AwsError, match="there are no AWS credentials") as caught:
        parameters().read()
    assert "by EKS Pod Identity or by IRSA" in caught.value.hint
    assert server.requests == []


@pytest.mark.parametrize(
    ("make", "key"), [(parameters, "ssm"), (lambda: Signer("eu-west-1", "es"), "sigv4")], ids=["ssm", "sigv4"]
)
def test_without_botocore_it_is_said_how_to_get_it(make: Any, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(AwsError, match=rf"opensearch\.auth\.{key}: needs the Python package botocore") as caught:
        make()
    assert "pip install 'fluent-sidecar[aws]'" in caught.value.hint
