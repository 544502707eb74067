"""Pages, newest versions, order of lines and what follows: over HTTP, of a fake that searches."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from sidecar.config import loads
from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch import Client
from sidecar.reading import Reader, Selection, Window
from sidecar.reading.events import newest, sort_key, versions
from sidecar.reading.follow import Follower
from sidecar.reading.logs import in_order, last_of, lines
from sidecar.reading.nothing import Nothing
from sidecar.reading.rows import span
from sidecar.reading.selection import event_query
from sidecar.reading.shown import for_terminal, one_line
from tests.support.fakes.searched import Searched

Json = dict[str, Any]
INDEX = "eks-kubernetes-events-2026.11.27"


@pytest.fixture
def server() -> Iterator[Searched]:
    with Searched() as made:
        yield made


@pytest.fixture
def reader(server: Searched) -> Iterator[Reader]:
    made = Reader(loads(f"cluster: c\nopensearch: {{url: '{server.url}'}}\n"), Client(server.url))
    yield made
    made.close()


def event(uid: str, version: int, seen: str = "08:00:00.000", **more: Any) -> Json:
    metadata = {"uid": uid, "resourceVersion": str(version)}
    return {"cluster": "c", "kind": "Event", "@timestamp": f"2026-11-27T{seen}Z", "metadata": metadata, **more}


def line(offset: int, time: str = "08:00:00.000000000") -> Json:
    time = f"2026-11-27T{time}Z"
    return {"cluster": "c", "@timestamp": time, "id": f"uid/main/0/o/{time}/{offset}", "log": str(offset)}


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 1100, 1101, 7000])
def test_every_document_is_read_once_and_in_order_however_many_share_a_time(
    server: Searched, reader: Reader, number: int
) -> None:
    server.put(INDEX, *(event(str(n), n, f"08:00:00.{n // 500:03d}") for n in range(number)))
    assert [one["metadata"]["uid"] for one in versions(reader, Selection("c"), Window())] == [
        str(n) for n in range(number)
    ]
    assert reader.incomplete == ""


def test_a_page_of_long_documents_is_short(server: Searched, reader: Reader) -> None:
    server.put(INDEX, *(event(str(n), n, message="x" * 200_000) for n in range(130)))
    assert sum(1 for _ in versions(reader, Selection("c"), Window())) == 130
    assert [orjson.loads(request.body)["size"] for request in server.requests][:3] == [100, 20, 20]


def test_all_pages_come_from_the_same_copies(server: Searched, reader: Reader) -> None:
    server.put(INDEX, *(event(str(n), n) for n in range(150)))
    assert sum(1 for _ in versions(reader, Selection("c"), Window())) == 150
    assert len({request.query["preference"] for request in server.requests}) == 1


def test_shards_that_do_not_answer_are_told(server: Searched, reader: Reader) -> None:
    server.missing = 2
    assert list(versions(reader, Selection("c"), Window())) == []
    assert reader.incomplete.startswith("2 of 3 shards did not answer (i: too much")


def test_of_each_event_the_newest_version_is_kept_and_the_last_seen_comes_last() -> None:
    found = [event("a", 9, "08:02:00.000"), event("b", 3, "08:01:00.000"), event("b", 4, "08:01:00.000"), event("a", 1)]
    assert newest(found, lambda one: one["metadata"]["resourceVersion"]) == ["4", "9"]


def test_no_more_is_read_than_the_last_ones_take() -> None:
    found = iter([event("a", 9), event("a", 8), event("b", 7), event("c", 6), event("d", 5)])
    assert newest(found, lambda one: one["metadata"]["uid"], last=2) == ["b", "a"]
    assert [one["metadata"]["uid"] for one in found] == ["d"]


def test_values_of_any_kind_sort() -> None:
    events = [event("a", 1, count=10), event("b", 1), event("c", 1, count=9), event("d", 1, count="x")]
    assert [one["metadata"]["uid"] for one in sorted(events, key=lambda one: sort_key(one, "count"))] == list("bcad")


def test_lines_are_in_order_to_the_nanosecond_and_then_by_offset() -> None:
    found = [
        line(80, "08:00:00.000000002"), line(100, "08:00:00.000000001"), line(20, "08:00:00.000000001"),
        line(3, "08:00:00.0000001"), line(9, "08:00:00.001"), line(4, "08:00:00.001"),
    ]  # fmt: skip
    assert [one["log"] for one in in_order(found)] == ["20", "100", "80", "3", "4", "9"]
    assert [one["log"] for one in last_of(reversed(found), 3)] == ["3", "4", "9"]
    assert [one["log"] for one in last_of(reversed(found), 1)] == ["9"]


def test_lines_of_all_routes_are_read(server: Searched) -> None:
    text = (
        f"cluster: c\nopensearch: {{url: '{server.url}'}}\nlogs: {{routes: [{{name: p, namespaces: [p], index: p}}]}}\n"
    )
    reader = Reader(loads(text), Client(server.url))
    server.put("p-2026.11.27", line(2))
    server.put("eks-pod-logs-2026.11.27", line(1))
    server.put("p-2", line(3))
    server.put("other", line(4))
    assert [one["log"] for one in lines(reader, Selection("c"), Window())] == ["1", "2", "3"]
    reader.close()


# Following


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def follower(reader: Reader, clock: Clock) -> Follower:
    return Follower(reader, "eks-kubernetes-events-*", event_query(Selection("c"), Window()), clock=clock)


def uids(found: Iterator[Json]) -> list[str]:
    return [one["metadata"]["uid"] for one in found]


def test_what_arrives_is_found_once_however_old_it_is_and_in_whatever_index(server: Searched, reader: Reader) -> None:
    clock = Clock()
    server.put(INDEX, event("a", 1), event("b", 2))
    following = follower(reader, clock)
    server.put(INDEX, event("c", 3))
    assert uids(following.noting(reader.hits("eks-*", {"match_all": {}}))) == ["a", "b", "c"]
    assert uids(following.new()) == []
    server.put(INDEX, event("d", 4, "01:00:00.000"))
    server.put("eks-kubernetes-events-2026.11.28", event("e", 5))
    server.put("eks-kubernetes-events-2026.11.26", event("f", 6))
    assert sorted(uids(following.new())) == ["d", "e", "f"]
    for _ in range(10):
        clock.now += 10
        assert uids(following.new()) == []
    server.put(INDEX, event("g", 7))
    assert uids(following.new()) == ["g"]


def test_a_number_that_becomes_visible_after_a_higher_one_is_found(server: Searched, reader: Reader) -> None:
    clock = Clock()
    following = follower(reader, clock)
    for step in range(20):
        clock.now += 5
        server.put(INDEX, event(f"late-{step}", 1), event(f"early-{step}", 1), numbers=[3 * step + 2, 3 * step])
        assert sorted(uids(following.new())) == [f"early-{step}", f"late-{step}"]
        clock.now += 5
        server.put(INDEX, event(f"between-{step}", 1), numbers=[3 * step + 1])
        assert uids(following.new()) == [f"between-{step}"]
    # What is settled is not asked for again, so that it need not be remembered.
    assert len(following._seen) < 30


def test_an_outage_in_the_middle_loses_and_doubles_nothing(server: Searched, reader: Reader) -> None:
    following = follower(reader, Clock())
    server.put(INDEX, *(event(str(n), n) for n in range(150)))
    found = following.new()
    first = [next(found) for _ in range(100)]
    server.down = True
    with pytest.raises(OpenSearchUnavailable):
        next(found)
    server.down = False
    rest = uids(following.new())
    assert sorted([one["metadata"]["uid"] for one in first] + rest) == sorted(str(n) for n in range(150))


# What people see


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (330, "5m30s"), (600, "10m"), (3600, "60m"), (10_800, "3h"),
        (18_600, "5h10m"), (93_600, "26h"), (273_600, "3d4h"), (12 * 86_400, "12d"), (733 * 86_400, "2y3d"),
    ],
)  # fmt: skip
def test_a_time_is_written_as_kubectl_does(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_nothing_that_a_terminal_would_obey_is_in_a_cell() -> None:
    assert one_line(" a\n\tb\x1b[31m\x07\u202e ") == r"a b\x1b[31m\x07\u202e"


def test_what_would_find_something_is_told(server: Searched, reader: Reader) -> None:
    nothing = Nothing(reader, "eks-*", "events", event_query, lambda moment: f"{moment:%H:%M}")
    wanted = Selection("c", namespace="shop", types=("Warning",))
    assert "there are no events at all" in nothing.advice(wanted)
    server.put(INDEX, event("a", 1) | {"cluster": "d"})
    assert "of other clusters (d)" in nothing.advice(wanted)
    server.put(INDEX, event("a", 1))
    assert nothing.advice(wanted) == "of the cluster, of whatever kind, there are some; the newest is of 08:00"
    server.put(INDEX, event("a", 1, "08:05:00.000", type="Warning"))
    assert nothing.advice(wanted) == "with -A, in all namespaces, there are some; the newest is of 08:05"
    of_shop = event("b", 1, "08:04:00.000")
    of_shop["metadata"]["namespace"] = "shop"
    server.put(INDEX, of_shop)
    assert nothing.advice(wanted) == "without --types there are some; the newest is of 08:04"
    assert nothing.advice(Selection("c", namespace="shop")).startswith("the newest that is like this is of 08:04")


def test_an_index_that_never_had_a_document_is_no_failure(server: Searched, reader: Reader) -> None:
    assert list(versions(reader, Selection("c"), Window())) == []
    (asked,) = (json.loads(request.body)["sort"] for request in server.requests)
    assert all(part["unmapped_type"] for each in asked for part in each.values())


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a\r\r\x1b[0m", "a\x1b[0m"),
        ("10%\r20%\r", "10%\\x0d20%"),
        ("\x1b[1;31mred", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[2K\x1b[?1049h\x1bc", "\\x1b[2K\\x1b[?1049h\\x1bc"),
        ("tab\tand café", "tab\tand café"),
        ("\r" * 100_000 + "x", "\\x0d" * 100_000 + "x"),  # in a time that grows with the length alone
    ],
)
def test_a_terminal_is_sent_colours_and_no_other_order(line: str, shown: str) -> None:
    assert for_terminal(line) == shown
