"""The way to OpenSearch: each thing that can be wrong with it says so in its own words."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.config import Config, loads
from sidecar.doctor import Finding, State, wire
from sidecar.doctor.wire import certificate_verdict, distrust, handshake, no_tls, reach
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.tls import Certificate, make_certificate
from tests.support.waiting import free_port


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), days=100)


def shake(port: int, more: str = "") -> Finding:
    config: Config = loads(f"cluster: c\nopensearch: {{url: 'https://127.0.0.1:{port}'{more}}}")
    return handshake("127.0.0.1", port, config.opensearch.tls, config.opensearch.auth.mtls)


def test_something_listens() -> None:
    with FakeOpenSearch() as server:
        assert reach("127.0.0.1", server.port).state is State.OK


def test_nothing_listens() -> None:
    found = reach("127.0.0.1", free_port())

    assert found.state is State.FAIL
    assert "Connection refused" in found.text
    assert "is OpenSearch up" in found.hint


def test_a_name_that_nobody_knows() -> None:
    found = reach("no-such-host.invalid", 9200)

    assert found.state is State.FAIL
    assert found.text.startswith("the name no-such-host.invalid is not known: ")
    assert "check the host in opensearch.url" in found.hint


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        yield listening.getsockname()[1]


def test_no_answer_in_time(deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_SECONDS", 0.1)
    found = shake(deaf)

    assert found.state is State.FAIL
    assert found.text == "no handshake within 0.1 s"


def test_a_firewall_that_swallows_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_arguments: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    found = reach("10.0.0.1", 9200)

    assert found.text == "10.0.0.1:9200 doesn't answer within 3 s"
    assert "security group" in found.hint


def test_a_certificate_that_is_trusted(certificate: Certificate) -> None:
    with FakeOpenSearch(tls=certificate.context) as server:
        found = shake(server.port, f", tls: {{ca: {certificate.file}}}")

    assert found.state is State.OK
    assert found.text.startswith("the certificate is trusted, until 20")


def test_a_ca_that_is_not_the_servers(certificate: Certificate, tmp_path: Path) -> None:
    other = make_certificate(tmp_path)
    with FakeOpenSearch(tls=certificate.context) as server:
        found = shake(server.port, f", tls: {{ca: {other.file}}}")

    assert found.state is State.FAIL
    assert found.text.startswith(f"the server's certificate isn't signed by the CA in {other.file}: ")
    assert found.hint == "name the file with the CA that signed it in opensearch.tls.ca"


def test_no_ca_is_named(certificate: Certificate) -> None:
    with FakeOpenSearch(tls=certificate.context) as server:
        found = shake(server.port)

    assert found.text.startswith("the server's certificate isn't signed by a CA that this system trusts: ")


def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    old = make_certificate(tmp_path, days=-1)
    with FakeOpenSearch(tls=old.context) as server:
        found = shake(server.port, f", tls: {{ca: {old.file}}}")

    assert found.text == "the server's certificate can't be verified: certificate has expired"
    assert found.hint == "renew it; if it is new, is this host's clock right?"


def test_a_certificate_for_another_host(tmp_path: Path) -> None:
    other = make_certificate(tmp_path, host="opensearch.example")
    with FakeOpenSearch(tls=other.context) as server:
        found = shake(server.port, f", tls: {{ca: {other.file}}}")

    assert found.text.startswith("the server's certificate is not for 127.0.0.1: ")
    assert found.hint == "write the host in opensearch.url as the certificate has it"


def test_a_file_that_is_not_there_is_named(certificate: Certificate) -> None:
    pair = f"cert: {certificate.file}, key: /no/key"
    found = shake(1, f", tls: {{ca: {certificate.file}}}, auth: {{mtls: {{{pair}}}}}")

    text = "opensearch.auth.mtls: /no/key can't be used: No such file or directory"
    assert (found.state, found.text) == (State.FAIL, text)


def test_a_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    text = f"opensearch.tls.ca: {tmp_path / 'ca.pem'} can't be used: there is no certificate in it"
    assert shake(1, f", tls: {{ca: {tmp_path / 'ca.pem'}}}").text == text


@pytest.mark.parametrize("reason", ["WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"])
def test_what_is_no_tls_speaks_http(reason: str) -> None:
    assert no_tls(reason).text == "the server speaks HTTP, not HTTPS"


def test_plain_http_at_a_port_for_https() -> None:
    with FakeOpenSearch() as server:
        found = shake(server.port)

    assert found.state is State.FAIL
    assert found.text == "the server speaks HTTP, not HTTPS"
    assert found.hint == "write http:// in opensearch.url"


def test_a_certificate_that_is_not_checked(certificate: Certificate) -> None:
    with FakeOpenSearch(tls=certificate.context) as server:
        found = shake(server.port, ", tls: {verify: false}")

    assert found.state is State.WARN
    assert "whoever is in between can read all" in found.text


def test_a_ca_file_that_is_missing(tmp_path: Path) -> None:
    found = shake(1, f", tls: {{ca: {tmp_path}/none}}")

    assert found.state is State.FAIL
    assert "opensearch.tls.ca" in found.text


def test_a_certificate_that_ends_soon() -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)

    found = certificate_verdict({"notAfter": "May 10 00:00:00 2026 GMT"}, verify=True, now=now)

    assert (found.state, found.text) == (State.WARN, "the certificate expires in 6 days, on 2026-05-10")


@pytest.mark.parametrize("reason", ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"])
def test_a_server_that_wants_a_client_certificate(reason: str) -> None:
    assert "client certificate" in no_tls(reason).hint


def test_a_certificate_of_another_name() -> None:
    assert distrust(62, "Hostname mismatch", "h", None).text == (
        "the server's certificate is not for h: Hostname mismatch"
    )
