"""The translator of panels is right, and the test of the panels fails where one is wrong."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.config import loads
from sidecar.render.dashboards import saved_objects
from tests.support.panels import Question, StrangePanelError, empty_parts, questions
from tests.support.panels.question import by_id

Json = dict[str, Any]

OBJECTS = saved_objects(loads("cluster: c\nopensearch: {url: 'http://h'}\n"))


def asked(title: str, harm: Callable[[Json], None] = lambda _: None) -> Question:
    """The question of a panel, which has first been harmed."""
    objects = copy.deepcopy(OBJECTS)
    panel = next(thing for thing in objects if thing["attributes"]["title"] == title)
    harm(panel)
    (question,) = questions(by_id(objects), panel, since="now-1h")
    return question


def harmed(old: str, new: str) -> Callable[[Json], None]:
    """Another text somewhere in a panel."""

    def harm(panel: Json) -> None:
        attributes = panel["attributes"]
        before = json.dumps(attributes)
        for key in ("visState", "columns", "kibanaSavedObjectMeta"):
            if key in attributes:
                # A text within a text has its quotes escaped.
                attributes[key] = json.loads(json.dumps(attributes[key]).replace(old, new))
        assert json.dumps(attributes) != before, f"there is no {old}"

    return harm


def test_a_timeline_asks_for_intervals_and_in_each_for_types_by_the_number_of_events() -> None:
    question = asked("Kubernetes events: by type")

    unique = {"cardinality": {"field": "metadata.uid"}}
    assert question.index == "eks-kubernetes-events-*"
    assert question.body["query"] == {
        "bool": {
            "filter": [{"match_all": {}}, {"range": {"@timestamp": {"gte": "now-1h", "lte": "now"}}}],
            "must_not": [{"match_phrase": {"kind": "EventGap"}}],
        }
    }
    assert question.body["aggs"] == {
        "2": {
            "date_histogram": {
                "field": "@timestamp",
                "fixed_interval": "10m",
                "time_zone": "UTC",
                "min_doc_count": 1,
            },
            "aggs": {
                "3": {
                    "terms": {"field": "type", "order": {"1": "desc"}, "size": 10},
                    "aggs": {"1": unique},
                }
            },
        }
    }
    assert question.fields == {"@timestamp", "metadata.uid", "type", "kind"}


def test_a_count_needs_no_aggregation_and_orders_by_itself() -> None:
    terms = asked("Pod logs: by stream").body["aggs"]["2"]["aggs"]["3"]

    assert terms == {"terms": {"field": "stream", "order": {"_count": "desc"}, "size": 10}}


def test_a_script_takes_the_place_of_a_field() -> None:
    question = asked("Pipeline health: delay")
    average = question.body["aggs"]["3"]["aggs"]["1"]["avg"]

    assert set(average) == {"script"}
    assert question.fields == {"@timestamp", "observedTimestamp", "kubernetes.restart_count"}


def test_documents_without_a_value_are_a_bucket_where_the_panel_says_so() -> None:
    assert asked("Pod logs: severities").body["aggs"]["2"]["terms"]["missing"] == "__missing__"


def test_a_search_asks_for_the_newest() -> None:
    question = asked("Pod logs: latest")

    assert question.body["sort"] == [{"@timestamp": {"order": "desc", "unmapped_type": "boolean"}}]
    assert question.fields >= {"log", "stream", "@timestamp"}


def test_a_text_asks_nothing() -> None:
    about = next(thing for thing in OBJECTS if thing["attributes"]["title"] == "Pod logs: about")

    assert questions(by_id(OBJECTS), about, since="now-1h") == []


def test_lists_ask_for_the_values_of_their_fields() -> None:
    lists = next(thing for thing in OBJECTS if thing["attributes"]["title"] == "Pod logs: filters")
    found = questions(by_id(OBJECTS), lists, since="now-1h")

    assert [question.fields for question in found] == [{"cluster"}, {"kubernetes.namespace_name"}, {"workload.name"}]


@pytest.mark.parametrize(
    ("title", "old", "new"),
    [
        ("Kubernetes events: by type", "metadata.uid", "metadata.uuid"),
        ("Kubernetes events: warnings", '{\\"type\\":\\"Warning\\"}', '{\\"kind_\\":\\"Warning\\"}'),
        ("Kubernetes events: workloads with open warnings", "message", "messages"),
        ("Pipeline health: delay", "observedTimestamp", "observed_timestamp"),
        ("Pod logs: latest", "kubernetes.pod_name", "kubernetes.pod.name"),
    ],
)
def test_another_field_is_seen(title: str, old: str, new: str) -> None:
    assert asked(title, harmed(old, new)).fields != asked(title).fields


@pytest.mark.parametrize(
    ("title", "old", "new"),
    [
        ("Kubernetes events: by type", '\\"cardinality\\"', '\\"percentile_ranks\\"'),
        ("Kubernetes events: by type", '\\"orderBy\\":\\"1\\"', '\\"orderBy\\":\\"7\\"'),
        ("Pipeline health: by stream", '\\"lucene\\"', '\\"ppl\\"'),
        ("Pod logs: latest", '\\"query\\":\\"\\"', '\\"query\\":\\"level: error\\"'),
    ],
)
def test_what_is_not_known_is_no_panel(title: str, old: str, new: str) -> None:
    with pytest.raises((AssertionError, StrangePanelError)):
        asked(title, harmed(old, new))


def test_a_reference_that_leads_nowhere_is_no_panel() -> None:
    def harm(panel: Json) -> None:
        panel["references"][0]["id"] = "x"

    with pytest.raises(StrangePanelError, match="no index pattern"):
        asked("Pod logs: latest", harm)


def answer(total: int, **aggregations: Json) -> Json:
    return {"hits": {"total": {"value": total}, "hits": []}, "aggregations": aggregations}


def buckets(*found: Json) -> Json:
    return {"buckets": list(found)}


TIMELINE = asked("Kubernetes events: by type").body
MINUTE = {"key": 0, "doc_count": 3}


@pytest.mark.parametrize(
    ("given", "empty"),
    [
        (answer(3, **{"2": buckets({**MINUTE, "3": buckets({"key": "Normal", "1": {"value": 3}})})}), []),
        (answer(0), ["no document"]),
        (answer(0, **{"2": buckets()}), ["no document", "2: no bucket", "3: no bucket", "1: no value"]),
        (answer(3, **{"2": buckets({**MINUTE, "3": buckets()})}), ["3: no bucket", "1: no value"]),
        (answer(3, **{"2": buckets({**MINUTE, "3": buckets({"key": "Normal", "1": {"value": 0}})})}), ["1: no value"]),
        (
            answer(3, **{"2": buckets({**MINUTE, "3": buckets({"key": "__missing__", "1": {"value": 3}})})}),
            ["3: no value"],
        ),
    ],
)
def test_a_panel_that_shows_nothing_is_seen(given: Json, empty: list[str]) -> None:
    assert set(empty) <= set(empty_parts(TIMELINE, given))
    assert bool(empty) is bool(empty_parts(TIMELINE, given))


def test_a_stream_without_a_document_is_seen() -> None:
    body = asked("Pipeline health: by stream").body
    per_stream = {"events": {"doc_count": 1}, "pod logs": {"doc_count": 0}, "control plane": {"doc_count": 2}}

    empty = empty_parts(body, answer(3, **{"2": buckets({**MINUTE, "3": {"buckets": per_stream}})}))

    assert empty == ["3: nothing for pod logs"]


def test_a_search_without_a_hit_is_seen() -> None:
    assert empty_parts(asked("Pod logs: latest").body, answer(0)) == ["no document", "no hit"]
