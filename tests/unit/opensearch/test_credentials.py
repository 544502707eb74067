"""Which login holds: when it is read again, and what happens where it can't be."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import loads
from sidecar.errors import AwsError, SecretError, SidecarError
from sidecar.opensearch.credentials import SSM, Credentials, Login, Pace, credentials_of
from tests.support.markers import secret

OLD, NEW = (Login("https://h", ("ada", secret(name))) for name in ("old", "new"))


class Shelf:
    """Where a login is; `steps` are what the next reads find, the last one is repeated."""

    def __init__(self, *steps: Login | SidecarError) -> None:
        self.steps = list(steps)
        self.reads = 0
        self.now = 100.0
        self.credentials = Credentials(self._read, Pace(look=10, again=5, least=1), lambda: self.now)

    def _read(self) -> Login:
        self.reads += 1
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, SidecarError):
            raise step
        return step

    def after(self, seconds: float, refused: Login | None = None) -> Login:
        self.now += seconds
        return self.credentials.login(refused)


def test_it_is_read_once_and_again_after_a_while() -> None:
    shelf = Shelf(OLD, OLD, NEW)
    assert [shelf.after(seconds) for seconds in (0, 7, 0.5)] == [OLD] * 3
    assert shelf.reads == 1
    assert shelf.after(10) is OLD
    assert shelf.after(10) is NEW
    assert shelf.credentials.known is NEW
    assert shelf.reads == 3


def test_one_that_is_refused_is_read_at_once_but_not_all_the_time() -> None:
    shelf = Shelf(OLD, OLD, NEW)
    shelf.after(0)
    assert shelf.after(1, refused=OLD) is OLD
    assert shelf.after(0.9, refused=OLD) is OLD
    assert shelf.reads == 2
    assert shelf.after(0.2, refused=OLD) is NEW
    assert shelf.reads == 3


def test_who_had_the_one_before_refused_gets_the_new_one_without_a_look() -> None:
    shelf = Shelf(OLD, NEW)
    shelf.after(0)
    assert [shelf.after(2, refused=OLD), shelf.after(2, refused=OLD)] == [NEW, NEW]
    assert shelf.reads == 2


def test_what_can_not_be_read_again_stays_as_it_was_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shelf = Shelf(OLD, AwsError("AWS: away"), AwsError("AWS: away"), AwsError("AWS: denied"), NEW)
    assert [shelf.after(seconds) for seconds in (0, 10, 5, 5)] == [OLD] * 4
    assert [record.getMessage() for record in caplog.records] == [
        "going on with the credentials as they were: AWS: away",
        "going on with the credentials as they were: AWS: denied",
    ]
    assert shelf.after(5) is NEW
    assert "have changed; the new ones are used" in caplog.text
    assert secret("") not in caplog.text + repr(shelf.credentials.known)


def test_what_could_never_be_read_is_tried_each_time() -> None:
    shelf = Shelf(AwsError("AWS: away"), AwsError("AWS: away"), OLD)
    for _ in range(2):
        with pytest.raises(AwsError, match="away"):
            shelf.after(0)
    assert shelf.after(0) is OLD


def test_nobody_waits_for_a_slow_look_who_has_something_to_go_on_with() -> None:
    begun, goes_on = threading.Event(), threading.Event()
    found = iter((OLD, NEW))
    now = [100.0]

    def read() -> Login:
        login = next(found)
        if login is NEW:
            begun.set()
            assert goes_on.wait(10)
        return login

    credentials = Credentials(read, Pace(look=10, again=5, least=1), lambda: now[0])
    credentials.login()
    now[0] += 10
    slow: list[Login] = []
    thread = threading.Thread(target=lambda: slow.append(credentials.login()))
    thread.start()
    assert begun.wait(10)
    assert credentials.login() is OLD
    goes_on.set()
    thread.join(10)
    assert slow == [NEW]
    assert credentials.login() is NEW


def test_the_parameter_store_is_asked_every_few_minutes() -> None:
    assert SSM.look == 300
    assert SSM.least >= 1


# --- Where they come from


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, tuple[str, ...], str]]]:
    """Puts parameters on the shelf; what was asked for is in the list that it returns."""

    def store(**values: str) -> list[tuple[str, tuple[str, ...], str]]:
        asked: list[tuple[str, tuple[str, ...], str]] = []

        class Stored:
            def __init__(self, path: str, names: tuple[str, ...], *, region: str) -> None:
                asked.append((path, names, region))

            def read(self) -> dict[str, str]:
                return values

        monkeypatch.setattr("sidecar.opensearch.credentials.Parameters", Stored)
        return asked

    return store


def login_of(section: str) -> Login:
    settings = loads(f"cluster: c\nopensearch: {{{section}}}\n").opensearch
    return credentials_of(settings, settings.auth).login()


SECTION = "auth: {ssm: {path: /eksworkshop/w/opensearch, region: eu-west-1}}"


def test_with_an_address_user_and_password_are_asked_for(stored: Any) -> None:
    asked = stored(user="ada", password="lovelace")
    assert login_of(f"url: 'https://h:9200/p', {SECTION}") == Login("https://h:9200/p", ("ada", "lovelace"))
    assert asked == [("/eksworkshop/w/opensearch", ("user", "password"), "eu-west-1")]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("search-x.eu-west-1.es.amazonaws.com", "https://search-x.eu-west-1.es.amazonaws.com"),
        ("search-x.eu-west-1.es.amazonaws.com:9243", "https://search-x.eu-west-1.es.amazonaws.com:9243"),
        (" https://search-x.eu-west-1.es.amazonaws.com/ ", "https://search-x.eu-west-1.es.amazonaws.com"),
        ("[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_without_an_address_the_host_is_a_parameter_too(stored: Any, host: str, url: str) -> None:
    asked = stored(user="ada", password="lovelace", host=host)
    assert login_of(SECTION) == Login(url, ("ada", "lovelace"))
    assert ("/eksworkshop/w/opensearch", ("user", "password", "host"), "eu-west-1") in asked


def test_a_managers_password_goes_with_the_host_of_the_others(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = stored(user="ada", password="lovelace", host="h")
    monkeypatch.setenv("THE_USER", "eve")
    settings = loads(f"cluster: c\nopensearch: {{{SECTION}}}\n").opensearch
    for section, basic in (
        ("{basic: {username: {env: THE_USER}, password: {env: THE_USER}}}", ("eve", "eve")),
        ("{ssm: {path: /managers, region: eu-west-2}}", ("ada", "lovelace")),
        ("{sigv4: {region: eu-west-1}}", None),
    ):
        other = loads(f"cluster: c\nopensearch: {{url: 'https://other', auth: {section}}}\n").opensearch.auth
        assert credentials_of(settings, other).login() == Login("https://h", basic)
    assert ("/managers", ("user", "password"), "eu-west-2") in asked
    assert {path for path, names, _ in asked if names == ("host",)} == {"/eksworkshop/w/opensearch"}


@pytest.mark.parametrize("host", [secret("a b"), "http://h", "h/p", "https://u:p@h", "h?x", ":9200", "https://"])
def test_a_host_that_is_none_is_refused_and_not_shown(stored: Any, host: str) -> None:
    stored(user="ada", password="lovelace", host=host)
    with pytest.raises(SecretError, match="the parameter /eksworkshop/w/opensearch/host is no host") as caught:
        login_of(SECTION)
    assert host not in str(caught.value)


def test_serverless_is_refused_there_too(stored: Any) -> None:
    stored(user="ada", password="lovelace", host="x.eu-west-1.aoss.amazonaws.com")
    with pytest.raises(SecretError, match=r"/eksworkshop/w/opensearch/host: OpenSearch Serverless"):
        login_of(SECTION)


def test_a_file_that_is_replaced_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_USER", "ada")
    file = tmp_path / "secrets" / "password"
    file.parent.mkdir()
    file.write_text(secret("one"))
    basic = f"auth: {{basic: {{username: {{env: THE_USER}}, password: {{file: {file}}}}}}}"
    settings = loads(f"cluster: c\nopensearch: {{url: 'https://h', {basic}}}\n").opensearch
    now = [0.0]
    credentials = credentials_of(settings, settings.auth, lambda: now[0])
    assert credentials.login().basic == ("ada", secret("one"))
    file.write_text(secret("two"))
    assert credentials.login().basic == ("ada", secret("one"))
    now[0] += 10
    assert credentials.login().basic == ("ada", secret("two"))


def test_a_login_shows_no_password() -> None:
    assert secret("") not in repr(OLD)
