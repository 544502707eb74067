import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.errors import KubernetesError, KubernetesUnavailable
from sidecar.kube import ApiServer, connect
from sidecar.kube.kubeconfig import Kubeconfig
from tests.support.fakes.kubernetes import failing, kubeconfig
from tests.support.fakes.server import Exchange, Scripted, says
from tests.support.fakes.tls import be_as_strict_as_python_3_13, make_certificate

PATH = "/api/v1/events"
TICKING = """
import json, pathlib, sys
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
status = {"token": f"made-{number}"}
if sys.argv[2:]:
    status["expirationTimestamp"] = sys.argv[2]
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def api_of(clock: Clock, path: str, context: str | None = None) -> ApiServer:
    return ApiServer(Kubeconfig(path, context, clock))


def tokens(server: Scripted) -> list[str]:
    return [request.headers.get("authorization", "").removeprefix("Bearer ") for request in server.requests]


def accepting(*good: str) -> Any:
    def step(exchange: Exchange) -> None:
        token = exchange.request.headers.get("authorization", "").removeprefix("Bearer ")
        (says(200, {"ok": 1}) if token in good else failing(401, "Unauthorized"))(exchange)

    return step


def plugin(folder: Path, *arguments: str) -> dict[str, Any]:
    """A user whose token comes from a program: made-1, made-2, ..."""
    (folder / "plugin.py").write_text(TICKING)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-S", str(folder / "plugin.py"), str(folder / "count"), *arguments],
            "interactiveMode": "Never",
        }
    }


def rewrite(file: str, **context: Any) -> None:
    """Change the context of a kubeconfig."""
    path = Path(file)
    config = yaml.safe_load(path.read_text())
    config["contexts"][0]["context"] |= context
    path.write_text(yaml.safe_dump(config))


def test_the_namespace_is_the_contexts(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, "http://127.0.0.1:9/")
    assert (connect(kubeconfig=file).namespace, connect(kubeconfig=file).url) == ("default", "http://127.0.0.1:9")
    rewrite(file, namespace="mine")
    assert connect(kubeconfig=file).namespace == "mine"
    assert connect(kubeconfig=file, context="fake").namespace == "mine"


def test_of_several_files_each_says_what_no_earlier_one_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(f"token-{name}")
    with Scripted(says(200, {})) as server:
        first = kubeconfig(tmp_path / "a", server.url, user={"tokenFile": "token"})
        rewrite(first, namespace="of-a")
        second = kubeconfig(tmp_path / "b", "http://127.0.0.1:1", user={"tokenFile": "token"})
        rewrite(second, namespace="of-b")
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join([first, second, str(tmp_path / "none")]))
        api = connect()
        api.get(PATH)
        (tmp_path / "a" / "token").write_text("later")
        api.close()
    assert (api.url, api.namespace) == (server.url, "of-a")
    assert tokens(server) == ["token-a"]


def test_a_token_file_that_changes_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    clock = Clock()
    with Scripted(accepting("one", "two")) as server:
        api = api_of(clock, kubeconfig(tmp_path, server.url, user={"tokenFile": "token"}))
        api.get(PATH)
        (tmp_path / "token").write_text("two\n")
        api.get(PATH)
        clock.now = 10
        api.get(PATH)
        (tmp_path / "token").write_text("")
        clock.now = 20
        api.get(PATH)
        api.close()
    assert tokens(server) == ["one", "one", "two", "two"]


def test_a_token_file_is_read_anew_at_once_when_its_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    with Scripted(accepting("two")) as server:
        api = api_of(Clock(), kubeconfig(tmp_path, server.url, user={"tokenFile": "token"}))
        (tmp_path / "token").write_text("two")
        assert api.get(PATH) == {"ok": 1}
        api.close()
    assert tokens(server) == ["one", "two"]


def test_a_token_that_stays_refused_is_not_repeated(tmp_path: Path) -> None:
    clock = Clock()
    with Scripted(accepting()) as server:
        api = api_of(clock, kubeconfig(tmp_path, server.url, user={"token": "one"}))
        for clock.now in (0, 20, 40):
            with pytest.raises(KubernetesError, match="401"):
                api.get(PATH)
        api.close()
    assert tokens(server) == ["one"] * 3


def test_a_program_is_asked_anew_when_its_token_is_refused_but_not_all_the_time(tmp_path: Path) -> None:
    clock = Clock()
    with Scripted(accepting("made-2")) as server:
        api = api_of(clock, kubeconfig(tmp_path, server.url, user=plugin(tmp_path)))
        with pytest.raises(KubernetesError, match="401"):
            api.get(PATH)
        clock.now = 10
        assert api.get(PATH) == {"ok": 1}
        assert api.get(PATH) == {"ok": 1}
        api.close()
    assert tokens(server) == ["made-1", "made-1", "made-2", "made-2"]


def test_a_program_is_asked_anew_when_its_token_has_expired(tmp_path: Path) -> None:
    with Scripted(says(200, {})) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url, user=plugin(tmp_path, "2026-01-01T00:00:00Z")))
        api.get(PATH)
        api.get(PATH)
        api.close()
    assert tokens(server) == ["made-2", "made-3"]


def test_a_kubeconfig_that_is_rewritten_counts_and_one_that_breaks_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with Scripted(says(200, {})) as server:
        file = kubeconfig(tmp_path, server.url, user={"token": "one"})
        api = api_of(clock, file)
        for clock.now, change in [
            (10, lambda: kubeconfig(tmp_path, server.url, user={"token": "two"})),
            (20, lambda: Path(file).write_text("users: [")),
            (30, lambda: kubeconfig(tmp_path, "http://127.0.0.1:1", user={"token": "three"})),
            (40, lambda: None),
        ]:
            change()  # type: ignore[no-untyped-call]
            api.get(PATH)
        api.close()
    assert tokens(server) == ["two"] * 4
    assert caplog.text.count("going on with the credentials as they were") == 1
    assert caplog.text.count("names another API server now") == 1
    assert "three" not in caplog.text


def test_a_client_certificate_that_is_renewed_is_used(tmp_path: Path) -> None:
    for name in ("server", "old", "new"):
        (tmp_path / name).mkdir()
    served, old, new = (make_certificate(tmp_path / name) for name in ("server", "old", "new"))
    clock = Clock()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(old.file.read_bytes())
    key.write_bytes(old.key.read_bytes())
    with Scripted(says(200, {"ok": 1}), tls=served.demanding(new)) as server:
        user = {"client-certificate": "cert.pem", "client-key": "key.pem"}
        ca = {"certificate-authority": str(served.file)}
        api = api_of(clock, kubeconfig(tmp_path, server.url, cluster=ca, user=user))
        with pytest.raises(KubernetesUnavailable):
            api.get(PATH)
        before = api._access.session()
        cert.write_bytes(new.file.read_bytes())
        key.write_bytes(new.key.read_bytes())
        clock.now = 10
        assert api.get(PATH) == {"ok": 1}
        assert api._access.session().pool is not before.pool, "no connection with the old certificate is used again"
        api.close()


def test_no_connection_loads_anything_into_what_others_shake_hands_with(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    user = {"client-certificate": str(made.file), "client-key": str(made.key)}
    ca = {"certificate-authority": str(made.file)}

    shared = api_of(Clock(), kubeconfig(tmp_path, "https://127.0.0.1:1", cluster=ca, user=user))._access.session().pool

    assert shared.connection_pool_kw["ssl_context"].get_ca_certs()
    assert not {"ca_certs", "ca_cert_data", "cert_file", "key_file"} & shared.connection_pool_kw.keys()


def test_a_ca_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("garbage")

    with pytest.raises(KubernetesError, match=r"the CA or the client certificate that .* can't be used") as error:
        api_of(Clock(), kubeconfig(tmp_path, "https://127.0.0.1:1", cluster={"certificate-authority": "ca.crt"}))

    assert "PEM" in error.value.hint


def test_a_new_ca_of_a_kubeconfig_is_trusted_at_once(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = make_certificate(tmp_path / "old"), make_certificate(tmp_path / "new")
    ca = tmp_path / "ca.crt"
    ca.write_bytes(old.file.read_bytes())
    with Scripted(says(200, {"ok": 1}), tls=new.context) as server:
        api = api_of(Clock(), kubeconfig(tmp_path, server.url, cluster={"certificate-authority": "ca.crt"}))
        with pytest.raises(KubernetesError, match="can't be verified"):
            api.get(PATH)
        ca.write_bytes(new.file.read_bytes())
        assert api.get(PATH) == {"ok": 1}
        api.close()


def test_the_ca_of_an_old_cluster_is_trusted_as_by_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_as_strict_as_python_3_13(monkeypatch)
    bare = make_certificate(tmp_path, "ca", bare=True)
    served = make_certificate(tmp_path, "server", issuer=bare, bare=True)
    with Scripted(says(200, {"ok": 1}), tls=served.context) as server:
        file = kubeconfig(tmp_path, server.url, cluster={"certificate-authority": str(bare.file)})
        api = api_of(Clock(), file)
        assert api.get(PATH) == {"ok": 1}
        api.close()


def test_a_proxy_of_the_environment_is_used_unless_excepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(says(200, {"proxied": 1})) as proxy, Scripted(says(200, {"direct": 1})) as server:
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", proxy.url)
        file = kubeconfig(tmp_path, server.url)
        assert connect(kubeconfig=file).get(PATH) == {"proxied": 1}
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert connect(kubeconfig=file).get(PATH) == {"direct": 1}


def test_a_kubeconfig_from_a_pipe_is_read_once(tmp_path: Path) -> None:
    text = Path(kubeconfig(tmp_path, "http://127.0.0.1:9")).read_bytes()
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    try:
        access = Kubeconfig(f"/dev/fd/{reading}")
        assert (access.url, access.namespace) == ("http://127.0.0.1:9", "default")
        assert access.session() is access.session()
    finally:
        os.close(reading)


def test_a_refresh_that_fails_is_worth_another_try_and_tells_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Kubeconfig(kubeconfig(tmp_path, "http://127.0.0.1:9"))

    def failing(_settings: object) -> None:
        raise RuntimeError("very-secret")

    monkeypatch.setattr(access._loaded.settings, "refresh_api_key_hook", failing)
    with pytest.raises(KubernetesUnavailable, match="no credentials: RuntimeError") as caught:
        access.session()
    assert "very-secret" not in str(caught.value)
    assert caught.value.__suppress_context__
