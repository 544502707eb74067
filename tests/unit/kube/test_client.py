import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import KubernetesError, KubernetesUnavailable, ResourceConflict, ResourceExpired, ResourceMissing
from sidecar.kube import ApiServer, connect
from sidecar.kube import client as client_module
from tests.support.fakes.kubernetes import TOKEN, failing, kubeconfig
from tests.support.fakes.server import Exchange, Script, Scripted, says
from tests.support.fakes.tls import Certificate, make_certificate
from tests.support.waiting import free_port

PATH = "/api/v1/events"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def api_of(folder: Path, url: str, **more: Any) -> ApiServer:
    return connect(kubeconfig=kubeconfig(folder, url, **more))


def error_of(folder: Path, step: Script) -> KubernetesError:
    with Scripted(step) as server:
        api = api_of(folder, server.url)
        with pytest.raises(KubernetesError) as caught:
            api.get(PATH)
        api.close()
    assert TOKEN not in f"{caught.value} {caught.value!r}"
    assert f"Kubernetes at {server.url}: " in str(caught.value)
    return caught.value


def test_a_request_has_token_path_and_parameters(tmp_path: Path) -> None:
    with Scripted(says(200, {"kind": "EventList"})) as server:
        api = api_of(tmp_path, server.url + "/")
        assert api.get(PATH, {"limit": 5, "continue": "a=b&c"}) == {"kind": "EventList"}
        api.close()
    (request,) = server.requests
    assert (request.path, request.query) == (PATH, {"limit": "5", "continue": "a=b&c"})
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/json"


def test_the_line_break_at_the_end_of_a_token_file_is_not_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with Scripted(says(200, {})) as server:
        api = api_of(tmp_path, server.url, user={"tokenFile": str(tmp_path / "token")})
        api.get(PATH)
        api.close()
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_token_that_fits_no_header_is_an_error_without_it(tmp_path: Path) -> None:
    with Scripted(says(200, {})) as server:
        api = api_of(tmp_path, server.url, user={"token": f"{TOKEN}\nx"})
        with pytest.raises(KubernetesError, match="can't be sent in a header") as caught:
            api.get(PATH)
        api.close()
    assert TOKEN not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (400, KubernetesError, ""),
        (401, KubernetesError, "expired?"),
        (403, KubernetesError, "grant get, list and watch"),
        (404, ResourceMissing, ""),
        (409, ResourceConflict, ""),
        (410, ResourceExpired, ""),
        (429, KubernetesUnavailable, ""),
        (500, KubernetesUnavailable, ""),
        (503, KubernetesUnavailable, ""),
    ],
)
@pytest.mark.parametrize("body", ["status", b"", b"<html>", b"[1]", b'"x"', b'{"kind":"Status"}', b"\xff", b"[" * 5000])
def test_a_status_is_told_by_its_kind_whatever_the_body(
    tmp_path: Path, status: int, kind: type[KubernetesError], hint: str, body: bytes | str
) -> None:
    step = failing(status, "events is forbidden") if isinstance(body, str) else says(status, body)
    error = error_of(tmp_path, step)
    assert type(error) is kind
    assert f"{status} for {PATH}" in str(error)
    assert hint in error.hint
    if isinstance(body, str):
        assert "events is forbidden" in str(error)
    else:
        assert "<html>" not in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>Log in</html>", b"[]", b'{"half":', b"null", b"\xff\xfe"])
def test_a_good_status_without_an_object_is_no_answer(tmp_path: Path, body: bytes) -> None:
    error = error_of(tmp_path, says(200, body))
    assert isinstance(error, KubernetesUnavailable)
    assert f"the answer to {PATH} is not JSON" in str(error)
    assert error.hint == "is a proxy in between?"


def test_what_only_the_standard_library_reads_is_read(tmp_path: Path) -> None:
    with Scripted(says(200, b'{"a": "\\ud800", "n": 123456789012345678901234567890}')) as server:
        api = api_of(tmp_path, server.url)
        assert api.get(PATH)["a"] == "\ud800"
        api.close()


def test_an_answer_that_breaks_off_is_worth_another_try(tmp_path: Path) -> None:
    def half(exchange: Exchange) -> None:
        exchange.start_stream()
        exchange.chunk(b'{"items": [')
        exchange.cut()

    assert isinstance(error_of(tmp_path, half), KubernetesUnavailable)


def test_a_refusal_whose_body_breaks_off_keeps_its_status(tmp_path: Path) -> None:
    def half(exchange: Exchange) -> None:
        exchange.start_stream(403)
        exchange.chunk(b'{"kind": ')
        exchange.cut()

    assert "403 for /api/v1/events (grant" in str(error_of(tmp_path, half))


@pytest.mark.parametrize("step", [Exchange.cut, Exchange.hang])
def test_a_server_that_says_nothing_is_unreachable(
    tmp_path: Path, step: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_READ_SECONDS", 0.2)
    began = time.monotonic()
    error = error_of(tmp_path, step)
    assert isinstance(error, KubernetesUnavailable)
    assert "can't be reached" in str(error)
    assert time.monotonic() - began < 3


def test_a_port_that_nobody_listens_on_is_unreachable(tmp_path: Path) -> None:
    api = api_of(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(
        KubernetesUnavailable, match=r"can't be reached: .*\(is it up, and the address right\?\)"
    ) as caught:
        api.get(PATH)
    assert TOKEN not in str(caught.value)


def test_an_unknown_certificate_is_named_as_the_cause(tmp_path: Path, certificate: Certificate) -> None:
    with Scripted(says(200, {}), tls=certificate.context) as server:
        api = api_of(tmp_path, server.url)
        with pytest.raises(KubernetesError, match="its certificate can't be verified") as caught:
            api.get(PATH)
        api.close()
    assert "certificate-authority" in caught.value.hint
    assert not isinstance(caught.value, KubernetesUnavailable)
    assert server.requests == [], "the token was not sent"


def test_the_kubeconfigs_ca_is_trusted(tmp_path: Path, certificate: Certificate) -> None:
    with Scripted(says(200, {"ok": 1}), tls=certificate.context) as server:
        api = api_of(tmp_path, server.url, cluster={"certificate-authority": str(certificate.file)})
        assert api.get(PATH) == {"ok": 1}
        api.close()


# --- finding it


def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match="no API server is configured") as caught:
        connect(kubeconfig=str(tmp_path / "none"))
    assert caught.value.hint == "set KUBECONFIG, or pass --kubeconfig and --context"


@pytest.mark.parametrize(
    "text",
    ["", "a: [", "[]", "5", "\t", "{}", "kind: Config", "clusters: 5", "current-context: x\ncontexts: []\n",
     f"users: [{{name: a, user: {{token: {TOKEN}}}}}\n"],
)  # fmt: skip
def test_a_file_that_is_no_kubeconfig_is_one_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubernetesError, match="no API server is configured") as caught:
        connect(kubeconfig=str(path))
    assert "\n" not in str(caught.value)
    assert TOKEN not in f"{caught.value} {caught.value!r}"


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match="nowhere"):
        connect(kubeconfig=kubeconfig(tmp_path, "http://127.0.0.1:1"), context="nowhere")


def test_a_ca_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match=r"no API server is configured|can't be"):
        api_of(tmp_path, "https://127.0.0.1:1", cluster={"certificate-authority": str(tmp_path / "none")}).get(PATH)


def test_outside_a_pod_the_variable_counts_and_in_one_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, "http://127.0.0.1:99"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert connect().url == "http://127.0.0.1:99"
    monkeypatch.delenv("KUBECONFIG")
    with pytest.raises(KubernetesError) as caught:
        connect()
    assert caught.value.hint == "mount the service account's token"


# --- sending


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_is_sent_is_json_of_the_given_type(tmp_path: Path, method: str) -> None:
    body = {"a": "\ud800 ä", "n": 2**80}
    with Scripted(says(201, {"kind": "Lease"})) as server:
        api = api_of(tmp_path, server.url)
        assert api.send(method, PATH, body, content_type="application/merge-patch+json") == {"kind": "Lease"}
        api.close()
    (request,) = server.requests
    assert (request.method, request.path, request.query) == (method, PATH, {})
    assert json.loads(request.body) == body
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_nothing_is_sent_for_none(tmp_path: Path) -> None:
    with Scripted(says(200, {"status": "Success"})) as server:
        api = api_of(tmp_path, server.url)
        assert api.send("DELETE", PATH) == {"status": "Success"}
        api.close()
    assert server.requests[0].body == b""
    assert "content-type" not in server.requests[0].headers


def test_a_refusal_of_what_is_sent_names_the_right(tmp_path: Path) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/x/leases/y"
    with Scripted(failing(403), failing(409), failing(503)) as server:
        api = api_of(tmp_path, server.url)
        with pytest.raises(KubernetesError) as caught:
            api.send("PUT", path, {})
        assert "update on leases" in caught.value.hint
        with pytest.raises(ResourceConflict):
            api.send("PUT", path, {})
        with pytest.raises(KubernetesUnavailable):
            api.send("PUT", path, {})
        api.close()
    assert len(server.requests) == 3, "nothing is repeated"


def test_a_call_may_wait_for_less_long(tmp_path: Path) -> None:
    with Scripted(Exchange.hang) as server:
        api = api_of(tmp_path, server.url)
        began = time.monotonic()
        with pytest.raises(KubernetesUnavailable):
            api.send("PUT", PATH, {}, seconds=0.1)
        with pytest.raises(KubernetesUnavailable):
            api.get(PATH, seconds=0.1)
        assert time.monotonic() - began < 2
        api.close()


def test_another_form_of_the_answer_can_be_asked_for(tmp_path: Path) -> None:
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    with Scripted(says(200, {})) as server:
        api = api_of(tmp_path, server.url)
        api.get(PATH, accept=accept)
        api.close()
    assert server.requests[0].headers["accept"] == accept


def test_a_redirection_is_not_followed(tmp_path: Path) -> None:
    def elsewhere(exchange: Exchange) -> None:
        exchange._handler.send_response(302)
        exchange._handler.send_header("Location", "/login")
        exchange._handler.send_header("Content-Length", "0")
        exchange._handler.end_headers()

    with Scripted(elsewhere) as server:
        api = api_of(tmp_path, server.url)
        with pytest.raises(KubernetesError, match="302 for /api/v1/events"):
            api.get(PATH)
        api.close()
    assert len(server.requests) == 1


def test_many_threads_share_a_connection_pool_without_a_warning(tmp_path: Path) -> None:
    with Scripted(says(200, {"ok": 1})) as server:
        api = api_of(tmp_path, server.url)
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: api.get(PATH), range(64)))
        api.close()
    assert found == [{"ok": 1}] * 64
