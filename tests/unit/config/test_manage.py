"""`opensearch.manage`: a switch, or the credentials of who manages instead."""

import pytest

from sidecar.config import Config, loads
from sidecar.errors import ConfigError

BASIC = "basic: {username: {env: U}, password: {env: P}}"
MTLS = "mtls: {cert: /c, key: /k}"


def load(manage: str, url: str = "https://h") -> Config:
    return loads(f"cluster: c\nopensearch:\n  url: {url}\n  auth: {{{BASIC}}}\n  manage: {manage}\n")


@pytest.mark.parametrize(("written", "leader"), [("true", True), ("false", False), (f"{{auth: {{{MTLS}}}}}", False)])
def test_the_leader_manages_only_with_credentials_of_its_own(written: str, leader: bool) -> None:
    config = load(written).opensearch
    assert config.leader_manages is leader
    assert bool(config.manager_auth.mtls) is ("auth" in written)
    assert bool(config.manager_auth.basic) is ("auth" not in written)
    assert config.auth.basic


@pytest.mark.parametrize(
    ("written", "url", "problem"),
    [
        ("yes", "https://h", 'opensearch.manage: expected true or false, found "yes"'),
        ("1", "https://h", "opensearch.manage: expected true or false, found 1"),
        ("{}", "https://h", "opensearch.manage.auth: is required"),
        ("{auht: {}}", "https://h", 'opensearch.manage.auht: unknown key; did you mean "auth"?'),
        (f"{{auth: {{{BASIC}, {MTLS}}}}}", "https://h", "opensearch.manage.auth.mtls: at most one kind of credentials"),
        (f"{{auth: {{{MTLS}}}}}", "http://h", "opensearch.manage.auth.mtls: a client certificate needs a url that"),
        ("{auth: {basic: {username: u, password: {env: P}}}}", "https://h", "a secret is never written in the file"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(written: str, url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written, url)
    assert problem in str(refused.value)
    assert "pipeline.yaml:5:" in str(refused.value)
    assert "<" not in str(refused.value)
