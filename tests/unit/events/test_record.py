import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import loads
from sidecar.events.record import Involved, Record, Recorder, event_times, parse_time
from sidecar.opensearch.fit import MISFIT
from tests.support.fakes.kubernetes import event
from tests.unit.opensearch.test_fit import NAMES, PROPERTIES, VALUES, refusals

Json = dict[str, Any]
CONFIG = "cluster: c1\nopensearch: {url: http://localhost:9200}\n"
RECORDER = Recorder(loads(CONFIG))
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", re.ASCII)


def document(event: Any, recorder: Recorder = RECORDER) -> Json:
    line = recorder.record(event).line
    found: Json = orjson.loads(line)
    return found


def test_a_core_event_is_as_kubectl_shows_it_with_the_four_fields_before_it() -> None:
    item = event(7, "web.1", eventTime=None, reportingComponent="kubelet", source={"component": "kubelet"})
    assert document(item) == {
        "@timestamp": "2026-05-04T10:00:05.000Z",
        "id": "uid-web.1.7",
        "index": "eks-kubernetes-events-2026.05.04",
        "cluster": "c1",
        "kind": "Event",
        "apiVersion": "v1",
        **item,
    }


def test_a_record_names_what_its_line_says() -> None:
    record = RECORDER.record(event(7, "web.1"))
    assert (record.id, record.index) == ("uid-web.1.7", "eks-kubernetes-events-2026.05.04")
    assert record.line.endswith(b"}\n")


def test_managed_fields_are_gone_and_the_rest_of_the_metadata_is_there() -> None:
    item = event(7)
    kept = dict(item["metadata"])
    item["metadata"]["managedFields"] = [{"fieldsV1": {"f:metadata": {".": {}}}}]
    assert document(item)["metadata"] == kept
    assert "managedFields" in item["metadata"], "the caller's object is left alone"


def test_a_listed_and_a_watched_item_are_the_same_bytes() -> None:
    watched = {"kind": "Event", "apiVersion": "v1", **event(7)}
    assert RECORDER.record(watched) == RECORDER.record(event(7))


def newer_writer(**more: Any) -> Json:
    return event(7, firstTimestamp=None, lastTimestamp=None, count=0, eventTime="2026-05-04T10:00:01.234567Z", **more)


def test_an_events_k8s_io_writers_event_gets_first_last_and_count() -> None:
    found = document(newer_writer())
    assert found["firstTimestamp"] == found["lastTimestamp"] == "2026-05-04T10:00:01.234567Z"
    assert found["@timestamp"] == "2026-05-04T10:00:01.234Z"
    assert found["count"] == 1


def test_a_series_says_when_it_was_last_seen_and_how_often() -> None:
    found = document(newer_writer(series={"count": 9, "lastObservedTime": "2026-05-04T10:07:00.999999Z"}))
    assert found["firstTimestamp"] == "2026-05-04T10:00:01.234567Z"
    assert found["lastTimestamp"] == "2026-05-04T10:07:00.999999Z"
    assert found["@timestamp"] == "2026-05-04T10:07:00.999Z"
    assert found["count"] == 9


def test_an_events_own_times_and_count_are_never_replaced() -> None:
    found = document(event(7, count=5, series={"count": 9, "lastObservedTime": "2026-05-04T11:00:00.000001Z"}))
    assert (found["firstTimestamp"], found["lastTimestamp"]) == ("2026-05-04T10:00:00Z", "2026-05-04T10:00:05Z")
    assert found["count"] == 5
    assert found["@timestamp"] == "2026-05-04T11:00:00.000Z", "the newest time that it names"


def test_without_any_time_of_its_own_the_creation_counts_and_without_that_the_epoch() -> None:
    bare = event(7, firstTimestamp=None, lastTimestamp=None)
    assert document(bare)["@timestamp"] == "2026-05-04T10:00:00.000Z"
    del bare["metadata"]["creationTimestamp"]
    found = document(bare)
    assert (found["@timestamp"], found["firstTimestamp"]) == ("1970-01-01T00:00:00.000Z", None)
    assert found["index"] == "eks-kubernetes-events-undated"


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-02-30T00:00:00Z", "2026-05-04T10:00:00+02:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
     "0001-01-01T00:00:00Z", "2026-05-04T10:00:00Z\n", "2026-05-04T10:00:60Z", 5, None, [], {}],
)  # fmt: skip
def test_what_is_no_time_is_no_time(text: Any) -> None:
    assert parse_time(text) is None
    found = document(event(7, lastTimestamp=text))
    assert found["@timestamp"] == "2026-05-04T10:00:00.000Z", "firstTimestamp stands in"


def test_the_last_time_is_compared_as_a_time_and_not_as_text() -> None:
    times = event_times({"firstTimestamp": "2026-05-04T10:00:00Z", "eventTime": "2026-05-04T10:00:00.5Z"}, None)
    assert times.last == "2026-05-04T10:00:00.5Z"


def test_the_index_follows_the_creation_time_and_not_what_a_user_may_write() -> None:
    assert RECORDER.record(event(7, lastTimestamp="2031-01-01T00:00:00Z")).index == "eks-kubernetes-events-2026.05.04"
    monthly = Recorder(loads(CONFIG + "events: {rotate: monthly}\n"))
    assert monthly.record(event(7)).index == "eks-kubernetes-events-2026.05"


@pytest.mark.parametrize("value", [5, None, ["x"], {}, "other"])
def test_an_event_can_not_override_the_fields_that_are_added(value: Any) -> None:
    own = {"id": value, "index": value, "cluster": value, "@timestamp": value}
    assert RECORDER.record(event(7, **own)) == RECORDER.record(event(7))


@pytest.mark.parametrize(
    ("uid", "version"),
    [("", "1"), ("u", ""), (None, "1"), ("u", 5), ("u" * 600, "1"), ("ü\ud800", "1"), ("u", "1\n"), ([], {})],
)
def test_without_a_usable_uid_and_version_the_id_is_a_digest(uid: Any, version: Any) -> None:
    item = event(7)
    item["metadata"] |= {"uid": uid, "resourceVersion": version}
    record = RECORDER.record(item)
    assert re.fullmatch(r"sha256\.[0-9a-f]{64}", record.id)
    other = event(7, message="another")
    other["metadata"] |= {"uid": uid, "resourceVersion": version}
    assert RECORDER.record(other).id != record.id
    assert RECORDER.record(item) == record


def test_metadata_of_another_shape_is_kept() -> None:
    assert document({"metadata": "text"})["metadata"] == {MISFIT: "text"}
    assert document({"metadata": [1]})["metadata"] == {MISFIT: "[1]"}


@pytest.mark.parametrize("odd", [None, True, 5, "text", ["a"], 2**80, float("nan")])
def test_what_is_no_object_at_all_is_kept(odd: Any) -> None:
    found = document(odd)
    assert MISFIT in found
    assert found["kind"] == "Event"


ANY_EVENT = VALUES | st.dictionaries(
    NAMES | st.sampled_from(["uid", "resourceVersion", "creationTimestamp", "@timestamp", "id"]), VALUES, max_size=6
)


def check(record: Record) -> None:
    assert record.line.endswith(b"\n")
    assert record.line.count(b"\n") == 1
    found = orjson.loads(record.line)
    assert found["id"] == record.id
    assert found["index"] == record.index
    assert re.fullmatch(r"eks-kubernetes-events-[0-9a-z.]+", record.index)
    assert len(record.id) <= 512
    assert record.id.isascii()
    assert TIMESTAMP.fullmatch(found["@timestamp"])
    assert found["cluster"] == "c1"
    assert refusals(found, PROPERTIES) == []


@given(ANY_EVENT)
def test_anything_becomes_one_line_that_opensearch_takes(value: Any) -> None:
    record = RECORDER.record(value)
    check(record)
    assert RECORDER.record(value) == record


@given(st.sampled_from([*event(7), "series", "eventTime", "related", "source"]), VALUES)
def test_any_field_may_hold_anything(name: str, value: Any) -> None:
    check(RECORDER.record(event(7) | {name: value}))


@given(st.sampled_from([*event(7)["metadata"], "labels", "annotations", "managedFields"]), VALUES)
def test_any_field_of_the_metadata_may_hold_anything(name: str, value: Any) -> None:
    item = event(7)
    item["metadata"][name] = value
    check(RECORDER.record(item))


@given(st.from_regex(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z", fullmatch=True))
def test_any_digits_in_a_time_give_a_sound_timestamp_and_index(text: str) -> None:
    item = event(7, lastTimestamp=text)
    item["metadata"]["creationTimestamp"] = text
    check(RECORDER.record(item))


def test_an_event_without_uid_has_one_id_whether_listed_or_watched() -> None:
    item = event(7)
    del item["metadata"]["uid"]
    watched = {"apiVersion": "v1", "kind": "Event", **item}
    assert RECORDER.record(watched) == RECORDER.record(item)


def test_a_date_in_other_digits_makes_no_index_of_its_own() -> None:
    item = event(7)
    item["metadata"]["creationTimestamp"] = "\u0662\u0660\u0662\u0666-05-04T10:00:00Z"
    assert RECORDER.record(item).index == "eks-kubernetes-events-undated"


def test_labels_and_workload_of_the_object_are_added_where_they_are_known() -> None:
    labels = {"app": "web", "app.kubernetes.io/name": "x" * 40_000}
    found = orjson.loads(RECORDER.record(event(7), Involved(labels, "Deployment", "web")).line)
    assert found["involvedObject"]["labels"]["app"] == "web"
    assert len(found["involvedObject"]["labels"]["app.kubernetes.io/name"]) < 33_000
    assert found["involvedObject"]["name"] == "p"
    assert found["workload"] == {"kind": "Deployment", "name": "web"}
    assert "workload" not in orjson.loads(RECORDER.record(event(7), Involved({"app": "web"})).line)


@pytest.mark.parametrize("about", [None, "text", [], {}])
def test_an_odd_reference_to_the_object_is_no_hindrance(about: Any) -> None:
    found = orjson.loads(RECORDER.record(event(7, involvedObject=about), Involved({"a": "b"}, "Job", "j")).line)
    assert found["workload"] == {"kind": "Job", "name": "j"}
