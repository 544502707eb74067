"""OpenSearch's own security plugin: what a user is told about a wrong password, a wrong CA and a missing permission."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.config import loads
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import Client, Document, Documents, Verdict, connect
from tests.support.fakes.tls import make_certificate
from tests.support.markers import MARKER, secret
from tests.support.secureserver import SecureOpenSearch
from tests.support.waiting import unique_name


@pytest.fixture
def client_of(secure_opensearch: SecureOpenSearch, tmp_path: Path) -> Callable[..., Client]:
    """Makes a client of a user, of the administrator if none is named."""

    def make(user: str = "", password: str = "", *, url: str = "", ca: Path | None = None) -> Client:
        server = secure_opensearch
        folder = tmp_path / "secrets"
        folder.mkdir(exist_ok=True)
        for name, value in (("user", user or server.user), ("password", password or server.password)):
            (folder / name).write_text(value)
        basic = f"{{username: {{file: {folder}/user}}, password: {{file: {folder}/password}}}}"
        text = f"url: '{url or server.url}', tls: {{ca: {ca or server.ca}}}, auth: {{basic: {basic}}}"
        return connect(loads(f"cluster: c\nopensearch: {{{text}}}\n"))

    return make


def error_of(client: Client, path: str = "/") -> OpenSearchError:
    with pytest.raises(OpenSearchError) as caught:
        client.request("GET", path)
    assert MARKER not in str(caught.value)
    client.close()
    return caught.value


def test_who_is_let_in_gets_an_answer(client_of: Callable[..., Client]) -> None:
    client = client_of()
    assert client.request("GET", "/")["version"]["distribution"] == "opensearch"
    client.close()


def test_a_wrong_password_is_said(client_of: Callable[..., Client]) -> None:
    error = error_of(client_of(password=secret("wrong")))
    assert "refuses user and password (401) (check opensearch.auth.basic: what" in str(error)


def test_plain_http_to_its_port_hints_at_https(
    client_of: Callable[..., Client], secure_opensearch: SecureOpenSearch
) -> None:
    error = error_of(client_of(url=secure_opensearch.url.replace("https:", "http:")))
    assert isinstance(error, OpenSearchUnavailable)
    assert "does it speak HTTPS?" in str(error)


def test_a_wrong_ca_is_said(client_of: Callable[..., Client], tmp_path: Path) -> None:
    error = error_of(client_of(ca=make_certificate(tmp_path, "wrong").file))
    assert "certificate can't be verified: unable to get local issuer certificate" in str(error)
    assert error.hint == "name the CA that signed it in opensearch.tls.ca"


def test_another_name_for_the_host_is_said(
    client_of: Callable[..., Client], secure_opensearch: SecureOpenSearch
) -> None:
    error = error_of(client_of(url=secure_opensearch.url.replace("127.0.0.1", "localhost")))
    assert "certificate is not valid for 'localhost'" in str(error)


@pytest.mark.parametrize(
    ("days", "what", "hint"),
    [
        (2, "knows no user by our certificate (401)", "have the name in opensearch.auth.mtls.cert"),
        (-1, "can't be reached", "opensearch.auth.mtls"),
    ],
    ids=["unknown", "expired"],
)
def test_what_is_wrong_with_our_certificate_is_said(
    secure_opensearch: SecureOpenSearch, tmp_path: Path, days: int, what: str, hint: str
) -> None:
    own = make_certificate(tmp_path, "client", issuer=secure_opensearch.authority, days=days)
    auth = f"{{mtls: {{cert: {own.file}, key: {own.key}}}}}"
    tls = f"{{ca: {secure_opensearch.ca}}}"
    text = f"cluster: c\nopensearch: {{url: '{secure_opensearch.url}', tls: {tls}, auth: {auth}}}\n"
    error = error_of(connect(loads(text)))
    assert what in str(error)
    assert hint in error.hint


def test_a_missing_permission_is_named(client_of: Callable[..., Client], secure_opensearch: SecureOpenSearch) -> None:
    user, password, index = unique_name("reader"), secret("No-Role@1"), unique_name("index")
    body = {"password": password, "backend_roles": []}
    secure_opensearch.ask("PUT", f"/_plugins/_security/api/internalusers/{user}", body)
    error = error_of(client_of(user, password), "/_component_template/x")
    assert "403 for GET /_component_template/x: security_exception: no permissions for [cluster:admin/" in str(error)
    assert "this user's role lacks the permission cluster:admin/component_template/get" in error.hint

    # Everybody may do something in bulk; what may not be done is refused item by item.
    client = client_of(user, password)
    (outcome,) = Documents(client).create([Document(index, "1", b"{}")])
    assert (outcome.verdict, outcome.status) == (Verdict.LATER, 403)
    assert "no permissions for [indices:admin/create]" in outcome.reason
    client.close()
