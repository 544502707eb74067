"""A password or a certificate that is replaced while the client runs is used, without a restart."""

import logging
import shutil
from pathlib import Path

import pytest

from sidecar.config import loads
from sidecar.errors import AwsError, OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import trust
from sidecar.opensearch.access import Access
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.credentials import Login
from tests.support.fakes.server import Exchange, Scripted, says
from tests.support.fakes.tls import Certificate, make_certificate
from tests.support.markers import secret

REFUSED = says(401, b"Unauthorized")
GOOD = says(200, {"ok": 1})


class Machine:
    """A client, the files that it reads, and a clock."""

    def __init__(self, folder: Path, url: str, more: str = "", auth: str | None = None) -> None:
        self.now = 0.0
        (folder / "secrets").mkdir(exist_ok=True)
        self.password = folder / "secrets" / "password"
        self.password.write_text(secret("one"))
        (folder / "secrets" / "user").write_text("ada")
        basic = f"{{basic: {{username: {{file: {folder}/secrets/user}}, password: {{file: {self.password}}}}}}}"
        text = f"cluster: c\nopensearch: {{url: '{url}', auth: {auth or basic}{more}}}\n"
        self.access = Access(loads(text).opensearch, seconds=5, clock=lambda: self.now)
        self.client = Client(access=self.access)

    def ask(self) -> object:
        return self.client.request("POST", "/x", {"a": 1})


def test_a_new_password_is_used_at_once_when_the_old_one_is_refused(tmp_path: Path) -> None:
    with Scripted(GOOD, REFUSED, GOOD) as server:
        machine = Machine(tmp_path, server.url)
        machine.ask()
        machine.password.write_text(secret("two"))
        machine.now += 2
        assert machine.ask() == {"ok": 1}
        machine.client.close()
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent[0] == sent[1] != sent[2]
    assert {request.body for request in server.requests} == {b'{"a":1}'}


def test_the_same_password_is_not_sent_again(tmp_path: Path) -> None:
    with Scripted(REFUSED) as server:
        machine = Machine(tmp_path, server.url)
        with pytest.raises(RefusedError, match="refuses user and password"):
            machine.ask()
        machine.client.close()
    assert len(server.requests) == 1


def test_two_new_ones_that_are_refused_end_in_an_error(tmp_path: Path) -> None:
    with Scripted(GOOD, REFUSED) as server:
        machine = Machine(tmp_path, server.url)
        machine.ask()
        for number in range(2):
            machine.now += 2
            machine.password.write_text(secret(str(number)))
            with pytest.raises(RefusedError):
                machine.ask()
        machine.client.close()
    assert len(server.requests) == 5


def test_a_new_password_is_used_without_a_refusal_too(tmp_path: Path) -> None:
    with Scripted(GOOD) as server:
        machine = Machine(tmp_path, server.url)
        machine.ask()
        machine.password.write_text(secret("two"))
        machine.now += 10
        machine.ask()
        machine.client.close()
    first, second = server.requests
    assert first.headers["authorization"] != second.headers["authorization"]


def test_a_password_that_is_gone_is_used_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Scripted(GOOD) as server:
        machine = Machine(tmp_path, server.url)
        machine.ask()
        machine.password.unlink()
        machine.now += 10
        assert machine.ask() == {"ok": 1}
        machine.client.close()
    assert "going on with the credentials as they were" in caplog.text


def test_a_connection_is_kept_as_long_as_nothing_changes(tmp_path: Path) -> None:
    ports = []

    def step(exchange: Exchange) -> None:
        ports.append(exchange._handler.client_address[1])
        exchange.json({})

    with Scripted(step) as server:
        machine = Machine(tmp_path, server.url)
        for _ in range(5):
            machine.now += 60
            machine.ask()
        machine.client.close()
    assert len(set(ports)) == 1


def test_what_can_not_be_had_from_aws_is_worth_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login: list[Login | None] = [None]

    class Away:
        def __init__(self, *_: object, **__: object) -> None: ...

        def read(self) -> dict[str, str]:
            if login[0] is None:
                raise AwsError("AWS: SSM is away", hint="wait")
            return {"user": "ada", "password": "x", "host": "h"}

    monkeypatch.setattr("sidecar.opensearch.credentials.Parameters", Away)
    text = "cluster: c\nopensearch: {auth: {ssm: {path: /a/b, region: eu-west-1}}}\n"
    access = Access(loads(text).opensearch, seconds=1)
    with pytest.raises(OpenSearchUnavailable) as caught:
        Client(access=access).request("GET", "/")
    assert str(caught.value) == "OpenSearch at the host in /a/b/host: AWS: SSM is away (wait)"
    login[0] = Login("")
    assert access.login().url == access.url == "https://h"
    assert access.kind == "ssm"
    assert len(list(tmp_path.iterdir())) == 0


# --- Certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture
def tls(tmp_path: Path, authority: Certificate) -> Path:
    """A folder with the files that pipeline.yaml names."""
    folder = tmp_path / "tls"
    folder.mkdir()
    shutil.copy(authority.file, folder / "ca.pem")
    return folder


def lay(certificate: Certificate, folder: Path) -> None:
    shutil.copy(certificate.file, folder / "cert.pem")
    shutil.copy(certificate.key, folder / "key.pem")


def certified(folder: Path, url: str, tls: Path) -> Machine:
    mtls = f"{{mtls: {{cert: {tls}/cert.pem, key: {tls}/key.pem}}}}"
    return Machine(folder, url, f", tls: {{ca: {tls}/ca.pem}}", mtls)


def test_a_renewed_client_certificate_is_used(tmp_path: Path, authority: Certificate, tls: Path) -> None:
    lay(make_certificate(tmp_path, "old", issuer=authority, days=-1), tls)
    server_side = make_certificate(tmp_path, "server", issuer=authority)
    with Scripted(GOOD, tls=server_side.demanding(authority)) as server:
        machine = certified(tmp_path, server.url, tls)
        with pytest.raises(OpenSearchUnavailable, match="can't be reached"):
            machine.ask()
        before = machine.access.fingerprint()
        lay(make_certificate(tmp_path, "new", issuer=authority), tls)
        machine.now += trust.CHECK_SECONDS
        assert machine.ask() == {"ok": 1}
        assert machine.access.fingerprint() != before
        machine.client.close()


def test_a_new_ca_is_trusted_and_the_old_one_no_longer(tmp_path: Path, authority: Certificate, tls: Path) -> None:
    other = make_certificate(tmp_path, "other")
    old, new = make_certificate(tmp_path, "o", issuer=authority), make_certificate(tmp_path, "n", issuer=other)
    with Scripted(GOOD, tls=old.context) as before, Scripted(GOOD, tls=new.context) as after:
        first = Machine(tmp_path, before.url, f", tls: {{ca: {tls}/ca.pem}}")
        second = Machine(tmp_path, after.url, f", tls: {{ca: {tls}/ca.pem}}")
        assert first.ask() == {"ok": 1}
        with pytest.raises(OpenSearchError, match="certificate can't be verified"):
            second.ask()
        shutil.copy(other.file, tls / "ca.pem")
        first.now = second.now = trust.CHECK_SECONDS
        assert second.ask() == {"ok": 1}
        with pytest.raises(OpenSearchError, match="certificate can't be verified"):
            first.ask()


def test_half_of_a_new_pair_changes_nothing(
    tmp_path: Path, authority: Certificate, tls: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lay(make_certificate(tmp_path, "old", issuer=authority), tls)
    new = make_certificate(tmp_path, "new", issuer=authority)
    with Scripted(GOOD, tls=make_certificate(tmp_path, "s", issuer=authority).demanding(authority)) as server:
        machine = certified(tmp_path, server.url, tls)
        machine.ask()
        before = machine.access.fingerprint()
        shutil.copy(new.file, tls / "cert.pem")  # its key is not there yet
        for _ in range(3):
            machine.now += trust.CHECK_SECONDS
            assert machine.ask() == {"ok": 1}
        assert machine.access.fingerprint() == before
        with pytest.raises(OpenSearchError, match="the key is another certificate's"):
            machine.access.check()  # who starts now can't use them
        (record,) = [found for found in caplog.records if found.levelno == logging.WARNING]
        assert "going on with the certificates as they were: opensearch.auth.mtls" in record.getMessage()
        shutil.copy(new.key, tls / "key.pem")
        machine.now += trust.CHECK_SECONDS
        assert machine.ask() == {"ok": 1}
        assert machine.access.fingerprint() != before
        machine.client.close()
    assert "certificates were replaced" in caplog.text


def test_a_certificate_is_looked_for_at_once_when_it_was_refused(
    tmp_path: Path, authority: Certificate, tls: Path
) -> None:
    # The security plugin answers 401 where a certificate is good and nobody has its name.
    lay(make_certificate(tmp_path, "old", issuer=authority), tls)
    with Scripted(REFUSED, GOOD, tls=make_certificate(tmp_path, "s", issuer=authority).demanding(authority)) as server:
        machine = certified(tmp_path, server.url, tls)
        lay(make_certificate(tmp_path, "new", issuer=authority), tls)
        assert machine.ask() == {"ok": 1}
        machine.client.close()
