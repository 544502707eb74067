"""Metrics and health, over real sockets."""

import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from prometheus_client import CollectorRegistry, Counter

from sidecar.agent.http import StatusServer
from sidecar.errors import SidecarError


def server(
    address: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[], bool] = lambda: True,
    ended: Callable[[], list[str]] = list,
    registry: CollectorRegistry | None = None,
) -> StatusServer:
    return StatusServer(address, port, registry or CollectorRegistry(), ready=ready, alive=ended)


def get(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, str, str]:
    with urllib3.PoolManager() as pool:
        answer = pool.request(method, f"http://{host}:{port}{path}", timeout=5, retries=False)
        return answer.status, answer.headers.get("Content-Type", ""), answer.data.decode()


def test_health() -> None:
    state: dict[str, Any] = {"ready": False, "ended": []}
    with server(ready=lambda: state["ready"], ended=lambda: state["ended"]) as status:
        assert get(status.port, "/livez") == (200, "text/plain", "ok\n")
        assert get(status.port, "/readyz") == (503, "text/plain", "starting\n")
        state["ready"] = True
        assert get(status.port, "/readyz?verbose") == (200, "text/plain", "ok\n")
        state["ended"] = ["collect", "confirm"]
        assert get(status.port, "/livez") == (500, "text/plain", "ended: collect, confirm\n")


def test_metrics() -> None:
    registry = CollectorRegistry()
    Counter("sidecar_things", "Things.", registry=registry).inc(3)
    with server(registry=registry) as status:
        code, kind, text = get(status.port, "/metrics")

    assert (code, kind.partition(";")[0]) == (200, "text/plain")
    assert "sidecar_things_total 3.0" in text.splitlines()


@pytest.mark.parametrize("path", ["/", "/nope", "/metrics/", "/livez/x"])
def test_another_path_names_those_that_there_are(path: str) -> None:
    with server() as status:
        assert get(status.port, path) == (404, "text/plain", "there are /metrics, /livez and /readyz\n")


def test_it_only_answers_questions() -> None:
    with server() as status:
        assert get(status.port, "/livez", method="POST")[0] == 501


def test_it_listens_at_the_address_alone_and_ends() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and doesn't listen: nobody else does at that port
        with server("127.0.0.2", held.getsockname()[1]) as status:
            assert get(status.port, "/livez", host="127.0.0.2")[0] == 200
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", status.port), timeout=1)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", status.port), timeout=1)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6() -> None:
    try:
        status = server("::1")
    except SidecarError:
        pytest.skip("this machine has no IPv6 loopback")
    with status:
        assert get(status.port, "/livez", host="[::1]")[0] == 200


def test_no_name_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_arguments: object) -> str:
        raise AssertionError("a name server was asked")

    monkeypatch.setattr(socket, "getfqdn", slow)
    monkeypatch.setattr(socket, "gethostbyaddr", slow)
    with server("0.0.0.0") as status:
        assert get(status.port, "/livez")[0] == 200


def test_a_taken_port() -> None:
    with server() as first, pytest.raises(SidecarError) as caught:
        server(port=first.port)

    assert str(caught.value) == (
        f"port {first.port} of 127.0.0.1 for metrics and health can't be opened: Address already in use "
        "(stop what listens there, or choose another agent.port or agent.address)"
    )


def test_a_slow_client_holds_up_nobody() -> None:
    with server() as status, socket.create_connection(("127.0.0.1", status.port)) as slow:
        slow.sendall(b"GET /livez")
        assert get(status.port, "/livez")[0] == 200


def test_a_client_that_goes_away_is_no_news(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with server() as status:
        with socket.create_connection(("127.0.0.1", status.port)) as client:
            client.sendall(b"GET /livez")
            # Closed with a reset.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.05)
        assert get(status.port, "/livez")[0] == 200

    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_a_bug_is_in_the_log(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with server(ready=lambda: bool(1 // 0)) as status:
        with pytest.raises(urllib3.exceptions.HTTPError):
            get(status.port, "/readyz")
        assert get(status.port, "/livez")[0] == 200

    assert capfd.readouterr() == ("", "")
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
