import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.errors import KubernetesError, KubernetesUnavailable
from sidecar.kube import ApiServer, Watch, inpod
from sidecar.kube.inpod import ServiceAccount
from tests.support.fakes.kubernetes import FakeKubernetes, event, failing, line, listing, stream
from tests.support.fakes.server import Exchange, Scripted, says
from tests.support.fakes.tls import Certificate, make_certificate

PATH = "/api/v1/events"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, Certificate]:
    """Two that don't know of each other."""
    first, second = (make_certificate(tmp_path_factory.mktemp("tls")) for _ in range(2))
    return first, second


class Pod:
    """The files that the kubelet keeps up to date, and a clock that stands still."""

    def __init__(self, folder: Path, ca: Certificate, token: str = "one") -> None:
        self.folder = folder
        self.now = 0.0
        self.write("token", token)
        self.write("ca.crt", ca.file.read_text())
        self.write("namespace", "observability\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def api(self, port: int) -> ApiServer:
        environment = {inpod.HOST: "127.0.0.1", inpod.PORT: str(port)}
        return ApiServer(ServiceAccount(self.folder, environment, lambda: self.now))


def tokens(server: Scripted | FakeKubernetes) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests]


@contextmanager
def accepting(certificate: Certificate, *good: str) -> Iterator[Scripted]:
    """A server that takes these tokens only."""

    def step(exchange: Exchange) -> None:
        token = exchange.request.headers["authorization"].removeprefix("Bearer ")
        (says(200, {"ok": 1}) if token in good else failing(401, "Unauthorized"))(exchange)

    with Scripted(step, tls=certificate.context) as server:
        yield server


def test_the_account_is_read_and_nothing_of_the_environments_proxies(
    tmp_path: Path, certificates: tuple[Certificate, Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Scripted(says(200, {"ok": 1}), tls=certificates[0].context) as server:
        api = Pod(tmp_path, certificates[0], "one\n").api(server.port)
        assert api.get(PATH) == {"ok": 1}
        api.close()
    assert (api.url, api.namespace) == (f"https://127.0.0.1:{server.port}", "observability")
    assert tokens(server) == ["one"]


def test_a_new_token_is_used_within_ten_seconds(tmp_path: Path, certificates: tuple[Certificate, Certificate]) -> None:
    pod = Pod(tmp_path, certificates[0])
    with accepting(certificates[0], "one", "two") as server:
        api = pod.api(server.port)
        api.get(PATH)
        pod.write("token", "two\n")
        pod.now = 9.9
        api.get(PATH)
        pod.now = 10.0
        api.get(PATH)
        api.close()
    assert tokens(server) == ["one", "one", "two"]


def test_a_token_that_is_refused_is_read_anew_at_once(
    tmp_path: Path, certificates: tuple[Certificate, Certificate]
) -> None:
    pod = Pod(tmp_path, certificates[0])
    with accepting(certificates[0], "two") as server:
        api = pod.api(server.port)
        pod.write("token", "two")
        assert api.send("PUT", PATH, {"a": 1}) == {"ok": 1}
        api.close()
    assert tokens(server) == ["one", "two"]
    assert [request.body for request in server.requests] == [b'{"a":1}'] * 2


def test_a_refusal_stands_where_there_is_no_other_token(
    tmp_path: Path, certificates: tuple[Certificate, Certificate]
) -> None:
    pod = Pod(tmp_path, certificates[0])
    with accepting(certificates[0]) as server:
        api = pod.api(server.port)
        with pytest.raises(KubernetesError, match="401"):
            api.get(PATH)
        pod.write("token", "two")
        with pytest.raises(KubernetesError, match="401"):
            api.get(PATH)
        api.close()
    assert tokens(server) == ["one", "one", "two"], "one repetition, and only with another token"


@pytest.mark.parametrize("token", ["", " \n", None])
def test_a_token_that_is_gone_for_a_moment_stays_in_use(
    tmp_path: Path, certificates: tuple[Certificate, Certificate], token: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    pod = Pod(tmp_path, certificates[0])
    with accepting(certificates[0], "one", "two") as server:
        api = pod.api(server.port)
        if token is None:
            (tmp_path / "token").unlink()
        else:
            pod.write("token", token)
        pod.now = 10
        api.get(PATH)
        assert "going on with the service account's token and CA as they were" in caplog.text
        pod.write("token", "two")
        pod.now = 20
        api.get(PATH)
        api.close()
    assert tokens(server) == ["one", "two"]


def test_a_new_ca_is_trusted_by_the_next_connection(
    tmp_path: Path, certificates: tuple[Certificate, Certificate]
) -> None:
    old, new = certificates
    pod = Pod(tmp_path, old)
    with Scripted(says(200, {"ok": 1}), tls=new.context) as server:
        api = pod.api(server.port)
        with pytest.raises(KubernetesError, match="can't be verified") as caught:
            api.get(PATH)
        assert "ca.crt of the service account" in caught.value.hint
        assert server.requests == [], "the token was not sent"
        pod.write("ca.crt", new.file.read_text())
        assert api.get(PATH) == {"ok": 1}, "at once: the server had been distrusted"
        api.close()


def test_a_ca_that_is_gone_is_trusted_no_longer(tmp_path: Path, certificates: tuple[Certificate, Certificate]) -> None:
    old, new = certificates
    pod = Pod(tmp_path, old)
    with Scripted(says(200, {"ok": 1}), tls=old.context) as server:
        api = pod.api(server.port)
        api.get(PATH)
        pod.write("ca.crt", new.file.read_text())
        assert api.get(PATH) == {"ok": 1}
        pod.now = 10
        with pytest.raises(KubernetesError, match="can't be verified"):
            api.get(PATH)
        pod.write("ca.crt", "half a certifica")
        pod.now = 20
        with pytest.raises(KubernetesError, match="can't be verified"):
            api.get(PATH)
        pod.write("ca.crt", new.file.read_text() + old.file.read_text())
        pod.now = 30
        assert api.get(PATH) == {"ok": 1}
        api.close()


def test_a_watch_in_flight_goes_on_through_a_rotation(
    tmp_path: Path, certificates: tuple[Certificate, Certificate]
) -> None:
    old, new = certificates
    pod = Pod(tmp_path, old)
    watches = [stream(line(event(7)), line(event(8)), then="end")]
    with FakeKubernetes([listing([], 9)], watches, tls=old.context) as server:
        api = pod.api(server.port)
        with Watch(api, PATH, "5") as watch:
            pod.write("ca.crt", old.file.read_text() + new.file.read_text())
            pod.write("token", "two")
            pod.now = 10
            api.get(PATH)
            api.close()
            assert sum(len(changes) for changes in watch) == 2
        api.close()
    assert tokens(server) == ["one", "two"]


def test_an_address_of_ipv6_has_brackets(tmp_path: Path, certificates: tuple[Certificate, Certificate]) -> None:
    Pod(tmp_path, certificates[0])
    (tmp_path / "namespace").unlink()
    account = ServiceAccount(tmp_path, {inpod.HOST: "fd00:10:96::1", inpod.PORT: "443"})
    assert (account.url, account.namespace) == ("https://[fd00:10:96::1]:443", "default")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("token", None, "token: No such file"),
        ("token", b"", "token is empty"),
        ("token", b"\xff", "token: it is not text"),
        ("ca.crt", None, "ca.crt: No such file"),
        ("ca.crt", b"\n", "ca.crt is empty"),
        ("ca.crt", b"x", "ca.crt holds no certificate"),
        ("ca.crt", "ä".encode(), "ca.crt holds no certificate"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, certificates: tuple[Certificate, Certificate], name: str, text: bytes | None, what: str
) -> None:
    pod = Pod(tmp_path, certificates[0])
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(KubernetesError, match=what) as caught:
        pod.api(1)
    assert caught.value.hint == "mount the service account's token"
    assert not isinstance(caught.value, KubernetesUnavailable)


@pytest.mark.parametrize("environment", [{}, {inpod.HOST: "x"}, {inpod.HOST: "x", inpod.PORT: ""}])
def test_half_an_address_is_none(
    tmp_path: Path, certificates: tuple[Certificate, Certificate], environment: dict[str, str]
) -> None:
    Pod(tmp_path, certificates[0])
    with pytest.raises(KubernetesError, match="KUBERNETES_SERVICE_PORT is not set"):
        ServiceAccount(tmp_path, environment)


def test_in_a_pod_the_official_client_is_never_loaded(
    tmp_path: Path, certificates: tuple[Certificate, Certificate]
) -> None:
    Pod(tmp_path, certificates[0])
    code = (
        "import sys, pathlib, sidecar.kube, sidecar.kube.inpod as inpod\n"
        f"inpod.FOLDER = pathlib.Path({str(tmp_path)!r})\n"
        "assert sidecar.kube.connect().url == 'https://10.0.0.1:443'\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in {'kubernetes', 'requests', 'yaml'}))\n"
    )
    environment = {inpod.HOST: "10.0.0.1", inpod.PORT: "443"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
