"""Plugins of the user's own leave this project's pipelines alone, lose nothing silently, and hold no secret."""

import json
from typing import Any

import pytest

from tests.unit.config.pipelines import all_refused, config

INPUT = {"name": "dummy", "tag": "app"}
OUTPUT = {"name": "null", "match": "app"}
SECRET = "a secret is never written in the file; write ${NAME}, a variable of Fluent Bit's environment"


def section(**extra: list[dict[str, Any]]) -> str:
    return f"extra: {json.dumps(extra)}"


def problems(**extra: list[dict[str, Any]]) -> list[str]:
    found = all_refused(fluentbit=section(**extra))
    assert all(message.startswith("fluentbit.extra.") for message in found)
    return [message.removeprefix("fluentbit.extra.") for message in found]


def output_problems(**properties: Any) -> list[str]:
    return [message.removeprefix("outputs[0].") for message in problems(outputs=[OUTPUT | properties])]


def test_plugins_are_kept_as_they_are_written() -> None:
    plugin = {"Name": "tail", "Tag": "app.*", "path": "/a.log", "processors": {"logs": [{"name": "sql", "n": 1.5}]}}
    extra = config(fluentbit=section(inputs=[plugin], outputs=[{"name": "null", "match": "app.*"}])).fluentbit.extra
    assert extra.inputs == (plugin,)
    assert extra.filters == ()


@pytest.mark.parametrize(
    ("plugin", "wanted"),
    [
        ({"tag": "app"}, "inputs[0].name: is required"),
        ({"name": "dummy"}, "inputs[0].tag: is required"),
        (INPUT | {"name": 3}, "inputs[0].name: expected the name of a plugin, without variables and spaces"),
        (INPUT | {"name": "${X}"}, "inputs[0].name: expected the name of a plugin, without variables and spaces"),
        (INPUT | {"tag": "${X}"}, "inputs[0].tag: expected a tag, without variables and spaces"),
        (INPUT | {"tag": "a b"}, "inputs[0].tag: expected a tag, without variables and spaces"),
        (INPUT | {"tag": ""}, "inputs[0].tag: expected a tag, without variables and spaces"),
        (INPUT | {"Tag": "app"}, 'inputs[0].Tag: is the same property as "tag": case makes no difference'),
        (INPUT | {"samples": None}, "inputs[0].samples: has no value; give it one, or remove the key"),
        (INPUT | {"a": {"b": [1, None]}}, "inputs[0].a.b[1]: has no value; give it one, or remove the key"),
        (INPUT | {"routes": {"logs": []}}, "inputs[0].routes: is not supported here; use tag and match"),
    ],
)
def test_what_an_input_refuses(plugin: dict[str, Any], wanted: str) -> None:
    assert problems(inputs=[plugin], outputs=[OUTPUT]) == [wanted]


@pytest.mark.parametrize("tag", ["events", "events.x", "logs", "logs-mine", "fluent-sidecar.tick", "*", "l*", "*.app"])
def test_tags_of_this_project(tag: str) -> None:
    wanted = f'inputs[0].tag: "{tag}" could be a tag of this project\'s own; begin it with something else'
    assert problems(inputs=[INPUT | {"tag": tag}], outputs=[OUTPUT]) == [wanted]


@pytest.mark.parametrize("outputs", [[], [{"name": "null", "match": "other"}], [{"name": "null", "match": "app.*"}]])
def test_a_tag_that_nothing_matches(outputs: list[dict[str, Any]]) -> None:
    assert problems(inputs=[INPUT], outputs=outputs) == [
        'inputs[0].tag: no output in fluentbit.extra matches "app": Fluent Bit would delete its records'
    ]


@pytest.mark.parametrize("kind", ["filters", "outputs"])
@pytest.mark.parametrize("match", ["*", "logs", "logs*", "e*", "*.tick", "fluent-sidecar.tick", "*s"])
def test_nothing_takes_records_of_this_project(kind: str, match: str) -> None:
    [problem] = problems(**{kind: [{"name": "null", "MATCH": match}]})
    assert problem.startswith(
        f'{kind}[0].MATCH: "{match}" could take this project\'s own records, whose tags begin with '
    )


@pytest.mark.parametrize("match", ["app", "app*", "ap*.x", "log", "event", "audit.*"])
def test_what_may_be_matched(match: str) -> None:
    assert config(fluentbit=section(filters=[{"name": "grep", "match": match}])).fluentbit.extra.filters


@pytest.mark.parametrize(
    ("properties", "wanted"),
    [
        ({"match": None}, ["match: expected a tag, with '*' for any part, without variables and spaces"]),
        ({"match": ["app"]}, ["match: expected a tag, with '*' for any part, without variables and spaces"]),
        ({"match": "${M}"}, ["match: expected a tag, with '*' for any part, without variables and spaces"]),
        ({"match_regex": ".*"}, ["match_regex: is not supported here, because what it takes can't be told; use match"]),
        ({"alias": "logs"}, ['alias: "logs" could be one of this project\'s own; begin it with something else']),
        ({"alias": "a b"}, ["alias: expected a name of letters, digits, '_' and '-'"]),
    ],
)
def test_what_an_output_refuses(properties: dict[str, Any], wanted: list[str]) -> None:
    found = output_problems(**properties)
    assert [text for text in found if "has no value" not in text] == wanted


def test_an_alias_is_there_once() -> None:
    assert problems(inputs=[INPUT | {"alias": "a"}], outputs=[OUTPUT | {"Alias": "a"}]) == [
        'outputs[0].Alias: "a" is the alias of inputs[0] already'
    ]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("$a ^b$ app.new false", None),
        ("$a ^b$ logs false", '"logs" could be a tag of this project\'s own'),
        ("$a ^b$ other false", 'no output in fluentbit.extra matches "other"'),
        ("$a ^b$ app.$x false", "expected four words"),
        ("$a ^b$", "expected four words"),
        (3, "expected four words"),
    ],
)
def test_a_filter_that_gives_new_tags(rule: object, wanted: str | None) -> None:
    plugins: dict[str, list[dict[str, Any]]] = {
        "filters": [{"name": "Rewrite_Tag", "match": "app", "rule": [rule]}],
        "outputs": [{"name": "null", "match": "app*"}],
    }
    if wanted is None:
        assert config(fluentbit=section(**plugins)).fluentbit.extra.filters
    else:
        [problem] = problems(**plugins)
        assert problem.startswith(f"filters[0].rule[0]: {wanted}")


# Secrets


@pytest.mark.parametrize(
    "key",
    [
        *("http_passwd", "HTTP_Passwd", "password", "bearer_token", "splunk_token", "http_token", "apikey", "api_key"),
        *("shared_key", "sas_token", "license_key", "client_secret", "oauth2.client_secret", "tls.key_passwd"),
        *("rdkafka.sasl.password", "service_account_secret", "access_key", "account_key", "auth_token"),
    ],
)
@pytest.mark.parametrize("value", ["hunter2", 12345, "x${A}", "${A", "$A", "${A B}", ["hunter2"], {"x": "hunter2"}])
def test_a_secret_is_a_variable(key: str, value: Any) -> None:
    inner = "[0]" if isinstance(value, list) else ".x" if isinstance(value, dict) else ""
    shown = f'"{key}"' if "." in key else key
    [problem] = output_problems(**{key: value})
    assert problem.endswith(f"{shown}{inner}: {SECRET}")
    assert "hunter2" not in problem
    assert config(fluentbit=section(outputs=[OUTPUT | {key: "${A}"}])).fluentbit.extra.outputs


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("header", "Authorization Bearer hunter2"),
        ("header", ["Accept text", "X-Api-Key hunter2"]),
        ("headers", "Cookie hunter2"),
        ("uri", "https://user:hunter2@h/x"),
        ("proxy", "http://user:hunter2@h"),
    ],
)
def test_a_secret_in_another_value(key: str, value: Any) -> None:
    [problem] = output_problems(**{key: value})
    assert problem.endswith(SECRET)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("time_key", "t"),
        ("path_key", "path"),
        ("tag_key", "tag"),
        ("splunk_token_key", "token"),
        ("kube_token_file", "/var/run/token"),
        ("kube_token_ttl", "10m"),
        ("tls.key_file", "/run/tls.key"),
        ("google_service_credentials", "/run/credentials.json"),
        ("store_token_in_metadata", True),
        ("oauth2.token_url", "https://h/token"),
        ("header", "Authorization Bearer ${TOKEN}"),
        ("header", "Accept text"),
        ("uri", "https://h/x"),
        ("uri", "https://${USER}:${PASSWORD}@h/x"),
        ("http_user", "fluent"),
    ],
)
def test_what_is_no_secret(key: str, value: Any) -> None:
    assert config(fluentbit=section(outputs=[OUTPUT | {key: value}])).fluentbit.extra.outputs[0][key] == value
