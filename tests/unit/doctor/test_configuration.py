"""pipeline.yaml and its secrets."""

from pathlib import Path

import pytest

from sidecar.config import Config, loads
from sidecar.doctor import Finding, State, examine
from sidecar.doctor.configuration import configuration_area, references
from sidecar.doctor.inplace import dashboards_area


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


@pytest.mark.parametrize(
    ("manage", "state"),
    [
        ("true", State.FAIL),
        ("false", State.SKIP),
        ("{auth: {basic: {username: {env: TEST_MANAGER}, password: {env: TEST_MANAGER}}}}", State.SKIP),
    ],
)
def test_a_secret_of_who_puts_things_in_place_need_not_be_here(
    monkeypatch: pytest.MonkeyPatch, manage: str, state: State
) -> None:
    monkeypatch.delenv("TEST_MANAGER", raising=False)
    monkeypatch.delenv("TEST_URL", raising=False)
    config = pipeline(f"{SLACK}\ndashboards: {{url: 'http://d'}}", f", manage: {manage}")

    _, *found = found_in(config)

    assert {one.state for one in found} == {state}
    assert all(one.hint for one in found)
    [(_, [dashboards])] = examine([dashboards_area(config)])
    if "TEST_MANAGER" in manage:
        assert (dashboards.state, dashboards.text) == (State.SKIP, found[0].text)
    else:
        assert "can't be reached" in dashboards.text


def test_of_many_indices_some_are_named() -> None:
    routes = ", ".join(f"{{name: r{at}, namespaces: [n{at}], index: route-{at}}}" for at in range(20))

    [found] = found_in(pipeline(f"logs: {{routes: [{routes}]}}"))

    assert found.text.endswith("route-6-*, route-7-* and 13 more")


def test_a_key_without_effect_is_a_warning() -> None:
    found = found_in(pipeline("controlPlane: {auditLog: /var/log/audit.log}"))

    assert found[0].state is State.WARN
    assert found[0].hint == "has no effect, by what else the file says: controlPlane.auditLog"
