"""Kubernetes Events about our own pod: as kubectl finds them, few, and never in the way."""

import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from sidecar.kube import ApiServer
from sidecar.kube.access import Session
from sidecar.kube.podevents import PodEvents, cut
from tests.support.fakes.server import Exchange, FakeServer
from tests.support.waiting import wait_until

POD = {"POD_NAME": "node-x", "POD_NAMESPACE": "logging", "POD_UID": "uid-1"}


class Api(FakeServer):
    """Keeps Events, or refuses them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.status = 201

    def handle(self, exchange: Exchange) -> None:
        if self.status == 201:
            self.events.append(orjson.loads(exchange.request.body))
            exchange.json(self.events[-1], 201)
        else:
            exchange.json({"kind": "Status", "message": "no", "reason": "Forbidden", "code": self.status}, self.status)


class Way:
    """Plain HTTP to the fake."""

    def __init__(self, url: str) -> None:
        import urllib3  # noqa: PLC0415 - only here

        self.url, self.namespace = url, "default"
        self._session = Session(urllib3.PoolManager(), {})

    def session(self, refused: Session | None = None) -> Session:  # noqa: ARG002 - as the others
        return self._session

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as made:
        yield made


def told(api: Api, environment: dict[str, str] = POD, clock: Any = lambda: 0.0) -> PodEvents:
    return PodEvents(ApiServer(Way(api.url)), environment, clock)


def finished() -> None:
    wait_until(lambda: "pod-event" not in [thread.name for thread in threading.enumerate()], 5, "all are sent")


def test_an_event_as_kubectl_describe_finds_it(api: Api) -> None:
    told(api).tell("Warning", "ConfigInvalid", "line 3 is wrong")
    finished()
    (event,) = api.events
    assert event["involvedObject"] == {
        "apiVersion": "v1", "kind": "Pod", "namespace": "logging", "name": "node-x", "uid": "uid-1"
    }  # fmt: skip
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "ConfigInvalid", "line 3 is wrong")
    assert event["metadata"]["namespace"] == "logging"
    assert event["metadata"]["name"].startswith("node-x.")
    assert event["firstTimestamp"] == event["lastTimestamp"]
    assert api.requests[0].path == "/api/v1/namespaces/logging/events"


def test_the_same_is_not_told_twice_in_a_minute(api: Api) -> None:
    now = 0.0
    events = told(api, clock=lambda: now)
    for text in ("a", "a", "b", "a"):
        events.tell("Normal", "R", text)
        finished()
    now = 60.0
    events.tell("Normal", "R", "a")
    finished()
    assert [event["message"] for event in api.events] == ["a", "b", "a", "a"]


def test_at_most_twenty_an_hour(api: Api) -> None:
    now = 0.0
    events = told(api, clock=lambda: now)
    for number in range(25):
        events.tell("Normal", "R", str(number))
    finished()
    assert len(api.events) == 20
    now = 3600.0
    events.tell("Normal", "R", "later")
    finished()
    assert len(api.events) == 21


def test_a_right_that_is_missing_is_said_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.status = 403
    events = told(api)
    for text in ("a", "b"):
        events.tell("Normal", "R", text)
        finished()
    assert caplog.text.count("no Kubernetes Event about this pod can be written") == 1


def test_without_a_name_or_a_server_nothing_is_written(api: Api) -> None:
    told(api, {}).tell("Normal", "R", "a")
    PodEvents(None, POD).tell("Normal", "R", "a")
    finished()
    assert api.requests == []


def test_a_long_message_is_cut() -> None:
    assert cut("a" * 1024) == "a" * 1024
    assert cut("é" * 600) == "é" * 510 + "..."
    assert len(cut("x" * 5000).encode()) == 1024
