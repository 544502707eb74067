import http.client
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from sidecar.dev.recording import Header, Recording, WatchLine, load
from sidecar.dev.replay import Replay, replay_server
from sidecar.errors import DemoError
from sidecar.kube import connect
from sidecar.kube.lease import Elector

NOW = datetime(2031, 3, 1, 12, 0, tzinfo=UTC)
FAST = 1e6
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def ask(replay: Replay, path: str, method: str = "GET", body: str | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(replay.url).netloc, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, orjson.loads(answer.read())
    finally:
        connection.close()


def watch(replay: Replay, query: str, *, path: str = "/api/v1/events", lines: int | None = None) -> Iterator[Any]:
    """The lines of a watch, up to a number of them, or to its end."""
    connection = http.client.HTTPConnection(urlsplit(replay.url).netloc, timeout=10)
    try:
        connection.request("GET", f"{path}?watch=true&{query}")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("Transfer-Encoding") == "chunked"
        while (lines is None or lines > 0) and (text := answer.readline()):
            yield orjson.loads(text)
            lines = lines and lines - 1
        answer.close()
    finally:
        connection.close()


def event(version: int, name: str, namespace: str = "test") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"u-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata | {"creationTimestamp": "2026-01-01T00:00:00Z"}}


def small(*lines: WatchLine) -> Recording:
    listed = {
        "kind": "EventList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "10"},
        "items": [event(3, "b", "default"), event(5, "a"), event(4, "z")],
    }
    return Recording(Header("", {"gitVersion": "v1.35.0"}, "/api/v1/events"), listed, lines, MappingProxyType({}))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load()


@pytest.fixture
def tiny() -> Recording:
    return small(
        WatchLine(0.1, "ADDED", event(12, "c")),
        WatchLine(0.2, "MODIFIED", event(15, "a")),
        WatchLine(0.3, "ADDED", event(16, "d", "default")),
        WatchLine(0.4, "DELETED", event(20, "c")),
    )


def names(answer: Any) -> list[tuple[str, str]]:
    return [(item["metadata"]["name"], item["metadata"]["resourceVersion"]) for item in answer["items"]]


def test_a_client_that_lists_and_watches_gets_every_version_once(recording: Recording) -> None:
    with replay_server(recording, now=NOW, speed=FAST) as replay:
        _, listed = ask(replay, "/api/v1/events")
        lines = list(watch(replay, f"resourceVersion={listed['metadata']['resourceVersion']}&timeoutSeconds=1"))
        assert replay.finished.is_set()
    shifted = recording.shifted(NOW)
    assert [line["object"] for line in lines] == [line.object for line in shifted.lines]
    assert [line["type"] for line in lines] == [line.type for line in shifted.lines]
    assert listed["items"] == [
        {key: value for key, value in item.items() if key not in {"kind", "apiVersion"}}
        for item in sorted(shifted.listed["items"], key=lambda item: item["metadata"]["name"])
    ]
    assert replay.total == len(listed["items"]) + len(lines) == recording.total


def test_by_default_the_whole_takes_a_fixed_time(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.dev.replay.SECONDS", 1.0)
    with replay_server(recording, now=NOW) as replay:
        began = time.monotonic()
        list(watch(replay, f"resourceVersion={recording.start_version}&timeoutSeconds=30", lines=len(recording.lines)))
        assert 0.95 < time.monotonic() - began < 2


def test_lists_show_what_has_been_played(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW, speed=FAST) as replay:
        before = ask(replay, "/api/v1/events")[1]
        assert names(before) == [("b", "3"), ("a", "5"), ("z", "4")], "in the order of namespace and name"
        list(watch(replay, "resourceVersion=10&timeoutSeconds=1", lines=4))
        after = ask(replay, "/api/v1/events")[1]
    assert names(after) == [("b", "3"), ("d", "16"), ("a", "15"), ("z", "4")]
    assert (before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]) == ("10", "20")


def test_pages_add_up_to_the_list_they_began_with(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW, speed=FAST) as replay:
        page = ask(replay, "/api/v1/events?limit=2")[1]
        assert page["metadata"]["remainingItemCount"] == 1
        list(watch(replay, "resourceVersion=10&timeoutSeconds=1", lines=4))
        rest = ask(replay, f"/api/v1/events?limit=2&continue={page['metadata']['continue']}")[1]
    assert names(page) + names(rest) == [("b", "3"), ("a", "5"), ("z", "4")]
    assert rest["metadata"] == {"resourceVersion": "10"}


def test_a_namespace_is_served_alone(tiny: Recording) -> None:
    path = "/api/v1/namespaces/default/events"
    with replay_server(tiny, now=NOW, speed=FAST) as replay:
        assert names(ask(replay, path)[1]) == [("b", "3")]
        assert [line["object"]["metadata"]["name"] for line in watch(replay, "", path=path, lines=2)] == ["b", "d"]
        assert names(ask(replay, "/api/v1/namespaces/nosuch/events")[1]) == []


@pytest.mark.parametrize(("seen", "versions"), [(10, ["12", "15", "16", "20"]), (13, ["15", "16", "20"]), (20, [])])
def test_a_watcher_gets_what_is_newer_than_its_version(tiny: Recording, seen: int, versions: list[str]) -> None:
    with replay_server(tiny, now=NOW, speed=FAST) as replay:
        for _ in range(2):
            lines = list(watch(replay, f"resourceVersion={seen}&timeoutSeconds=1"))
            assert [line["object"]["metadata"]["resourceVersion"] for line in lines] == versions


def test_the_initial_state_can_be_watched_too(tiny: Recording) -> None:
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    with replay_server(tiny, now=NOW, speed=FAST) as replay:
        lines = list(watch(replay, query, lines=8))
        code, status = ask(replay, "/api/v1/events?watch=1&sendInitialEvents=true")
    assert [line["type"] for line in lines] == ["ADDED"] * 3 + ["BOOKMARK", "ADDED", "MODIFIED", "ADDED", "DELETED"]
    mark = lines[3]["object"]
    assert mark["metadata"] == {"resourceVersion": "10", "annotations": {"k8s.io/initial-events-end": "true"}}
    assert all((line["object"]["kind"], line["object"]["apiVersion"]) == ("Event", "v1") for line in lines)
    assert (code, status["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/api/v1/events?resourceVersion=99", 410, "Expired"),
        ("GET", "/api/v1/events?continue=nonsense", 410, "Expired"),
        ("GET", "/api/v1/events?continue=eyJydiI6OTksInN0YXJ0IjoiYSJ9", 410, "Expired"),
        ("GET", "/api/v1/events?limit=x", 400, "BadRequest"),
        ("GET", "/api/v1/events?fieldSelector=type%3DWarning", 400, "BadRequest"),
        ("GET", "/api/v1/pods", 404, "NotFound"),
        ("GET", "/apis/events.k8s.io/v1/events", 404, "NotFound"),
        ("POST", "/api/v1/events", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces/test/events/a", 405, "MethodNotAllowed"),
        ("DELETE", f"{LEASES}/a", 405, "MethodNotAllowed"),
        ("GET", LEASES, 405, "MethodNotAllowed"),
        ("PUT", f"{LEASES}/a", 400, "BadRequest"),
        ("POST", LEASES, 400, "BadRequest"),
        ("GET", LEASES.replace("default", "other") + "/a", 404, "NotFound"),
    ],
)
def test_what_it_can_not_serve_is_a_status(tiny: Recording, method: str, path: str, code: int, reason: str) -> None:
    with replay_server(tiny, now=NOW) as replay:
        answered, status = ask(replay, path, method, "{}" if method in {"POST", "PUT"} else None)
    assert answered == status["code"] == code
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["reason"] == reason
    assert status["message"]


def test_an_election_has_its_lease(tiny: Recording, tmp_path: Path) -> None:
    with replay_server(tiny, now=NOW) as replay:
        api = connect(kubeconfig=str(replay.kubeconfig(tmp_path / "config")))
        first, second = (
            Elector(api, namespace=api.namespace, name="events", identity=identity) for identity in ("a", "b")
        )
        first.step({"position": "5"})
        second.step()
        first.step({"position": "6"})
        assert (first.leading, second.leading) == (True, False)
        first.release()
        second.step()
        assert second.leading
        assert second.view
        assert second.view.annotations == {"position": "6"}
        api.close()


def test_a_lease_is_made_once_and_replaced_by_who_knows_it(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW) as replay:
        lease = {"metadata": {"name": "x"}, "spec": {"holderIdentity": "a"}}
        assert ask(replay, f"{LEASES}/x", "PUT", orjson.dumps(lease).decode())[0] == 404
        code, made = ask(replay, LEASES, "POST", orjson.dumps(lease).decode())
        assert (code, made["kind"], made["spec"]) == (201, "Lease", lease["spec"])
        assert ask(replay, LEASES, "POST", orjson.dumps(lease).decode())[0] == 409
        code, changed = ask(replay, f"{LEASES}/x", "PUT", orjson.dumps(made).decode())
        assert code == 200
        assert ask(replay, f"{LEASES}/x", "PUT", orjson.dumps(made).decode())[0] == 409, "it has another version"
        assert ask(replay, f"{LEASES}/x") == (200, changed)


@pytest.mark.parametrize("version", ["9", "21", "abc"])
def test_a_watch_from_a_version_it_does_not_know_ends_with_a_410_in_the_stream(tiny: Recording, version: str) -> None:
    with replay_server(tiny, now=NOW, speed=FAST) as replay:
        (line,) = watch(replay, f"resourceVersion={version}&timeoutSeconds=9")
        assert names(ask(replay, "/api/v1/events")[1])[0] == ("b", "3"), "it has not started the clock"
    assert line["type"] == "ERROR"
    assert (line["object"]["kind"], line["object"]["code"], line["object"]["reason"]) == ("Status", 410, "Expired")


def test_it_tells_the_version_of_the_recorded_server(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW) as replay:
        assert ask(replay, "/version") == (200, {"gitVersion": "v1.35.0"})
        assert ask(replay, "/api")[1]["versions"] == ["v1"]
        assert [each["name"] for each in ask(replay, "/api/v1")[1]["resources"]] == ["events"]


def test_a_connection_serves_many_requests(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW, speed=FAST) as replay:
        connection = http.client.HTTPConnection(urlsplit(replay.url).netloc, timeout=10)
        for path in ("/version", "/nosuch", "/api/v1/events?watch=1&resourceVersion=16&timeoutSeconds=1", "/version"):
            connection.request("GET", path)
            connection.getresponse().read()
        # It is left open: closing the server ends it.
    connection.close()


def test_the_pace_is_the_recorded_one_times_the_speed(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW, speed=0.5) as replay:
        came = []
        for line in watch(replay, "resourceVersion=10&timeoutSeconds=5", lines=4):
            came.append((time.monotonic(), line["type"]))
            if len(came) == 2:
                assert not replay.finished.is_set()
    assert [kind for _, kind in came] == ["ADDED", "MODIFIED", "ADDED", "DELETED"]
    assert came[3][0] - came[0][0] == pytest.approx(0.6, abs=0.25)


def test_a_watch_ends_at_its_timeout_before_the_last_line(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW, speed=0.001) as replay:
        began = time.monotonic()
        assert list(watch(replay, "resourceVersion=10&timeoutSeconds=1")) == []
        assert 0.9 < time.monotonic() - began < 3
        assert not replay.finished.is_set()


def test_leaving_the_block_ends_open_watches_and_every_thread(tiny: Recording) -> None:
    threads = set(threading.enumerate())
    with replay_server(tiny, now=NOW, speed=0.001) as replay:
        stream = http.client.HTTPConnection(urlsplit(replay.url).netloc, timeout=10)
        stream.request("GET", "/api/v1/events?watch=1&resourceVersion=10")
        answer = stream.getresponse()
        assert len(set(threading.enumerate()) - threads) == 2
    assert answer.read() == b"", "the stream has an end, not a break"
    stream.close()
    assert set(threading.enumerate()) <= threads


def test_a_watcher_that_goes_away_leaves_nothing(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW, speed=0.001) as replay:
        before = set(threading.enumerate())
        stream = http.client.HTTPConnection(urlsplit(replay.url).netloc, timeout=10)
        stream.request("GET", "/api/v1/events?watch=1&resourceVersion=10")
        stream.getresponse().close()
        stream.close()
        deadline = time.monotonic() + 5
        while set(threading.enumerate()) - before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert set(threading.enumerate()) - before == set()


def test_a_kubeconfig_points_at_it(tiny: Recording, tmp_path: Path) -> None:
    with replay_server(tiny, now=NOW) as replay:
        written = orjson.loads(replay.kubeconfig(tmp_path / "config").read_bytes())
    assert written["clusters"][0]["cluster"] == {"server": replay.url}
    assert written["contexts"][0]["name"] == written["current-context"]


def test_a_port_in_use_is_told(tiny: Recording) -> None:
    with replay_server(tiny, now=NOW) as replay:
        port = urlsplit(replay.url).port
        assert port
        with pytest.raises(DemoError, match="in use"), replay_server(tiny, now=NOW, port=port):
            pass
