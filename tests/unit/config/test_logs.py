"""The `logs` section: what each key allows."""

from datetime import timedelta

import pytest

from sidecar.config.logs import MULTILINE_RULES, RedactRule
from tests.unit.config.pipelines import all_refused, config, refused


def test_defaults() -> None:
    logs = config().logs
    assert (logs.enabled, logs.index, logs.rotate, logs.metadata) == (True, "eks-pod-logs", "daily", "api")
    assert (logs.json_, logs.level, logs.redact, logs.routes, logs.systemd) == (True, True, (), (), ())
    assert (logs.max_line, logs.limit, logs.multiline_timeout) == (2**20, None, timedelta(seconds=5))
    assert logs.multiline == MULTILINE_RULES
    assert (logs.include.namespaces, logs.exclude.labels) == ((), {})


# include, exclude


def test_what_to_select() -> None:
    text = "namespaces: [kube-*], pods: [a.b-0], containers: ['*'], labels: {app.kubernetes.io/name: ui, tier: ''}"
    include = config(logs=f"include: {{{text}}}").logs.include
    assert (include.namespaces, include.pods, include.containers) == (("kube-*",), ("a.b-0",), ("*",))
    assert dict(include.labels) == {"app.kubernetes.io/name": "ui", "tier": ""}


@pytest.mark.parametrize("key", ["namespaces", "pods", "containers"])
def test_no_names_of_kubernetes(key: str) -> None:
    for name in ("", "A", "a?", "a_b", "[a]"):
        wanted = f"logs.include.{key}[0]: expected a name as Kubernetes has it, lower-case letters, digits, '-' and '.'"
        assert refused(logs=f"include: {{{key}: ['{name}']}}").startswith(wanted)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a/b/c", "/a", "a/", "A/b", "a" * 64, "é"])
def test_no_names_of_labels(name: str) -> None:
    wanted = f': expected the name of a label, such as app.kubernetes.io/name; found "{name[:60]}'
    assert wanted in refused(logs=f"include: {{labels: {{'{name}': x}}}}")


@pytest.mark.parametrize("value", ["-a", "a b", "a/b", "a" * 64, "é", "*"])
def test_no_values_of_labels(value: str) -> None:
    wanted = "logs.include.labels.app: expected the value of a label: at most 63 letters, digits, and '-', '_', '.'"
    assert refused(logs=f"include: {{labels: {{app: '{value}'}}}}").startswith(wanted)


def test_a_list_is_a_list_and_a_map_a_map() -> None:
    assert all_refused(logs="include: {pods: a, containers: {a: b}, labels: [a], namespaces: }") == [
        "logs.include.pods: expected a list, found text",
        "logs.include.containers: expected a list, found a map",
        "logs.include.labels: expected a map, found a list",
        "logs.include.namespaces: expected a list, found nothing",
    ]


# multi-line


def test_rules_of_ones_own() -> None:
    logs = config(
        logs="multiline: [java, own], multilineRules: [{name: own, start: '^a'}, {name: b, continue: '^ '}]"
    ).logs
    assert [(rule.name, rule.start, rule.continue_) for rule in logs.multiline_rules] == [
        ("own", "^a", None),
        ("b", None, "^ "),
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("multiline: [jave]", 'multiline[0]: there is no multi-line rule "jave"; did you mean "java"?'),
        (
            "multiline: [perl]",
            'multiline[0]: there is no multi-line rule "perl"; there are java, python, go, ruby, dotnet',
        ),
        ("multiline: [go, java, go]", 'multiline[2]: "go" is there already, at multiline[0]'),
        ("multilineRules: [{name: go, start: a}]", 'multilineRules[0].name: "go" is built in; choose another name'),
        (
            "multilineRules: [{name: a, start: a}, {name: a, start: b}]",
            'multilineRules[1].name: "a" is there already, at multilineRules[0]',
        ),
        ("multilineRules: [{name: a}]", "multilineRules[0]: a rule needs start, continue, or both"),
        (
            "multilineRules: [{name: a, start: }]",
            "multilineRules[0].start: has no value; give it one, or remove the key",
        ),
        ("multilineTimeout: 999ms", "multilineTimeout: multilineTimeout must be 1s to 1m"),
        ("multilineTimeout: 61s", "multilineTimeout: multilineTimeout must be 1s to 1m"),
    ],
)
def test_what_multiline_refuses(text: str, wanted: str) -> None:
    assert refused(logs=text) == f"logs.{wanted}"


@pytest.mark.parametrize("name", ["", "none", "A", "a,b", "a b", "-a", "a" * 64])
def test_no_names_of_rules(name: str) -> None:
    wanted = "logs.multilineRules[0].name: expected a name of at most 63 lower-case letters, digits and '-' within"
    assert refused(logs=f"multilineRules: [{{name: '{name}', start: a}}]").startswith(wanted)


# redaction


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("redact: [{name: a}]", "redact[0].pattern: is required"),
        ("redact: [3]", "redact[0]: expected a map, found 3"),
        ("redact: [{name: a, patern: b, pattern: c}]", 'redact[0].patern: unknown key; did you mean "pattern"?'),
        (
            "redact: [{name: a, pattern: b}, {name: a, pattern: c}]",
            'redact[1].name: "a" is there already, at redact[0]',
        ),
        (
            'redact: [{name: a, pattern: b, replace: "a\\nb"}]',
            "redact[0].replace: expected at most 100 printable characters",
        ),
    ],
)
def test_what_redact_refuses(text: str, wanted: str) -> None:
    assert refused(logs=text) == f"logs.{wanted}"


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ("secret", 'redact[1]: there is no preset "secret"; did you mean "secrets"?'),
        ("jwt", 'redact[1]: "jwt" is there already, at redact[0]'),
        ("{name: jwt, pattern: a}", 'redact[1].name: "jwt" is a preset; choose another name'),
        ("{name: secrets, pattern: a}", 'redact[1].name: "secrets" is a preset; choose another name'),
        ("{name: a, pattern: '(b'}", "redact[1].pattern: column 1: this group is never closed"),
        ("{name: a, pattern: '(b)', replace: '\\2'}", "redact[1].replace: \\2 names no group of the pattern"),
        ("{name: a, pattern: ''}", "redact[1].pattern: a pattern can't be empty"),
    ],
)
def test_presets_and_patterns(item: str, wanted: str) -> None:
    assert refused(logs=f"redact: [jwt, {item}]").startswith(f"logs.{wanted}")


@pytest.mark.parametrize("key", ["start", "continue"])
def test_patterns_of_multiline_rules(key: str) -> None:
    wanted = f"logs.multilineRules[0].{key}: column 1: a lookahead can't be translated"
    assert refused(logs=f"multilineRules: [{{name: a, {key}: '(?=a)'}}]").startswith(wanted)


def test_presets_groups_and_own_patterns_go_together() -> None:
    redact = config(logs="redact: [secrets, email, {name: a, pattern: '(b)c', replace: '\\1'}]").logs.redact
    assert redact[:2] == ("secrets", "email")


def test_a_pattern_of_ones_own() -> None:
    [rule] = config(logs="redact: [{name: card, pattern: '[0-9]+'}]").logs.redact
    assert isinstance(rule, RedactRule)
    assert (rule.name, rule.pattern, rule.replace) == ("card", "[0-9]+", "***")


# limits, systemd


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("maxLine: 4095B", "maxLine: maxLine must be 4KiB to 4MiB"),
        ("maxLine: 4097KiB", "maxLine: maxLine must be 4KiB to 4MiB"),
        ("limit: 1023KiB", "limit: limit must be at least 1MiB a minute"),
        ("limit: ", "limit: has no value; give it one, or remove the key"),
        ("metadata: kubelet", 'metadata: expected api or path, found "kubelet"'),
    ],
)
def test_what_is_out_of_bounds(text: str, wanted: str) -> None:
    assert refused(logs=text) == f"logs.{wanted}"


def test_units_of_systemd() -> None:
    assert config(logs="systemd: [kubelet.service, 'getty@tty1.service']").logs.systemd[1] == "getty@tty1.service"


@pytest.mark.parametrize(
    "unit", ["", "kubelet", ".service", "a/b.service", "a b.service", "é.service", "*.service", "$A.service"]
)
def test_no_units_of_systemd(unit: str) -> None:
    wanted = "logs.systemd[0]: expected the name of a systemd unit, such as kubelet.service"
    assert refused(logs=f"systemd: ['{unit}']").startswith(wanted)
