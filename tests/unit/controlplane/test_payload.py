import gzip
import json
import time
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.controlplane.payload import batches_of, packed
from sidecar.errors import PayloadError
from sidecar.opensearch import codec
from sidecar.opensearch.encode import encode
from tests.support.controlplane import GROUP, OWNER, STREAMS, TIME, event_id, events, message
from tests.support.controlplane.odd import ANY_JSON

STREAM = STREAMS["kube-scheduler"]


def wrapped(text: bytes) -> Any:
    return {"awslogs": {"data": b64encode(text).decode()}}


def test_a_message_is_a_batch_of_its_lines() -> None:
    (batch,) = batches_of(packed(message(STREAM, events(["a", "b"]))))
    assert (batch.owner, batch.group, batch.stream) == (OWNER, GROUP, STREAM)
    assert [(event.id, event.timestamp, event.message) for event in batch.events] == [
        (event_id(0), TIME, "a"),
        (event_id(1), TIME + 1, "b"),
    ]


def test_a_control_message_has_no_lines() -> None:
    control = message("", [{"id": "", "timestamp": TIME, "message": "CWL CONTROL MESSAGE: Checking health"}])
    assert batches_of(packed({**control, "messageType": "CONTROL_MESSAGE"})) == []


def test_several_messages_in_one_payload_are_all_read() -> None:
    first, second = (gzip.compress(str(message(name, events("x"))).replace("'", '"').encode()) for name in ("a", "b"))
    lines = gzip.decompress(first) + b"\n" + gzip.decompress(second) + b"\n"
    for text in (gzip.compress(lines), gzip.compress(gzip.decompress(first) + b"\n") + second, first + second):
        assert [batch.stream for batch in batches_of(wrapped(text))] == ["a", "b"]


@pytest.mark.parametrize(
    ("invocation", "what"),
    [
        (None, "no awslogs.data"),
        ({"Records": []}, "no awslogs.data"),
        ({"awslogs": {"data": None}}, "no text"),
        ({"awslogs": {"data": "ä"}}, "not base64"),
        (wrapped(b"plain"), "not gzip"),
        (wrapped(gzip.compress(b'{"logEvents": []}')[:-9]), "breaks off"),
        (wrapped(gzip.compress(b"text")), "not JSON"),
        (wrapped(gzip.compress(b"")), "not JSON"),
        (wrapped(gzip.compress(b'{"logEvents": []}\n{')), "line 2"),
        (wrapped(gzip.compress(b"{}")), "no logEvents"),
        (wrapped(gzip.compress(b'{"messageType": "DATA_MESSAGE"}')), "no logEvents"),
        (wrapped(gzip.compress(b"[]")), "no message"),
        (wrapped(gzip.compress(b'{"logEvents": {}}')), "no logEvents"),
        (wrapped(gzip.compress(b'{"logEvents": []}') + b"plain"), "not gzip"),
        (wrapped(gzip.compress(bytes(40 * 2**20 + 1), 1)), "40 MiB"),
    ],
    ids=range(15),
)
def test_what_cannot_be_read_is_told(invocation: Any, what: str) -> None:
    with pytest.raises(PayloadError, match=what):
        batches_of(invocation)


def test_a_control_message_needs_no_lines() -> None:
    assert batches_of(packed({"messageType": "CONTROL_MESSAGE"})) == []


def test_many_members_of_gzip_take_no_longer_than_one() -> None:
    member = gzip.compress(b"")
    began = time.process_time()
    many = member * 40_000 + gzip.compress(encode(message(STREAM, events("x"))))
    (batch,) = batches_of(wrapped(many))
    assert len(batch.events) == 1
    assert time.process_time() - began < 4


def test_what_is_read_does_not_depend_on_orjson() -> None:
    odd = [
        {"id": event_id(0), "timestamp": 10**25, "message": "\ud800", "extractedFields": {"\udfff": "\ud800"}},
        {"message": {"a": [1e16, 10**25, "\ud800", "ä"]}},
    ]
    text = gzip.compress(json.dumps(message(STREAM, odd)).encode())
    found = []
    for fast in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec, "FAST", fast)
            found.append(batches_of(wrapped(text)))
    assert found[0] == found[1]


@given(ANY_JSON)
def test_whatever_an_invocation_is_it_is_read_or_told(value: Any) -> None:
    for invocation in (value, {"awslogs": value}, {"awslogs": {"data": value}}, packed({"logEvents": value})):
        with suppress(PayloadError):
            batches_of(invocation)


@given(st.lists(ANY_JSON, max_size=5), ANY_JSON)
def test_no_event_is_lost_however_odd(odd: list[Any], more: Any) -> None:
    (batch,) = batches_of(packed(message(STREAM, odd, owner=more, logGroup=more, logStream=more)))
    assert len(batch.events) == len(odd)
    again = batches_of(packed(message(STREAM, odd, owner=more, logGroup=more, logStream=more)))
    assert [event.id for event in again[0].events] == [event.id for event in batch.events]
    assert all(0 < len(event.id.encode()) <= 512 for event in batch.events)


def test_events_without_ids_that_say_different_things_have_different_ids() -> None:
    odd = [{"message": "a"}, {"message": "b"}, {"message": "a", "timestamp": 1}, {"message": "a", "id": "x" * 300}]
    (batch,) = batches_of(packed(message(STREAM, odd)))
    assert len({event.id for event in batch.events}) == 4
