"""pipeline.yaml and its secrets."""

from pathlib import Path

import pytest

from sidecar.config import Config, loads
from sidecar.doctor import Finding, State, examine
from sidecar.doctor.configuration import configuration_area, references


def pipeline(rest: str = "", opensearch: str = "") -> Config:
    return loads(f"cluster: c\nopensearch: {{url: 'http://h'{opensearch}}}\n{rest}")


BASIC = ", auth: {basic: {username: {env: TEST_USER}, password: {file: /no/such/file}}}"
SLACK = "alerts: {channel: {slack: {url: {env: TEST_URL}}}}"


def found_in(config: Config) -> list[Finding]:
    [(_, found)] = examine([configuration_area(config, "pipeline.yaml")])
    return found


def test_every_reference_is_found_with_its_path() -> None:
    assert [path for path, _ in references(pipeline(SLACK, BASIC))] == [
        "opensearch.auth.basic.username",
        "opensearch.auth.basic.password",
        "alerts.channel.slack.url",
    ]


def test_it_names_cluster_and_indices() -> None:
    first, *rest = found_in(pipeline("logs: {enabled: false}"))

    assert (first.name, first.state) == ("pipeline.yaml", State.OK)
    assert first.text == "cluster c; indices eks-kubernetes-events-*, eks-control-plane-logs-*"
    assert rest == []


def test_each_secret_that_cant_be_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TEST_USER", raising=False)
    secret = tmp_path / "url"
    secret.write_text("https://hooks.example/x")
    text = SLACK.replace("{env: TEST_URL}", f"{{file: '{secret}'}}")

    _, *found = found_in(pipeline(text, BASIC))

    assert [(one.state, one.text) for one in found] == [
        (State.FAIL, "opensearch.auth.basic.username: the environment variable TEST_USER is not set, or empty"),
        (State.FAIL, "opensearch.auth.basic.password: /no/such/file can't be read: No such file or directory"),
        (State.OK, "1 can be read"),
    ]
    assert all(one.hint for one in found if one.state is State.FAIL)


def test_a_key_without_effect_is_a_warning() -> None:
    found = found_in(pipeline("controlPlane: {auditLog: /var/log/audit.log}"))

    assert found[0].state is State.WARN
    assert found[0].hint == "has no effect, by what else the file says: controlPlane.auditLog"
