"""What goes over the wire, and what is made of what comes back."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import orjson
import pytest

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import connection as connection_module
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.connection import Options
from tests.support.fakes.server import Exchange, Scripted, says

LARGE = {"text": "äöü🚀" * 1000}


@contextmanager
def exchanging(*steps: Any, path: str = "", options: Options | None = None) -> Iterator[tuple[Client, Scripted]]:
    with Scripted(*(steps or (says(200, {"ok": 1}),))) as server:
        client = Client(f"{server.url}{path}", options)
        yield client, server
        client.close()


def error_of(step: Any, method: str = "GET", path: str = "/") -> OpenSearchError:
    """What one request ends in; the request is sent once."""
    with exchanging(step) as (client, server), pytest.raises(OpenSearchError) as caught:
        client.request(method, path)
    assert len(server.requests) == 1
    assert len(str(caught.value)) < 600
    return caught.value


def with_headers(status: int, body: bytes, **headers: str) -> Any:
    """A step that answers with headers of its own."""

    def step(exchange: Exchange) -> None:
        handler = exchange._handler
        handler.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return step


# --- What is sent


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a b/ü", "/a%20b/%C3%BC"),
        ("/a%2Fb/%C3%BC", "/a%2Fb/%C3%BC"),
        ("/x-*,y-*/_refresh", "/x-*,y-*/_refresh"),
        ("/_template/a:b+c", "/_template/a:b+c"),
        ("/%", "/%25"),
    ],
)
def test_paths_are_percent_encoded_once(path: str, sent: str) -> None:
    with exchanging() as (client, server):
        client.request("GET", path)
    assert server.requests[0].path == sent


@pytest.mark.parametrize("base", ["/base/path", "/base/path/"])
def test_the_path_of_the_address_goes_before_every_other(base: str) -> None:
    with exchanging(path=base) as (client, server):
        client.request("GET", "/_cat", params={"h": "a,b", "s": "x +&ü", "n": 1})
    (request,) = server.requests
    assert (request.path, request.query) == ("/base/path/_cat", {"h": "a,b", "s": "x +&ü", "n": "1"})


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/_bulk", "application/x-ndjson"), ("/i/_bulk", "application/x-ndjson"), ("/_mget", "application/json")],
)
@pytest.mark.parametrize("body", ['{"a":"ü"}\n', '{"a":"ü"}\n'.encode(), {"a": "ü"}])
def test_a_body_is_sent_as_what_it_is(path: str, kind: str, body: Any) -> None:
    with exchanging() as (client, server):
        client.request("POST", path, body)
    (request,) = server.requests
    assert request.headers["content-type"] == kind
    assert request.body == '{"a":"ü"}'.encode() + (b"" if isinstance(body, dict) else b"\n")


def test_nothing_is_said_of_a_body_that_is_not_there() -> None:
    with exchanging() as (client, server):
        client.request("POST", "/_refresh")
        client.request("GET", "/")
    refresh, get = server.requests
    assert refresh.headers["content-length"] == "0"
    assert "content-length" not in get.headers
    assert "content-type" not in refresh.headers
    assert "authorization" not in get.headers
    assert get.headers["user-agent"].startswith("fluent-sidecar/")


@pytest.mark.parametrize(("size", "packed"), [(0, False), (1024, False), (1025, True), (3_000_000, True)])
def test_what_is_worth_it_is_packed(size: int, packed: bool) -> None:
    body = (b'{"create":{}}\n' * (size // 14 + 1))[:size]
    with exchanging() as (client, server):
        client.request("POST", "/_bulk", body)
    (request,) = server.requests
    assert request.body == body
    assert (request.headers.get("content-encoding") == "gzip") is packed
    assert (int(request.headers["content-length"]) < max(size, 1)) is (packed or size == 0)


def test_a_signature_is_made_from_what_is_sent_and_goes_along() -> None:
    asked = []

    def sign(method: str, url: str, body: bytes) -> Mapping[str, str]:
        asked.append((method, url, gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body))
        return {"authorization": f"Signed {len(asked)}", "x-amz-date": "now"}

    with exchanging(path="/base", options=Options(sign=sign)) as (client, server):
        client.request("POST", "/a b/_search", LARGE, params={"q": "x y"})
        client.request("GET", "/")
        assert asked == [
            ("POST", f"{server.url}/base/a%20b/_search?q=x%20y", orjson.dumps(LARGE)),
            ("GET", f"{server.url}/base/", b""),
        ]
    assert [request.headers["authorization"] for request in server.requests] == ["Signed 1", "Signed 2"]
    assert server.requests[0].headers["x-amz-date"] == "now"


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://H.example:443/b", "https://h.example/b/x"),
        ("http://h:443", "http://h:443/x"),
        ("http://h:80", "http://h/x"),
    ],
)
def test_a_schemes_own_port_is_no_part_of_what_is_signed(url: str, signed: str) -> None:
    asked = []

    def sign(_method: str, url: str, _body: bytes) -> Mapping[str, str]:
        asked.append(url)
        raise OpenSearchError("nothing is sent")

    with pytest.raises(OpenSearchError, match="nothing is sent"):
        Client(url, Options(sign=sign)).request("GET", "/x")
    assert asked == [signed]


def test_options_show_no_password() -> None:
    assert "hunter2" not in repr(Options(basic=("ada", "hunter2")))


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(OpenSearchError, match="this is no address") as caught:
        Client("http://[::1")
    assert caught.value.hint == "check opensearch.url"


def test_an_address_may_be_one_of_ipv6() -> None:
    hosts: list[bytes] = []
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            hosts.extend(line for line in iter(lines.readline, b"\r\n") if line.lower().startswith(b"host:"))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    client = Client(f"http://[::1]:{port}")
    assert client.request("GET", "/") == {}
    client.close()
    thread.join(5)
    listener.close()
    assert hosts == [f"Host: [::1]:{port}\r\n".encode()]


def test_a_connection_is_kept_whatever_the_answer_was() -> None:
    ports = []

    def step(exchange: Exchange) -> None:
        ports.append(exchange._handler.client_address[1])
        kind = len(ports) % 3
        says(200, LARGE)(exchange) if kind else says(404, {"error": "none"})(exchange)

    with exchanging(step) as (client, _):
        for _ in range(9):
            with suppress(RefusedError):
                client.request("POST", "/_bulk", LARGE)
    assert len(ports) == 9
    assert len(set(ports)) == 1


def test_threads_get_their_own_answers_and_do_not_wait_for_each_other() -> None:
    together = threading.Barrier(12, timeout=10)

    def step(exchange: Exchange) -> None:
        together.wait()
        exchange.json({"path": exchange.request.path, "text": "x" * 10_000})

    with exchanging(step) as (client, server), ThreadPoolExecutor(12) as pool:
        paths = [f"/{number}" for number in range(48)]
        answers = list(pool.map(lambda path: client.request("GET", path), paths))
    assert [answer["path"] for answer in answers] == paths
    assert len(server.requests) == 48


def test_a_closed_client_opens_a_new_connection() -> None:
    with exchanging() as (client, server):
        client.request("GET", "/")
        client.close()
        client.request("GET", "/")
    assert len(server.requests) == 2


# --- What comes back


def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(orjson.dumps(LARGE))
    with exchanging(with_headers(200, packed, content_encoding="gzip")) as (client, server):
        assert client.request("GET", "/") == LARGE
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_a_packed_refusal_is_read_too() -> None:
    packed = gzip.compress(orjson.dumps({"error": {"type": "t", "reason": "r"}}))
    assert "400 for GET /: t: r" in str(error_of(with_headers(400, packed, content_encoding="gzip")))


@pytest.mark.parametrize(
    ("status", "wanted"), [(200, "the answer to GET / broke off"), (400, "400 for GET /"), (503, "503 for GET /")]
)
def test_an_answer_that_says_it_is_packed_and_is_not(status: int, wanted: str) -> None:
    assert wanted in str(error_of(with_headers(status, b"plain", content_encoding="gzip")))


def test_an_answer_in_pieces_is_put_together() -> None:
    def step(exchange: Exchange) -> None:
        exchange.start_stream()
        for piece in (b'{"a":', b'"\xc3', b'\xbc"}'):
            exchange.chunk(piece)
        exchange.end_stream()

    with exchanging(step) as (client, _):
        assert client.request("GET", "/") == {"a": "ü"}


def half(exchange: Exchange) -> None:
    with_headers(200, b'{"items":', content_length="100")(exchange)
    exchange.cut()


def half_in_pieces(exchange: Exchange) -> None:
    exchange.start_stream()
    exchange.chunk(b'{"items":')
    exchange.cut()


def half_and_silence(exchange: Exchange) -> None:
    with_headers(200, b'{"items":', content_length="100")(exchange)
    exchange.hang()


@pytest.mark.parametrize("step", [half, half_in_pieces, half_and_silence])
def test_half_an_answer_is_none(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.opensearch.client._SECONDS", 0.3)
    with exchanging(step, says(200, {"ok": 1})) as (client, server):
        with pytest.raises(OpenSearchUnavailable, match="the answer to POST /_bulk broke off"):
            client.request("POST", "/_bulk", b"{}\n")
        assert client.request("GET", "/") == {"ok": 1}
    assert len(server.requests) == 2, "nothing is sent twice"


def trickling(status: int) -> Any:
    """A step whose answer never ends, and never pauses for long."""

    def step(exchange: Exchange) -> None:
        exchange.start_stream(status)
        while True:  # until the connection is closed
            exchange.chunk(b" ")
            time.sleep(0.02)

    return step


@pytest.mark.parametrize(
    ("status", "wanted"), [(200, r"the answer to GET / has no end: \d+ bytes came in 0.4 s"), (403, "403 for GET /")]
)
def test_an_answer_that_trickles_for_ever_has_an_end(status: int, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.opensearch.client._SECONDS", 0.1)
    with exchanging(trickling(status), says(200, {"ok": 1})) as (client, _):
        with pytest.raises(OpenSearchError, match=wanted) as caught:
            client.request("GET", "/")
        assert isinstance(caught.value, OpenSearchUnavailable) is (status == 200)
        monkeypatch.undo()
        assert client.request("GET", "/") == {"ok": 1}


def test_an_answer_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_MAX_BODY", 1_000_000)

    def endless(exchange: Exchange) -> None:
        exchange.start_stream()
        while True:
            exchange.chunk(b" " * 100_000)

    wanted = r"has no end: \d+ bytes came \("
    with exchanging(endless) as (client, _), pytest.raises(OpenSearchUnavailable, match=wanted):
        client.request("GET", "/")


def test_half_of_a_refusal_is_one_all_the_same() -> None:
    def step(exchange: Exchange) -> None:
        with_headers(403, b'{"error":', content_length="100")(exchange)
        exchange.cut()

    error = error_of(step)
    assert isinstance(error, RefusedError)
    assert error.status == 403


def test_a_refusal_without_end_is_read_no_further_than_a_message_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_MAX_REFUSAL", 10_000)
    sent = []

    def endless(exchange: Exchange) -> None:
        exchange.start_stream(400)
        while True:  # until the connection is closed
            exchange.chunk(b"no " * 10_000)
            sent.append(1)

    with exchanging(endless, says(200, {"ok": 1})) as (client, _):
        began = time.monotonic()
        with pytest.raises(RefusedError, match="400 for GET /: no no no") as caught:
            client.request("GET", "/")
        assert len(str(caught.value)) < 500
        assert client.request("GET", "/") == {"ok": 1}
        assert time.monotonic() - began < 5
    assert len(sent) < 1000


def test_a_connection_with_the_rest_of_a_refusal_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_MAX_REFUSAL", 10_000)
    monkeypatch.setattr("sidecar.opensearch.client._SECONDS", 1.0)

    def slow(exchange: Exchange) -> None:
        with_headers(400, b"x" * 10_001, content_length="20000")(exchange)
        exchange.hang()

    with exchanging(slow, says(200, {"ok": 1})) as (client, _):
        with pytest.raises(RefusedError):
            client.request("GET", "/")
        assert client.request("GET", "/") == {"ok": 1}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_not_followed_and_says_where_it_points(status: int, method: str) -> None:
    location = "https://login.example/sign-in?state=s3cret#f"
    error = error_of(with_headers(status, b"<html>", location=location), method, "/_bulk")
    assert f"{status} for {method} /_bulk: a redirect to https://login.example/sign-in (" in str(error)
    assert "opensearch.url must be where OpenSearch itself answers" in error.hint
    assert isinstance(error, RefusedError)
    assert error.status == status


def test_a_redirect_to_nowhere_is_one_too() -> None:
    assert "302 for GET /: a redirect to what is no address" in str(
        error_of(with_headers(302, b"", location="http://["))
    )
    assert "304 for GET /" in str(error_of(with_headers(304, b"")))
    assert "wants a user and a password" in str(error_of(with_headers(401, b"", location="/login")))


def test_an_empty_answer_is_none() -> None:
    with exchanging(says(200, b"")) as (client, server):
        assert client.request("GET", "/") is None
        assert client.request("HEAD", "/i") is None
    assert [request.method for request in server.requests] == ["GET", "HEAD"]
    assert "404 for HEAD /i" in str(error_of(says(404, {"error": "none"}), "HEAD", "/i"))


@pytest.mark.parametrize("value", ["null", "7", '"text"', "[1]"])
def test_any_json_is_an_answer(value: str) -> None:
    with exchanging(says(200, value.encode())) as (client, _):
        assert client.request("GET", "/") == orjson.loads(value)


def test_a_document_with_half_of_a_surrogate_pair_can_be_read() -> None:
    with exchanging(says(200, b'{"log":"\\ud83d"}')) as (client, _):
        assert client.request("GET", "/") == {"log": "\ud83d"}


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":"\xff"}', b"\xff\xfe"])
def test_what_only_looks_like_json_is_none(body: bytes) -> None:
    error = error_of(says(200, body))
    assert isinstance(error, OpenSearchUnavailable)
    assert "the answer to GET / is not JSON" in str(error)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"Message": "User: anonymous is not authorized"}, "User: anonymous is not authorized"),
        ({"message": None, "status": 404}, '{"message":null,"status":404}'),
        ([1, 2], "[1,2]"),
        ({"error": {"type": "t", "reason": "r", "caused_by": {"caused_by": {"reason": "i"}}}}, "t: r: i"),
        ({"error": {"type": "t", "reason": "r", "caused_by": ["odd"]}}, "t: r"),
        ({"error": {"type": "t", "reason": "all shards failed", "root_cause": [{"reason": "too long"}]}},
         "t: all shards failed: too long"),
        ({"error": {"type": "t", "reason": "r", "root_cause": [{"reason": "r"}]}}, "t: r"),
        ({"error": {"type": "t", "reason": "r", "root_cause": [[]]}}, "t: r"),
        ({"error": {"type": "t", "reason": "\x1b]0;title\x07\u202e \x00"}}, r"t: \x1b]0;title\x07\u202e \x00"),
    ],
)  # fmt: skip
def test_a_refusal_says_its_reason_whatever_its_shape(body: Any, reason: str) -> None:
    assert str(error_of(says(400, body))).endswith(f"400 for GET /: {reason}")
