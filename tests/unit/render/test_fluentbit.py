"""Addresses, credentials and transport security, as Fluent Bit wants them; its rules are in test_rules."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.config import loads
from sidecar.render import render
from sidecar.render.fluentbit import as_variable


def rendered(opensearch: str = "url: 'https://h:9200'", rest: str = "") -> dict[str, Any]:
    files = render(loads(f"cluster: c\nopensearch: {{{opensearch}}}\n{rest}"))
    document = yaml.safe_load(files["fluent-bit.yaml"])
    assert isinstance(document, dict)
    return document


def both(opensearch: str = "url: 'https://h:9200'") -> dict[str, Any]:
    """What the outputs of events and of logs have in common."""
    events, logs = rendered(opensearch)["pipeline"]["outputs"]
    differ = {"alias", "match", "match_regex", "time_key", "retry_limit", "storage.total_limit_size"}
    assert {key for key in {**events, **logs} if events.get(key) != logs.get(key)} == differ
    return {key: value for key, value in events.items() if key not in differ}


@given(st.text("ab$${{}}", max_size=20) | st.text())
@example("${HOME}")
@example("a}b${HOME}")
@example("$${{}}${")
def test_a_password_comes_out_of_both_expansions_as_it_is(password: str) -> None:
    signs = {"DOLLAR": "$", "BRACE": "}"}
    text = as_variable(password)

    assert re.sub(r"\$\{(\w+)\}", lambda match: signs.get(match[1], "?"), text) == password
    if "${" in text:
        # Where anything is expanded, a `}` of its own would end it too early.
        assert "}" not in re.sub(r"\$\{\w+\}", "", text)


def test_no_credentials_where_there_are_none() -> None:
    assert not {"http_user", "http_passwd", "aws_auth"} & set(both())
    assert [entry["name"] for entry in rendered()["env"]] == ["OPENSEARCH_HOST", "OPENSEARCH_PORT"]


def test_user_and_password_from_parameters_are_variables_too() -> None:
    opensearch = "url: 'https://h', auth: {ssm: {path: /a/b, region: eu-west-1}}"

    assert both(opensearch)["http_passwd"] == "${OPENSEARCH_PASSWORD}"
    assert [entry["name"] for entry in rendered(opensearch)["env"] if "uri" in entry] == [
        "OPENSEARCH_HOST", "OPENSEARCH_PORT", "OPENSEARCH_USER", "OPENSEARCH_PASSWORD"
    ]  # fmt: skip


def test_a_host_from_parameters_is_spoken_to_by_tls() -> None:
    found = both("auth: {ssm: {path: /a/b, region: eu-west-1}}, tls: {ca: /ca.pem}")

    assert (found["host"], found["port"]) == ("${OPENSEARCH_HOST}", "${OPENSEARCH_PORT}")
    assert (found["tls"], found["tls.verify"], found["tls.ca_file"]) == (True, True, "/ca.pem")
    assert "path" not in found


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", {}),
        (
            ", roleArn: 'arn:aws:iam::123456789012:role/w'",
            {"aws_role_arn": "arn:aws:iam::123456789012:role/w"},
        ),
    ],
)
def test_signed_requests(more: str, wanted: dict[str, str]) -> None:
    found = both(f"url: 'https://h', auth: {{sigv4: {{region: eu-west-1{more}}}}}")

    signed = {"aws_auth": "on", "aws_region": "eu-west-1", "aws_service_name": "es"}
    assert {key: value for key, value in found.items() if key.startswith("aws_")} == signed | wanted
    assert "http_user" not in found


@pytest.mark.parametrize(
    ("opensearch", "wanted"),
    [
        ("url: 'http://h'", {"tls": False}),
        ("url: 'http://h', tls: {ca: /ca}", {"tls": False}),
        ("url: 'https://h'", {"tls": True, "tls.verify": True, "tls.verify_hostname": True}),
        ("url: 'https://h', tls: {verify: false}", {"tls": True, "tls.verify": False}),
        (
            "url: 'https://h', tls: {ca: /ca}",
            {"tls": True, "tls.verify": True, "tls.verify_hostname": True, "tls.ca_file": "/ca"},
        ),
        (
            "url: 'https://h', tls: {verify: false}, auth: {mtls: {cert: /c, key: /k}}",
            {"tls": True, "tls.verify": False, "tls.crt_file": "/c", "tls.key_file": "/k"},
        ),
    ],
)
def test_tls(opensearch: str, wanted: dict[str, Any]) -> None:
    found = {key: value for key, value in both(opensearch).items() if key.startswith("tls")}

    assert found == wanted


def test_a_path_in_the_address() -> None:
    assert both("url: 'https://h/a/b'")["path"] == "/a/b"
    assert "path" not in both("url: 'https://h/'")


def test_plugins_of_the_users_own_come_last_and_as_they_are() -> None:
    inputs = "[{Name: mem, Tag: x.a, interval_sec: 60, on: true, list: [a, 1.5]}]"
    others = "filters: [{name: grep, match: x.*, regex: 'a ^\"%$'}], outputs: [{name: 'null', match: x.*}]"
    pipeline = rendered(rest=f"fluentbit: {{extra: {{inputs: {inputs}, {others}}}}}\n")["pipeline"]

    last = {"Name": "mem", "Tag": "x.a", "interval_sec": 60, "on": True, "list": ["a", 1.5]}
    assert pipeline["inputs"][-1] == last
    assert pipeline["filters"][-1] == {"name": "grep", "match": "x.*", "regex": 'a ^"%$'}
    assert pipeline["outputs"][-1] == {"name": "null", "match": "x.*"}
