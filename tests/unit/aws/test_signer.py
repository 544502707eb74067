"""Signatures, judged by a recomputation from what came over the wire."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.aws import Signer
from sidecar.config import loads
from sidecar.errors import AwsError, OpenSearchUnavailable
from sidecar.opensearch import Client, connect
from tests.support.fakes.server import FakeServer, Request, Scripted, says
from tests.support.markers import secret
from tests.support.sigv4 import refusal

KEY, TOKEN = secret("aws-key"), secret("aws-token")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)


def judged(request: Request, **more: str) -> str:
    return refusal(request.method, request.target, request.headers, request.sent, **({"secret": KEY} | more))


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted(says(200, {"ok": 1})) as fake:
        yield fake


def client_of(server: FakeServer, base: str = "", more: str = "") -> Client:
    auth = f"auth: {{sigv4: {{region: eu-west-1{more}}}}}"
    return connect(loads(f"cluster: c\nopensearch: {{url: '{server.url}{base}', {auth}}}\n"))


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("base", ["", "/base/path"])
@pytest.mark.parametrize(
    ("method", "path", "params", "body"),
    [
        ("GET", "/", {}, None),
        ("GET", "/_cat/indices", {"format": "json", "h": "index,docs.count", "s": "a b+c&d=e/ü~*"}, None),
        ("POST", "/a-*,b-*/_search", {"ignore_unavailable": "true", "allow_no_indices": "true"}, {"query": {}}),
        ("POST", "/a%2Cb%2A/_search", {}, {"size": 1}),
        ("PUT", "/_component_template/fluent sidecar~ü", {}, {"x": "ü"}),
        ("PUT", "/_index_template/%3Ca-%7Bnow%2Fd%7D%3E", {"a": "", "b": "1", "A": "2"}, {"x": 1}),
        ("POST", "/_bulk", {}, '{"create":{}}\n{"a":"ü"}\n' * 200),
        ("HEAD", "/(a)!$'b@c:d;e=f", {}, None),
        ("DELETE", "/x/_doc/a.b.c", {"if_seq_no": 1, "if_primary_term": 2}, None),
    ],
)
def test_what_is_sent_is_signed_as_aws_recomputes_it(
    server: Scripted, base: str, method: str, path: str, params: dict[str, Any], body: Any
) -> None:
    client = client_of(server, base)
    client.request(method, path, body, params=params)
    client.close()
    (request,) = server.requests
    assert judged(request) == ""
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert judged(request, secret="another") == "another signature"


@pytest.mark.usefixtures("keys")
def test_the_judge_sees_what_was_changed_on_the_way(server: Scripted) -> None:
    client = client_of(server)
    client.request("POST", "/_bulk", "{}\n" * 1000)
    client.close()
    (request,) = server.requests
    headers, sent = request.headers, request.sent
    assert sent != request.body, "what is signed is the compressed body"
    assert refusal("POST", "/_bulk", headers, sent, secret=KEY) == ""
    for method, target, body in (("PUT", "/_bulk", sent), ("POST", "/_bulk?a", sent), ("POST", "/_bulk", sent + b"x")):
        assert refusal(method, target, headers, body, secret=KEY) == "another signature"
    assert refusal("POST", "/_bulk", {**headers, "host": "x"}, sent, secret=KEY) == "another signature"
    assert refusal("POST", "/_bulk", {**headers, "x-amz-date": "20200101T000000Z"}, sent, secret=KEY).startswith("of ")
    assert judged(request, region="eu-west-2") == "for eu-west-1/es"
    assert judged(request, token="one") != ""
    assert refusal("GET", "/", {}, b"", secret=KEY) == "no signature"


@pytest.mark.usefixtures("keys")
def test_a_session_token_is_signed_too(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    client = client_of(server)
    client.request("GET", "/")
    client.close()
    assert judged(server.requests[0], token=TOKEN) == ""


def test_without_credentials_nothing_is_sent_and_it_is_said_where_they_could_be(server: Scripted) -> None:
    client = client_of(server)
    with pytest.raises(OpenSearchUnavailable, match="there are no AWS credentials") as caught:
        client.request("GET", "/")
    assert f"OpenSearch at {server.url}" in str(caught.value)
    assert "by EKS Pod Identity or by IRSA" in caught.value.hint
    assert server.requests == []


def test_credentials_that_come_later_are_taken(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(server)
    with pytest.raises(OpenSearchUnavailable):
        client.request("GET", "/")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    assert client.request("GET", "/") == {"ok": 1}
    client.close()


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (
            {"message": "The request signature we calculated does not match the signature you provided."},
            "check opensearch.auth.sigv4.region; a proxy may not change requests",
        ),
        ({"message": "Credential should be scoped to a valid region, not 'x'. "}, "check opensearch.auth.sigv4.region"),
        (
            {"message": "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"},
            "the clock of this machine is wrong",
        ),
        (
            {"message": "The security token included in the request is expired"},
            "the AWS credentials have expired, or are of another account",
        ),
        (
            {
                "Message": "User: arn:aws:sts::123456789012:assumed-role/writer/x is not authorized to perform: "
                "es:ESHttpPost because no identity-based policy allows the es:ESHttpPost action"
            },
            "the domain's access policy and the IAM role's own policy must allow es:ESHttpPost on the domain",
        ),
        (
            {"Message": "User: anonymous is not authorized to perform: es:ESHttpGet"},
            "the domain's access policy wants signed requests: set opensearch.auth.sigv4",
        ),
        (
            {
                "error": {
                    "type": "security_exception",
                    "reason": "no permissions for [indices:data/write/bulk] and User [name=arn:aws:iam::1:role/writer]",
                }
            },
            "the permission indices:data/write/bulk; map our IAM role's ARN, as a backend role, to one that has it",
        ),
    ],
)
@pytest.mark.usefixtures("keys")
def test_amazons_refusals_say_what_to_do(body: dict[str, Any], hint: str) -> None:
    with Scripted(says(403, body)) as server, pytest.raises(Exception, match="403 for POST /_bulk") as caught:
        client_of(server).request("POST", "/_bulk", "{}\n")
    assert str(getattr(caught.value, "hint", "")).endswith(hint)
    assert KEY not in str(caught.value)


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/writer")
    with pytest.raises(AwsError, match="No such file or directory") as caught:
        Signer("eu-west-1", "es")("GET", "http://h/", b"")
    assert str(tmp_path / "token") in str(caught.value)


def test_an_sts_that_can_not_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/writer")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    with pytest.raises(AwsError, match=r"AWS: credentials: can't be reached: .*127\.0\.0\.1:1") as caught:
        Signer("eu-west-1", "es")("GET", "http://h/", b"")
    assert "VPC endpoint" in caught.value.hint
