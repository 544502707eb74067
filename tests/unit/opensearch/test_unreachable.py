"""What is said of TLS that can't be agreed on, alert by alert."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import urllib3

from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch.client import Client
from sidecar.opensearch.unreachable import unreachable
from tests.support.waiting import free_port


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "our certificate in opensearch.auth.mtls.cert has expired"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "it wants a client certificate: set opensearch.auth.mtls"),
        ("TLSV1_ALERT_UNKNOWN_CA", "it does not trust our certificate"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "it does not trust our certificate"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "does it want a client certificate"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "or speak only an old TLS?"),
        ("UNEXPECTED_EOF_WHILE_READING", "It may want a client certificate"),
    ],
)
def test_an_alert_says_what_the_server_misses(reason: str, hint: str) -> None:
    inner = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:2580)")
    inner.reason = reason
    outer = urllib3.exceptions.SSLError(inner)
    error = unreachable("https://h", outer)
    assert isinstance(error, OpenSearchUnavailable)
    assert "OpenSearch at https://h: can't be reached" in error.what
    assert hint in error.hint


def test_a_reset_of_tls_hints_at_a_certificate_and_one_without_does_not() -> None:
    error = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset"))
    assert "opensearch.auth.mtls" in unreachable("https://h", error).hint
    assert "opensearch.auth.mtls" not in unreachable("http://h", error).hint


def test_errors_that_come_from_each_other_are_looked_at_once() -> None:
    first, second = OSError("one"), OSError("two")
    first.__cause__, second.__cause__ = second, first
    assert "can't be reached: one" in unreachable("http://h", first).what


# --- What the libraries say is not what is told


@contextmanager
def answering(data: bytes) -> Iterator[str]:
    """Host and port of one that takes a request and answers with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(data)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


def told(url: str) -> str:
    client = Client(url)
    with pytest.raises(OpenSearchUnavailable) as caught:
        client.request("GET", "/")
    client.close()
    what = caught.value.what
    assert what.startswith(f"OpenSearch at {url}: ")
    assert not any(odd in what for odd in ("Pool", "<", "Error", "_ssl.c")), "names of classes say nothing"
    return what


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_where_nobody_listens_it_says_so(scheme: str) -> None:
    assert told(f"{scheme}://127.0.0.1:{free_port()}").endswith(": can't be reached: Connection refused")


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert told("https://h.example").endswith("the name of the host is not known: Name or service not known")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "it closed the connection without an answer; does it speak HTTPS?"),
        (b"\x15\x03\x03\x00\x02\x02P", "it closed the connection without an answer; does it speak HTTPS?"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "the connection was closed in the middle of it"),
    ],
    ids=["nothing", "tls", "other", "half"],
)
def test_what_is_no_answer_is_told_in_words(data: bytes, text: str) -> None:
    with answering(data) as place:
        assert told(f"http://{place}").endswith(f": {text}")


def test_one_that_hangs_up_on_tls_is_told_in_words() -> None:
    with answering(b"") as place:
        assert told(f"https://{place}").endswith(": it closed the connection without an answer")
    for failure in (
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:2427)"),
        ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF) (_ssl.c:992)"),
    ):
        error = unreachable("https://h", urllib3.exceptions.SSLError(failure))
        assert error.what == "OpenSearch at https://h: can't be reached: it closed the connection without an answer"
        assert "opensearch.auth.mtls" in error.hint


def test_where_in_python_tls_failed_is_not_told() -> None:
    failure = ssl.SSLError(1, "[SSL: NO_CIPHERS_AVAILABLE] no ciphers available (_ssl.c:992)")

    error = unreachable("https://h", urllib3.exceptions.SSLError(failure))

    assert error.what.endswith("no ciphers available")


def test_how_long_was_waited_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.opensearch.client._SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert told(url).endswith(": no answer within 0.2 s")
    error = urllib3.exceptions.ConnectTimeoutError(None, "Connection to h timed out. (connect timeout=15.0)")
    assert "can't be reached: no connection within 15 s" in unreachable("http://h", error).what
