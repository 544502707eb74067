"""Which Events go out."""

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sidecar.config import loads
from sidecar.config.model import Events
from sidecar.events.journal import Journal
from sidecar.events.select import selected
from sidecar.kube import connect
from tests.support.collecting import make_collector
from tests.support.fakes.kubernetes import FakeEvents, changes, event, kubeconfig, listing
from tests.support.waiting import wait_until


def events(text: str) -> Events:
    return loads(f"cluster: c\nopensearch: {{url: http://h}}\nevents: {{{text}}}\n").events


def an_event(**changed: Any) -> dict[str, Any]:
    """A Warning of the Pod web-1 in payments."""
    base = {
        "metadata": {"namespace": "payments"},
        "type": "Warning",
        "reason": "BackOff",
        "involvedObject": {"kind": "Pod"},
    }
    return base | changed


@pytest.mark.parametrize(
    ("text", "goes"),
    [
        ("", True),
        ("include: {namespaces: [payments]}", True),
        ("include: {namespaces: [pay*]}", True),
        ("include: {namespaces: [pay]}", False),
        ("include: {namespaces: [other, payments], types: [Warning]}", True),
        ("include: {namespaces: [payments], types: [Normal]}", False),
        ("include: {reasons: [BackOff], kinds: [Pod, Node]}", True),
        ("include: {reasons: [backoff]}", False),
        ("include: {kinds: [Node]}", False),
        ("exclude: {namespaces: [payments]}", False),
        ("exclude: {types: [Normal]}", True),
        ("exclude: {types: [Normal], reasons: ['Back*']}", False),
        ("exclude: {kinds: [Pod]}", False),
        ("include: {namespaces: [payments]}, exclude: {types: [Warning]}", False),
        ("include: {namespaces: [payments]}, exclude: {types: [Normal]}", True),
    ],
)
def test_include_and_exclude(text: str, *, goes: bool) -> None:
    assert selected(an_event(), events(text)) is goes


@pytest.mark.parametrize("odd", [None, "x", [], {}, {"metadata": None, "type": 3, "involvedObject": "Pod"}])
def test_what_an_odd_event_does_not_say_is_in_no_list(odd: object) -> None:
    assert selected(odd, events(""))
    assert selected(odd, events("exclude: {types: [Warning], kinds: [Pod], namespaces: ['a*'], reasons: [B]}"))
    assert not selected(odd, events("include: {types: [Warning]}"))


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["metadata", "namespace", "type", "kind", "involvedObject"]), inner),
)


@given(ANYTHING)
def test_nothing_is_fatal(value: object) -> None:
    some = events("include: {namespaces: ['*a*']}, exclude: {types: ['*b*']}")
    assert selected(value, some) in {True, False}


def test_what_is_left_out_is_counted_and_not_journaled_and_the_position_moves_on(tmp_path: Path) -> None:
    config = loads("cluster: c\nopensearch: {url: http://h}\nevents: {exclude: {types: [Normal]}}\n")
    registry = CollectorRegistry()
    journal = Journal(tmp_path / "events", cap=10**7)
    lists = [listing([event(3), event(4, type="Warning")], 9)]
    with FakeEvents(lists, [changes(event(10, type="Warning"), event(11))]) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        collector = make_collector(config, api, journal, registry)
        thread = threading.Thread(target=collector.run)
        thread.start()

        def moved_on() -> bool:
            journal.commit()
            return bool(journal.position and journal.position.resource_version == "11")

        wait_until(moved_on, 4, lambda: f"position 11, it is {journal.position}")
        collector.stop()
        thread.join(5)
    api.close()
    journal.close()
    lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "events").glob("*.jsonl"))).splitlines()
    assert {orjson.loads(line)["metadata"]["resourceVersion"] for line in lines} == {"4", "10"}
    assert len(lines) == 2
    counts = ("left_out_total", "journaled_total")
    assert [registry.get_sample_value(f"sidecar_events_{name}") for name in counts] == [2, 2]
