import base64
import logging
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sidecar.config import loads
from sidecar.errors import OpenSearchError, OpenSearchUnavailable, SecretError
from sidecar.opensearch import client as client_module
from sidecar.opensearch.client import Client, RefusedError, connect
from tests.support.fakes.server import Exchange, Script, Scripted, says
from tests.support.fakes.tls import Certificate, be_as_strict_as_python_3_13, make_certificate
from tests.support.markers import secret
from tests.support.waiting import free_port

PASSWORD = secret("äé-€")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An auth section; user and password are where it says."""
    monkeypatch.setenv("THE_USER", "ada")
    file = tmp_path / "secrets" / "password"
    file.parent.mkdir()
    file.write_text(f"{PASSWORD}\n")
    return f"auth: {{basic: {{username: {{env: THE_USER}}, password: {{file: {file}}}}}}}"


def client_of(url: str, *more: str) -> Client:
    section = ", ".join([f'url: "{url}"', *more])
    return connect(loads(f"cluster: c\nopensearch: {{{section}}}\n"))


def error_of(client: Client, *, secret: str = PASSWORD) -> OpenSearchError:
    with pytest.raises(OpenSearchError) as caught:
        client.request("GET", "/_cat")
    client.close()
    assert secret not in f"{caught.value} {caught.value!r}"
    assert client.url in str(caught.value)
    return caught.value


def test_user_and_password_are_sent_as_utf8_from_where_they_are(credentials: str) -> None:
    with Scripted(says(200, {"ok": True})) as server:
        client = client_of(server.url, credentials)
        assert client.request("GET", "/", params={"a": "b"}) == {"ok": True}
        client.close()
    (request,) = server.requests
    assert request.headers["authorization"] == f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}"
    assert (request.path, request.query) == ("/", {"a": "b"})


def test_a_password_that_is_missing_is_named(tmp_path: Path) -> None:
    basic = f"auth: {{basic: {{username: {{env: NO_SUCH_VARIABLE}}, password: {{file: {tmp_path}/none}}}}}}"
    with pytest.raises(SecretError, match=r"opensearch\.auth\.basic\.username: the environment variable NO_SUCH"):
        client_of("http://127.0.0.1:1", basic)


REASON = {"error": {"type": "security_exception", "reason": "no permissions for [indices:x]"}, "status": 0}


@pytest.mark.parametrize(
    ("step", "status", "text"),
    [
        (says(401, b"Unauthorized"), 401, "refuses user and password (401) (check opensearch.auth.basic: what"),
        (says(401, {"error": "x"}), 401, "refuses user and password (401) (check opensearch.auth.basic: what"),
        (says(403, REASON), 403, "403 for GET /_cat: security_exception: no permissions for [indices:x] (this user's"),
        (says(403, REASON), 403, "(this user's role lacks the permission indices:x; render-config"),
        (says(403, {"error": "odd"}), 403, "403 for GET /_cat: odd (this user's role lacks the permission that"),
        (says(404, {"error": {"type": "t", "reason": "r"}}), 404, "404 for GET /_cat: t: r"),
        (says(400, {"error": "text"}), 400, "400 for GET /_cat: text"),
        (says(413, b"<html>too large</html>"), 413, '413 for GET /_cat: an HTML page, "too large"'),
        (says(500, b""), 500, "500 for GET /_cat"),
        (says(400, b'{"error": '), 400, "400 for GET /_cat"),
    ],
)
def test_a_refusal_says_the_status_and_the_reason(step: Script, status: int, text: str, credentials: str) -> None:
    with Scripted(step) as server:
        error = error_of(client_of(server.url, credentials))
    assert isinstance(error, RefusedError)
    assert not isinstance(error, OpenSearchUnavailable)
    assert error.status == status
    assert text in str(error)
    assert len(server.requests) == 1, "whether to try again is the caller's business"


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_overload_is_worth_another_try(status: int) -> None:
    with Scripted(says(status, {"error": {"type": "t", "reason": "busy"}})) as server:
        error = error_of(client_of(server.url))
    assert isinstance(error, OpenSearchUnavailable)
    assert f"{status} for GET /_cat: t: busy" in str(error)
    assert ("more memory or nodes" if status == 429 else "is not ready: wait") in error.hint
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"null and void", b'{"half":'])
def test_what_is_not_json_is_no_answer(body: bytes) -> None:
    for content_type in ("text/html", "application/json", "text/plain"):
        with Scripted(lambda exchange, kind=content_type: exchange.answer(200, body, kind)) as server:  # type: ignore[misc]
            error = error_of(client_of(server.url))
        assert isinstance(error, OpenSearchUnavailable)
        assert "the answer to GET /_cat is not JSON" in str(error)
        assert error.hint == "is a proxy in between?"


@pytest.mark.parametrize("status", [200, 502])
def test_of_a_page_for_people_the_title_is_told(status: int) -> None:
    page = (
        b"<!DOCTYPE html>\n<HTML><head><style>p{}</style>\n<title>\n 502 Bad &amp; Gone </title></head><body>x"
        + b"x" * 9999
    )
    with Scripted(says(status, page)) as server:
        what = error_of(client_of(server.url)).what
    assert what.endswith(': an HTML page, "502 Bad & Gone"')


def test_long_reasons_are_cut_and_on_one_line() -> None:
    with Scripted(says(400, {"error": {"type": "t", "reason": "x\n" * 5000}})) as server:
        text = str(error_of(client_of(server.url)))
    assert "\n" not in text
    assert len(text) < 500


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    error = error_of(client_of(f"http://127.0.0.1:{free_port()}"))
    assert isinstance(error, OpenSearchUnavailable)
    assert "can't be reached" in str(error)
    assert "is it up" in error.hint


@pytest.mark.parametrize("step", [Exchange.cut, Exchange.hang])
def test_a_server_that_says_nothing_is_unreachable(step: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_SECONDS", 0.2)
    began = time.monotonic()
    with Scripted(step) as server:
        error = error_of(client_of(server.url))
    assert isinstance(error, OpenSearchUnavailable)
    assert time.monotonic() - began < 3


def test_after_an_outage_the_same_client_goes_on() -> None:
    with Scripted(Exchange.cut, says(503, {}), says(200, {"ok": 1})) as server:
        client = client_of(server.url)
        for _ in range(2):
            with pytest.raises(OpenSearchUnavailable):
                client.request("GET", "/")
        assert client.request("GET", "/") == {"ok": 1}
        client.close()


# --- TLS


def served(certificate: Certificate) -> Scripted:
    return Scripted(says(200, {"ok": 1}), tls=certificate.context)


def test_a_certificate_of_the_named_ca_is_accepted(certificate: Certificate) -> None:
    with served(certificate) as server:
        client = client_of(server.url, f"tls: {{ca: {certificate.file}}}")
        assert client.request("GET", "/") == {"ok": 1}
        client.close()


def test_a_ca_that_lacks_extensions_is_trusted_as_by_fluent_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_as_strict_as_python_3_13(monkeypatch)
    bare = make_certificate(tmp_path, "ca", bare=True)
    served = make_certificate(tmp_path, "server", issuer=bare, bare=True)
    with Scripted(says(200, {"ok": 1}), tls=served.context) as server:
        client = client_of(server.url, f"tls: {{ca: {bare.file}}}")
        assert client.request("GET", "/") == {"ok": 1}
        client.close()


def test_an_unknown_ca_is_named_as_the_cause(certificate: Certificate, credentials: str) -> None:
    with served(certificate) as server:
        error = error_of(client_of(server.url, credentials))
    assert not isinstance(error, OpenSearchUnavailable)
    assert "certificate can't be verified: self-signed certificate" in str(error)
    assert error.hint == "name the CA that signed it in opensearch.tls.ca"
    assert server.requests == [], "the password was not sent"


def test_the_wrong_ca_is_named_as_the_cause(tmp_path: Path) -> None:
    authority, wrong = make_certificate(tmp_path, "right"), make_certificate(tmp_path, "wrong")
    with served(make_certificate(tmp_path, issuer=authority)) as server:
        error = error_of(client_of(server.url, f"tls: {{ca: {wrong.file}}}"))
    assert "certificate can't be verified: unable to get local issuer certificate" in str(error)
    assert error.hint == "name the CA that signed it in opensearch.tls.ca"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_host_is_named_as_the_cause(tmp_path: Path, host: str) -> None:
    certificate = make_certificate(tmp_path, host="opensearch.example")
    with served(certificate) as server:
        url = server.url.replace("127.0.0.1", host)
        error = error_of(client_of(url, f"tls: {{ca: {certificate.file}}}"))
    assert "certificate can't be verified" in str(error)
    assert f"certificate is not valid for '{host}'" in str(error)
    assert "write in opensearch.url the host as the certificate has it" in error.hint


def test_an_expired_certificate_is_named_as_the_cause(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, days=-1)
    with served(certificate) as server:
        error = error_of(client_of(server.url, f"tls: {{ca: {certificate.file}}}"))
    assert "certificate can't be verified: certificate has expired" in str(error)
    assert error.hint == "have it renewed, or is the clock of this machine wrong?"


def test_without_verification_any_certificate_will_do(certificate: Certificate) -> None:
    with served(certificate) as server:
        client = client_of(server.url.replace("127.0.0.1", "localhost"), "tls: {verify: false}")
        assert client.request("GET", "/") == {"ok": 1}
        client.close()


def test_https_to_a_plain_port_says_so() -> None:
    with Scripted(says(200, {})) as server:
        error = error_of(client_of(server.url.replace("http:", "https:")))
    assert "speaks HTTP, not HTTPS (write http:// in opensearch.url)" in str(error)


def test_plain_http_to_a_tls_port_hints_at_https(certificate: Certificate) -> None:
    with served(certificate) as server:
        error = error_of(client_of(server.url.replace("https:", "http:")))
    assert "does it speak HTTPS?" in str(error)
    assert "https" in error.hint


@pytest.mark.parametrize(
    "body",
    [
        b"<html><h1>400 Bad Request</h1><center>The plain HTTP request was sent to HTTPS port</center></html>",
        b"Client sent an HTTP request to an HTTPS server.\n",
    ],
)
def test_a_proxy_that_wants_https_says_so_in_its_own_words(body: bytes) -> None:
    with Scripted(says(400, body)) as server:
        error = error_of(client_of(server.url))
    assert "speaks HTTPS, not HTTP (write https:// in opensearch.url)" in str(error)


# --- A client certificate


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("client"))


def mtls(certificate: Certificate, cert: Path, key: Path) -> tuple[str, str]:
    return f"tls: {{ca: {certificate.file}}}", f"auth: {{mtls: {{cert: {cert}, key: {key}}}}}"


def test_a_server_that_demands_a_certificate_gets_ours(certificate: Certificate, own: Certificate) -> None:
    with Scripted(says(200, {"ok": 1}), tls=certificate.demanding(own)) as server:
        client = client_of(server.url, *mtls(certificate, own.file, own.key))
        assert client.request("GET", "/") == {"ok": 1}
        client.close()
    (request,) = server.requests
    assert "authorization" not in request.headers


def test_without_ours_such_a_server_takes_nothing(certificate: Certificate, own: Certificate) -> None:
    with Scripted(says(200, {"ok": 1}), tls=certificate.demanding(own)) as server:
        error = error_of(client_of(server.url, f"tls: {{ca: {certificate.file}}}"))
        other = error_of(client_of(server.url, *mtls(certificate, certificate.file, certificate.key)))
    # Which alert arrives, and whether, is the kernel's choice: the server hangs up right behind it.
    for found in (error, other):
        assert "can't be reached" in str(found)
        assert "opensearch.auth.mtls" in found.hint
    assert server.requests == []


def test_the_server_is_still_checked(certificate: Certificate, own: Certificate) -> None:
    with Scripted(says(200, {"ok": 1}), tls=certificate.demanding(own)) as server:
        error = error_of(client_of(server.url, f"auth: {{mtls: {{cert: {own.file}, key: {own.key}}}}}"))
    assert "certificate can't be verified" in str(error)


def test_a_certificate_and_the_key_of_another_are_told_before_anything_is_sent(
    certificate: Certificate, own: Certificate
) -> None:
    with pytest.raises(OpenSearchError, match=r"opensearch\.auth\.mtls: .* can't be used") as caught:
        client_of("https://127.0.0.1:1", *mtls(certificate, own.file, certificate.key))
    assert "its private key" in caught.value.hint


@pytest.mark.parametrize("missing", ["cert", "key"])
def test_a_certificate_file_that_is_not_there_is_named(own: Certificate, tmp_path: Path, missing: str) -> None:
    files = {"cert": own.file, "key": own.key, missing: tmp_path / "none.pem"}
    with pytest.raises(OpenSearchError, match=r"none\.pem.*can't be used: No such file"):
        client_of("https://127.0.0.1:1", f"auth: {{mtls: {{cert: {files['cert']}, key: {files['key']}}}}}")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(own: Certificate, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    openssl = shutil.which("openssl")
    assert openssl
    words = [openssl, "ec", "-in", str(own.key), "-aes256", "-passout", "pass:hunter2", "-out", str(locked)]
    subprocess.run(words, check=True, capture_output=True)
    began = time.monotonic()
    with pytest.raises(OpenSearchError, match="can't be used") as caught:
        client_of("https://127.0.0.1:1", f"auth: {{mtls: {{cert: {own.file}, key: {locked}}}}}")
    assert "without a passphrase" in caught.value.hint
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "No such file or directory"),
        (0, "there is no certificate in it"),
        (300, "a certificate in it is cut off or damaged"),
    ],
)
def test_what_is_wrong_with_a_ca_file_is_told(
    certificate: Certificate, tmp_path: Path, size: int | None, text: str
) -> None:
    path = tmp_path / "ca.pem"
    if size is not None:
        path.write_bytes(certificate.file.read_bytes()[:size])
    with pytest.raises(OpenSearchError) as caught:
        client_of("https://127.0.0.1:1", f"tls: {{ca: {path}}}")
    error = caught.value
    assert error.what == f"opensearch.tls.ca: {path} can't be used: {text}"
    assert error.hint == "name a file with CA certificates (PEM)"


@pytest.mark.parametrize(
    ("cert", "key", "text"),
    [
        ("own", "other", "the key is another certificate's"),
        ("own", "half", "one of them is no such file, is cut off or damaged, or has a passphrase"),
        ("half", "own", "one of them is no such file, is cut off or damaged, or has a passphrase"),
    ],
)
def test_what_is_wrong_with_our_own_files_is_told(
    certificate: Certificate, own: Certificate, tmp_path: Path, cert: str, key: str, text: str
) -> None:
    for name, file in (("cert", own.file), ("key", own.key)):
        (tmp_path / f"half-{name}.pem").write_bytes(file.read_bytes()[:100])
    certs = {"own": own.file, "half": tmp_path / "half-cert.pem"}
    keys = {"own": own.key, "other": certificate.key, "half": tmp_path / "half-key.pem"}
    with pytest.raises(OpenSearchError) as caught:
        client_of("https://127.0.0.1:1", *mtls(certificate, certs[cert], keys[key]))
    assert caught.value.what.endswith(f"can't be used: {text}")


def test_a_file_that_may_not_be_read_is_one_whose_mode_is_to_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ssl.create_default_context", denied)  # a test may be root, who reads all
    with pytest.raises(OpenSearchError, match="Permission denied") as caught:
        client_of("https://127.0.0.1:1", "tls: {ca: /ca.pem}")
    assert caught.value.hint.startswith("check owner and mode")


def test_no_log_line_has_the_password(credentials: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Scripted(says(401, b"no"), says(503, b"no"), Exchange.cut, says(200, {})) as server:
        client = client_of(server.url, credentials)
        for _ in range(3):
            with pytest.raises(OpenSearchError):
                client.request("POST", "/_bulk", "{}\n")
        client.request("GET", "/")
        client.close()
    assert server.requests
    assert PASSWORD not in caplog.text
    assert "YWRhOnBhc3Mt" not in caplog.text
