"""The document of a gap."""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Config, loads
from sidecar.events.following import Gap, Position
from sidecar.events.gap import gap_record
from sidecar.events.reader import parse_line
from sidecar.events.record import parse_time
from sidecar.render.templates import event_properties
from tests.unit.opensearch.test_fit import refusals

HEAD = "cluster: c1\nopensearch: {url: http://localhost:9200}\n"
CONFIG = loads(HEAD)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
GAP = Gap(Position("5", NOON), Position("9", NOON + 90), "history")

TIMES = st.floats(0, datetime(2199, 1, 1, tzinfo=UTC).timestamp())
VERSIONS = st.integers(0, 2**63).map(str) | st.just("") | st.text(max_size=9)


@st.composite
def gaps(draw: st.DrawFn) -> Gap:
    start, end = sorted((draw(TIMES), draw(TIMES)))
    return Gap(
        Position(draw(VERSIONS), start), Position(draw(VERSIONS), end), draw(st.sampled_from(("history", "outage")))
    )


def document(gap: Gap, config: Config = CONFIG) -> Any:
    return orjson.loads(gap_record(gap, config).line)


def seconds(text: str) -> float:
    moment = parse_time(text)
    assert moment is not None
    return moment.timestamp()


@given(gaps())
def test_all_that_may_be_missing_lies_within_by_a_clock_that_is_up_to_a_second_early(gap: Gap) -> None:
    told = document(gap)["gap"]
    assert seconds(told["from"]) <= gap.start.time < seconds(told["from"]) + 1
    assert gap.end.time + 1 <= seconds(told["to"]) <= gap.end.time + 2


@given(gaps())
def test_the_mapping_takes_it_and_the_journal_too(gap: Gap) -> None:
    record = gap_record(gap, CONFIG)
    assert refusals(orjson.loads(record.line), event_properties(CONFIG)) == []
    assert record.line.endswith(b"\n")
    assert record.line.count(b"\n") == 1
    read = parse_line(record.line)
    assert read is not None
    assert (read.id, read.index) == (record.id, record.index)


@given(gaps(), gaps())
def test_the_id_is_that_of_what_it_describes(one: Gap, other: Gap) -> None:
    def described(gap: Gap) -> tuple[object, ...]:
        return gap.start.resource_version, math.floor(gap.start.time), gap.end.resource_version, math.ceil(gap.end.time)

    same = gap_record(one, CONFIG).id == gap_record(other, CONFIG).id
    assert same is (described(one) == described(other))
    assert gap_record(one, CONFIG) == gap_record(replace(one), CONFIG)


@pytest.mark.parametrize(
    "other",
    [
        Gap(Position("6", NOON), GAP.end, "history"),
        Gap(Position("", NOON), GAP.end, "history"),
        Gap(Position("5", NOON - 1), GAP.end, "history"),
        Gap(GAP.start, Position("10", NOON + 90), "history"),
        Gap(GAP.start, Position("9", NOON + 91), "history"),
        Gap(Position("59", NOON), Position("", NOON + 90), "history"),
    ],
)
def test_another_gap_has_another_id(other: Gap) -> None:
    assert gap_record(other, CONFIG).id != gap_record(GAP, CONFIG).id


def test_another_cluster_has_another_id() -> None:
    assert gap_record(GAP, loads(HEAD.replace("c1", "c2"))).id != gap_record(GAP, CONFIG).id


def test_the_same_second_is_the_same_gap() -> None:
    later = Gap(Position("5", NOON + 0.3), Position("9", NOON + 89.2), "history")
    assert gap_record(later, CONFIG) == gap_record(GAP, CONFIG)


@pytest.mark.parametrize(
    ("rotate", "index"),
    [("daily", "k-2026.11.23"), ("monthly", "k-2026.11"), ("never", "k")],
)
def test_its_index_is_that_of_the_moment_at_which_it_ended(rotate: str, index: str) -> None:
    config = loads(f"{HEAD}events: {{index: k, rotate: {rotate}}}\n")
    midnight = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    record = gap_record(Gap(Position("5", NOON), Position("9", midnight + 5), "history"), config)
    assert record.index == index
    assert orjson.loads(record.line)["index"] == index


def test_it_looks_like_a_warning_to_who_looks_at_events() -> None:
    found = document(GAP)
    assert re.fullmatch(r"gap\.[0-9a-f]{40}", found["id"])
    key, end = found["id"], "2026-11-22T12:01:31.000Z"
    assert found == {
        "@timestamp": end,
        "id": key,
        "index": "eks-kubernetes-events-2026.11.22",
        "cluster": "c1",
        "kind": "EventGap",
        "metadata": {"name": key, "uid": key, "creationTimestamp": end},
        "type": "Warning",
        "reason": "EventGap",
        "message": "Versions of events between 2026-11-22T12:00:00.000Z and 2026-11-22T12:01:31.000Z may be missing: "
        "the API server's watch history did not reach back. The last version of each event that it still had is there.",
        "firstTimestamp": "2026-11-22T12:00:00.000Z",
        "lastTimestamp": end,
        "count": 1,
        "reportingComponent": "fluent-sidecar",
        "gap": {
            "from": "2026-11-22T12:00:00.000Z",
            "to": end,
            "cause": "history",
            "fromResourceVersion": "5",
            "toResourceVersion": "9",
        },
    }


@pytest.mark.parametrize(("ttl", "text"), [("1h", "(1 h)"), ("90m", "(1.5 h)"), ("3d", "(72 h)")])
def test_an_outage_says_how_long_events_are_kept(ttl: str, text: str) -> None:
    found = document(Gap(GAP.start, GAP.end, "outage"), loads(f"{HEAD}events: {{apiTTL: {ttl}}}\n"))
    assert found["gap"]["cause"] == "outage"
    assert text in found["message"]
    assert found["message"].startswith("Events between 2026-11-22T12:00:00.000Z and ")
