"""Fluent Bit is pointed at a closed port until the templates are there, and reloaded only when it must be."""

import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sidecar.agent import fluentbit, node, verdict
from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.node import Node
from sidecar.agent.output import write_file
from sidecar.agent.reloads import Reloads
from sidecar.agent.verdict import Verdict
from sidecar.config import loads
from sidecar.errors import AwsError, OpenSearchError, RenderError, SecretError, SidecarError
from sidecar.opensearch import Access
from sidecar.opensearch.credentials import Login
from sidecar.render import render
from tests.support.markers import secret
from tests.support.waiting import free_port
from tests.unit.agent.fake_fluent_bit import FakeFluentBit, hurry

CLOSED = {"OPENSEARCH_HOST": "127.0.0.1", "OPENSEARCH_PORT": "1"}
OPEN = {"OPENSEARCH_HOST": "opensearch.example", "OPENSEARCH_PORT": "9243"}
SECRET = secret("node")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(verdict, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(verdict, "LOST_SECONDS", 0.3)
    monkeypatch.setattr(fluentbit, "_TIMEOUT", 0.3)


def text(folder: Path, port: int, *, auth: bool = False, events: str = "") -> str:
    basic = ", auth: {basic: {username: {env: TEST_USER}, password: {env: TEST_PASSWORD}}}" if auth else ""
    return (
        f"cluster: c\nopensearch: {{url: 'https://opensearch.example:9243'{basic}}}\nevents: {{{events}}}\n"
        f"paths: {{state: '{folder}/state', run: '{folder}/run'}}\nfluentbit: {{port: {port}}}\n"
    )


def make(folder: Path, port: int, **options: Any) -> Node:
    config = loads(text(folder, port, **options))
    return Node(config, Access(config.opensearch, seconds=1))


def environment(folder: Path) -> dict[str, str]:
    """What Fluent Bit would read."""
    files = (folder / "run/environment").iterdir()
    return {path.name: path.read_text() for path in files if path.name.isupper()}


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TEST_USER", "admin")
    monkeypatch.setenv("TEST_PASSWORD", SECRET)
    return SECRET


def test_closed_first_then_open(tmp_path: Path) -> None:
    made = make(tmp_path, free_port())
    made.prepare()
    assert environment(tmp_path) == CLOSED
    made.open()
    assert environment(tmp_path) == OPEN


def test_a_fluent_bit_that_starts_between_two_files_does_not_send_what_has_no_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    made = make(tmp_path, port)
    made.prepare()
    made.open(starting=False)
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(node, "switch_link", lambda *_: seen.append(environment(tmp_path)))

    make(tmp_path, port, events="index: another").prepare()

    assert seen == [CLOSED]


def test_everything_is_there_before_fluent_bit_starts(tmp_path: Path) -> None:
    make(tmp_path, 2020).prepare()

    rendered = render(loads(text(tmp_path, 2020)))
    current = tmp_path / "run/current"
    assert {str(path.relative_to(current)) for path in current.rglob("*") if path.is_file()} == set(rendered)
    assert (current / "fluent-bit.yaml").read_text() == rendered["fluent-bit.yaml"]
    assert not current.readlink().is_absolute()  # Fluent Bit's container may mount the folder elsewhere.
    for folder in ("events", "fluent-bit/positions", "fluent-bit/chunks"):
        assert oct((tmp_path / "state" / folder).stat().st_mode & 0o7777) == "0o2770"


@pytest.mark.usefixtures("password")
def test_credentials_are_for_the_group_alone(tmp_path: Path) -> None:
    make(tmp_path, free_port(), auth=True).prepare()

    assert environment(tmp_path) == {**CLOSED, "OPENSEARCH_USER": "admin", "OPENSEARCH_PASSWORD": SECRET}
    for path in (tmp_path / "run/environment").iterdir():
        assert oct(path.stat().st_mode & 0o777) == "0o640"
    assert oct((tmp_path / "run/environment").stat().st_mode & 0o7777) == "0o2770"


@pytest.mark.usefixtures("password")
def test_the_password_is_in_its_file_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = make(tmp_path, free_port(), auth=True)
    made.prepare()
    made.open()

    holding = [path.name for path in tmp_path.rglob("*") if path.is_file() and SECRET in path.read_text()]
    assert holding == ["OPENSEARCH_PASSWORD"]
    assert SECRET not in caplog.text + repr(vars(made))


def test_a_password_with_a_variable_in_it_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_USER", "admin")
    monkeypatch.setenv("TEST_PASSWORD", "a${HOME}")
    make(tmp_path, free_port(), auth=True).prepare()

    assert environment(tmp_path)["OPENSEARCH_PASSWORD"] == "a${DOLLAR}{HOME${BRACE}"


def test_a_running_fluent_bit_is_reloaded_once_and_sees_the_open_address(tmp_path: Path) -> None:
    make(tmp_path, 2020).prepare()
    with FakeFluentBit(lambda: environment(tmp_path)) as fake:
        made = make(tmp_path, fake.port)
        made.prepare()
        made.open()
        made.open()

        assert fake.seen == [CLOSED, OPEN]


def test_a_restarted_sidecar_neither_closes_nor_reloads(tmp_path: Path) -> None:
    make(tmp_path, 2020).prepare()
    with FakeFluentBit(lambda: environment(tmp_path)) as fake:
        for _ in range(3):
            made = make(tmp_path, fake.port)
            made.prepare()
            made.open()

            assert environment(tmp_path) == OPEN
        assert fake.reloads == 1


@pytest.mark.usefixtures("password")
def test_another_password_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, 2020, auth=True).prepare()
    with FakeFluentBit(lambda: environment(tmp_path)["OPENSEARCH_PASSWORD"]) as fake:
        for value in (SECRET, "other", "other"):
            monkeypatch.setenv("TEST_PASSWORD", value)
            made = make(tmp_path, fake.port, auth=True)
            made.prepare()
            made.open()

        assert fake.seen == [SECRET, SECRET, "other"]


@pytest.mark.usefixtures("password")
def test_a_password_that_comes_back_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second sidecar never gets as far as opening; the third has the first one's password, and must not take its
    # marker for its own, because the address is closed.
    port = free_port()
    first = make(tmp_path, port, auth=True)
    first.prepare()
    first.open()
    monkeypatch.setenv("TEST_PASSWORD", "other")
    make(tmp_path, port, auth=True).prepare()
    monkeypatch.setenv("TEST_PASSWORD", SECRET)
    third = make(tmp_path, port, auth=True)
    third.prepare()
    third.open()

    assert environment(tmp_path) == {**OPEN, "OPENSEARCH_USER": "admin", "OPENSEARCH_PASSWORD": SECRET}


def test_another_configuration_is_loaded_again(tmp_path: Path) -> None:
    make(tmp_path, 2020).prepare()
    current = tmp_path / "run/current"
    with FakeFluentBit(current.resolve) as fake:
        for events in ("", "journal: 1GiB"):
            made = make(tmp_path, fake.port, events=events)
            made.prepare()
            made.open()

        assert fake.reloads == 2
        assert fake.seen[1] != fake.seen[2] == current.resolve()


def test_a_crash_between_reload_and_marker_asks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeFluentBit() as fake:
        made = make(tmp_path, fake.port)
        made.prepare()
        with monkeypatch.context() as patch:

            def crash(path: Path, content: str) -> None:
                if path.name == "loaded":
                    raise KeyboardInterrupt
                write_file(path, content)

            patch.setattr("sidecar.agent.node.write_file", crash)
            with pytest.raises(KeyboardInterrupt):
                made.open()
        again = make(tmp_path, fake.port)
        again.prepare()
        again.open()

        assert fake.reloads == 2
        assert environment(tmp_path) == OPEN


def test_a_fluent_bit_that_does_not_reload_is_asked_again(tmp_path: Path) -> None:
    with FakeFluentBit(reloads=False) as fake:
        made = make(tmp_path, fake.port)
        made.prepare()
        for _ in range(2):
            with pytest.raises(SidecarError, match="Fluent Bit does not reload"):
                made.open()


def test_a_fluent_bit_that_is_just_starting_is_reloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It has read the closed address, and its HTTP server is not up yet.
    with FakeFluentBit() as fake:
        answers = iter([False])
        is_running = FluentBit.is_running
        monkeypatch.setattr(FluentBit, "is_running", lambda self: next(answers, is_running(self)))
        made = make(tmp_path, fake.port)
        made.prepare()
        made.open()

        assert fake.reloads == 1


def test_a_fluent_bit_that_is_stopped_is_asked_again(tmp_path: Path) -> None:
    # SIGSTOP: the kernel takes connections, and nobody answers.
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = make(tmp_path, server.getsockname()[1])
        made.prepare()
        with pytest.raises(SidecarError, match="does not reload"):
            made.open()
        assert not (tmp_path / "run/environment/loaded").exists()


def test_a_secret_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="TEST_USER is not set"):
        make(tmp_path, 2020, auth=True).prepare()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["state", "run"])
def test_a_folder_that_can_not_be_made(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    with pytest.raises(RenderError, match=f"/{name}.*: can't be written: Not a directory .check space, owner"):
        make(tmp_path, 2020).prepare()


def test_an_environment_that_can_not_be_written(tmp_path: Path) -> None:
    made = make(tmp_path, free_port())
    made.prepare()
    (tmp_path / "run/environment/OPENSEARCH_HOST").unlink()
    (tmp_path / "run/environment/OPENSEARCH_HOST").mkdir()

    with pytest.raises(RenderError, match="can't be written: Is a directory"):
        made.open()


# --- What changes while it runs


def test_a_password_that_is_replaced_reaches_fluent_bit(tmp_path: Path) -> None:
    secrets = FakeSecrets("https://opensearch.example:9243", ("admin", "one"))
    prepared = Node(loads(text(tmp_path, 2020, auth=True)), secrets)
    prepared.prepare()
    with FakeFluentBit(lambda: environment(tmp_path)["OPENSEARCH_PASSWORD"]) as fake:
        made = Node(loads(text(tmp_path, fake.port, auth=True)), secrets)
        made.prepare()
        assert made.open()
        assert not made.open(starting=False)
        secrets.found = Login("https://opensearch.example:9243", ("admin", "two"))
        assert made.open(starting=False)
        assert not made.open(starting=False)
        assert fake.seen == ["one", "one", "two"]


def test_a_certificate_that_is_replaced_is_read_by_fluent_bit_too(tmp_path: Path) -> None:
    secrets = FakeSecrets("https://opensearch.example:9243")
    with FakeFluentBit() as fake:
        made = Node(loads(text(tmp_path, fake.port)), secrets)
        made.prepare()
        made.open()
        assert not made.open()
        secrets.print = "another"
        assert made.open()
        assert not made.open()
        assert fake.reloads == 2
        assert environment(tmp_path) == OPEN


def test_a_host_of_parameter_store_reaches_fluent_bit(tmp_path: Path) -> None:
    secrets = FakeSecrets("https://search-x.eu-west-1.es.amazonaws.com", ("admin", "one"), asks_aws=True)
    made = Node(loads(without_address(tmp_path)), secrets)
    made.prepare()
    made.open()
    assert environment(tmp_path) == {
        "OPENSEARCH_HOST": "search-x.eu-west-1.es.amazonaws.com",
        "OPENSEARCH_PORT": "443",
        "OPENSEARCH_USER": "admin",
        "OPENSEARCH_PASSWORD": "one",
    }


def test_a_parameter_store_that_is_away_at_the_start_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = FakeSecrets(asks_aws=True)
    made = Node(loads(without_address(tmp_path)), secrets)
    made.prepare()
    assert environment(tmp_path) == {**CLOSED, "OPENSEARCH_USER": "unknown", "OPENSEARCH_PASSWORD": "unknown"}
    assert "the credentials for OpenSearch can't be had yet: AWS: away" in caplog.text
    with pytest.raises(AwsError):
        made.open()
    secrets.found = Login("https://h", ("admin", "one"))
    made.open()
    assert environment(tmp_path)["OPENSEARCH_PASSWORD"] == "one"


def test_a_parameter_store_that_is_away_at_a_restart_closes_nothing(tmp_path: Path) -> None:
    secrets = FakeSecrets("https://h", ("admin", "one"), asks_aws=True)
    config = loads(without_address(tmp_path))
    first = Node(config, secrets)
    first.prepare()
    first.open()
    before = environment(tmp_path)
    secrets.found = None
    Node(config, secrets).prepare()
    assert environment(tmp_path) == before


def test_a_certificate_that_is_half_written_does_not_end_fluent_bit(tmp_path: Path) -> None:
    secrets = FakeSecrets("https://h", ("admin", "one"))
    with FakeFluentBit() as fake:
        made = Node(loads(text(tmp_path, fake.port, auth=True)), secrets)
        made.prepare()
        made.open()
        reloads = fake.reloads
        secrets.found, secrets.broken = Login("https://h", ("admin", "two")), "ca.pem can't be used"
        with pytest.raises(OpenSearchError, match="can't be used"):
            made.open()
        assert fake.reloads == reloads
        secrets.broken = ""
        assert made.open()
        assert environment(tmp_path)["OPENSEARCH_PASSWORD"] == "two"
        assert fake.reloads == reloads + 1


class FakeSecrets:
    """Address and credentials that a test changes; none, and AWS is away."""

    def __init__(self, url: str = "", basic: tuple[str, str] | None = None, asks_aws: bool = False) -> None:
        self.asks_aws = asks_aws
        self.found = Login(url, basic) if url else None
        self.print = ""
        self.broken = ""

    def login(self) -> Login:
        if self.found is None:
            raise AwsError("AWS: away")
        return self.found

    def fingerprint(self) -> str:
        return self.print

    def check(self) -> None:
        if self.broken:
            raise OpenSearchError(self.broken)


def without_address(folder: Path) -> str:
    return text(folder, free_port()).replace("url: 'https://opensearch.example:9243'", SSM)


SSM = "auth: {ssm: {path: /a/b, region: eu-west-1}}"


# Fluent Bit's HTTP server


def test_the_count_of_reloads() -> None:
    with FakeFluentBit() as fake:
        client = FluentBit(fake.port)

        assert client.reload_count() == 0
        assert Reloads(fake.port).reload() is Verdict.DONE
        assert client.reload_count() == 1
    assert client.reload_count() is None
    assert Reloads(fake.port).reload() is Verdict.ABSENT


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"x", b'{"hot_reload_count": "1"}', b'{"hot_reload_count": null}', b"\xff"]
)
def test_another_server_at_the_port(body: bytes) -> None:
    with FakeFluentBit(body=body) as fake:
        assert FluentBit(fake.port).reload_count() is None
        assert Reloads(fake.port).reload() is Verdict.SILENT
        assert fake.reloads == 0


def test_a_server_that_speaks_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert FluentBit(server.getsockname()[1]).reload_count() is None
        thread.join()


def test_no_proxy_of_the_environment() -> None:
    # In a process of its own: the environment is read when the module is loaded.
    code = (
        "import sys; from sidecar.agent.fluentbit import FluentBit; print(FluentBit(int(sys.argv[1])).reload_count())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment["http_proxy"] = f"http://127.0.0.1:{free_port()}"
    with FakeFluentBit() as fake:
        words = [sys.executable, "-c", code, str(fake.port)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "0\n"


def test_of_rendered_configurations_the_last_two_are_kept(tmp_path: Path) -> None:
    names = ("events-one", "events-two", "events-three")
    for index in names:
        make(tmp_path, 2020, events=f"index: {index}").prepare()
    kept = [path.read_text() for path in (tmp_path / "run/rendered").glob("*/manifest.json")]
    assert [sum(index in text for text in kept) for index in names] == [0, 1, 1]
    assert names[-1] in (tmp_path / "run/current/manifest.json").read_text()
