from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import documents as documents_module
from sidecar.opensearch.client import Client
from sidecar.opensearch.documents import (
    Document,
    Documents,
    Found,
    Outcome,
    Presence,
    Verdict,
    batches,
    bulk_body,
    found_of,
    outcomes_of,
)
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import says

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 600) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["docs", "items", "create", "status", "error", "found", "type", "reason"]), inner
        )
    ),
    max_leaves=10,
)
URL = "http://h"
MISSING = {"error": {"type": "index_not_found_exception", "reason": "no such index"}}


def doc(key: str, text: str = "") -> Document:
    return Document("i", key, orjson.dumps({"id": key, "x": text}) + b"\n")


# --- what an answer means


def test_found_is_found_and_no_index_is_empty() -> None:
    answer = {"docs": [{"found": True}, {"found": False}, {"_id": "x"}, MISSING, {"found": "true"}]}
    absent = Found(Presence.ABSENT)
    assert found_of(answer, 5, URL) == [Found(Presence.THERE), absent, absent, absent, absent]


@pytest.mark.parametrize(
    "item",
    [
        {"error": {"type": "no_shard_available_action_exception", "reason": "r"}},
        {"error": {"type": "index_closed_exception", "reason": "closed"}},
        {"error": {"type": "x"}, "found": True},
        {"error": "text"},
        {"error": {}},
        {"error": ""},
        "text",
        5,
        [],
    ],
)
def test_a_failed_item_says_nothing_of_its_document_and_the_others_are_told(item: Any) -> None:
    there, unknown = found_of({"docs": [{"found": True}, item]}, 2, URL)
    assert there == Found(Presence.THERE)
    assert unknown.presence is Presence.UNKNOWN


def test_why_nothing_can_be_told_is_said() -> None:
    (found,) = found_of({"docs": [{"error": {"type": "t", "reason": "r"}}]}, 1, URL)
    assert found == Found(Presence.UNKNOWN, "t", "r")


@pytest.mark.parametrize(
    "answer", [None, "", [], {}, {"docs": None}, {"docs": {}}, {"docs": []}, {"docs": [{"found": True}] * 3}]
)
def test_an_mget_answer_of_another_length_or_kind_is_no_answer(answer: Any) -> None:
    with pytest.raises(OpenSearchUnavailable, match=f"OpenSearch at {URL}: an _mget of 2 ids") as caught:
        found_of(answer, 2, URL)
    assert "the address of another thing" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "kind", "verdict"),
    [
        (201, "", Verdict.STORED),
        (200, "", Verdict.STORED),
        (409, "version_conflict_engine_exception", Verdict.STORED),
        (400, "mapper_parsing_exception", Verdict.REFUSED),
        (400, "illegal_argument_exception", Verdict.REFUSED),
        (413, "", Verdict.REFUSED),
        (400, "validation_exception", Verdict.LATER),
        (400, "index_closed_exception", Verdict.LATER),
        (429, "rejected_execution_exception", Verdict.LATER),
        (403, "cluster_block_exception", Verdict.LATER),
        (403, "security_exception", Verdict.LATER),
        (404, "index_not_found_exception", Verdict.LATER),
        (500, "x", Verdict.LATER),
        (503, "unavailable_shards_exception", Verdict.LATER),
    ],
)
def test_the_verdict_of_a_bulk_item(status: int, kind: str, verdict: Verdict) -> None:
    error = {"error": {"type": kind, "reason": "because"}} if kind else {}
    (outcome,) = outcomes_of({"items": [{"create": {"status": status, **error}}]}, 1, URL)
    assert outcome.verdict is verdict
    if verdict is not Verdict.STORED:
        assert outcome == Outcome(verdict, status, kind, "because" if kind else "")


@pytest.mark.parametrize(
    "item", [{}, None, "x", {"create": None}, {"create": {}}, {"create": {"status": "201"}}, {"create": []}]
)
def test_an_item_that_is_no_answer_is_for_later(item: Any) -> None:
    outcomes = outcomes_of({"items": [{"create": {"status": 201}}, item]}, 2, URL)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.STORED, Verdict.LATER]


def test_an_alias_without_a_write_index_says_nothing_against_the_document() -> None:
    reason = "no write index is defined for alias [a]. The write index may be explicitly disabled"
    error = {"type": "illegal_argument_exception", "reason": reason}
    (outcome,) = outcomes_of({"items": [{"create": {"status": 400, "error": error}}]}, 1, URL)
    assert outcome == Outcome(Verdict.LATER, 400, "illegal_argument_exception", reason)


def test_an_error_that_is_text_is_the_reason() -> None:
    assert outcomes_of({"items": [{"create": {"status": 429, "error": "full"}}]}, 1, URL)[0].reason == "full"


@given(JSON, st.integers(1, 3))
def test_no_answer_is_odd_enough_for_anything_but_an_opensearch_error(answer: Any, count: int) -> None:
    for meaning in (found_of, outcomes_of):
        try:
            assert len(meaning(answer, count, URL)) == count
        except OpenSearchError:
            continue


# --- requests


def test_a_bulk_body_has_two_lines_for_each_document() -> None:
    body = bulk_body([doc('a\n"ä'), Document("j", "b", b'{"no":"line break"}')])
    assert body.endswith(b"}\n")
    action, source, other, last = map(orjson.loads, body.splitlines())
    assert action == {"create": {"_index": "i", "_id": 'a\n"ä'}}
    assert source["id"] == 'a\n"ä'
    assert other == {"create": {"_index": "j", "_id": "b"}}
    assert last == {"no": "line break"}


@given(st.lists(st.integers(0, 400), max_size=20), st.integers(1, 600))
def test_batches_are_in_order_bounded_and_lose_nothing(sizes: list[int], limit: int) -> None:
    documents = [doc(str(number), "x" * size) for number, size in enumerate(sizes)]
    split = list(batches(documents, limit))
    assert [document for batch in split for document in batch] == documents
    assert all(split)
    assert all(len(batch) == 1 or len(bulk_body(batch)) <= limit for batch in split)


# --- over the wire


@pytest.fixture
def server() -> Iterator[FakeOpenSearch]:
    with FakeOpenSearch() as server:
        yield server


@pytest.fixture
def documents(server: FakeOpenSearch) -> Iterator[Documents]:
    client = Client(server.url)
    yield Documents(client)
    client.close()


def test_what_is_created_exists_and_is_created_once(server: FakeOpenSearch, documents: Documents) -> None:
    keys = [("i", "1"), ("i", "2"), ("j", "1")]
    assert documents.existing(keys) == [False, False, False]
    assert [outcome.status for outcome in documents.create([doc("1", "first")])] == [201]
    assert documents.existing(keys) == [True, False, False]
    assert [outcome.verdict for outcome in documents.create([doc("1", "again"), doc("2")])] == [Verdict.STORED] * 2
    assert server.documents["i", "1"]["x"] == "first"
    ask = orjson.loads(server.requests[0].body)["docs"]
    assert ask[0] == {"_index": "i", "_id": "1", "_source": False}


def test_what_can_not_be_told_is_not_there_unless_nothing_can(server: FakeOpenSearch, documents: Documents) -> None:
    red = {"error": {"type": "no_shard_available_action_exception", "reason": "red"}}
    server.script = [says(200, {"docs": [red, {"found": True}, {"found": False}]}), says(200, {"docs": [red, red]})]
    assert documents.existing([("r", "1"), ("i", "1"), ("i", "2")]) == [False, True, False]
    with pytest.raises(OpenSearchUnavailable, match="no_shard_available_action_exception: red"):
        documents.existing([("r", "1"), ("r", "2")])


def test_a_shard_that_is_not_there_is_waited_for_less_long_than_for_the_answer(
    server: FakeOpenSearch, documents: Documents
) -> None:
    documents.create([doc("1")])
    (request,) = server.requests
    assert request.query["timeout"] == "5s"


def test_nothing_asked_is_nothing_sent(server: FakeOpenSearch, documents: Documents) -> None:
    assert documents.existing([]) == []
    assert documents.create([]) == []
    assert server.requests == []


def test_bodies_travel_packed_and_arrive_whole(server: FakeOpenSearch, documents: Documents) -> None:
    documents.create([doc("1", "äöü🚀" * 1000)])
    documents.existing([("i", str(number)) for number in range(100)])
    assert [request.headers["content-encoding"] for request in server.requests] == ["gzip", "gzip"]
    assert int(server.requests[0].headers["content-length"]) < 1000
    assert server.documents["i", "1"]["x"] == "äöü🚀" * 1000


def test_a_request_that_is_too_large_is_halved_until_it_fits(server: FakeOpenSearch, documents: Documents) -> None:
    server.limit = 600
    batch = [doc(str(number), "x" * (2000 if number == 5 else 100)) for number in range(9)]
    outcomes = documents.create(batch)
    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.REFUSED if number == 5 else Verdict.STORED for number in range(9)
    ]
    assert outcomes[5].status == 413
    assert sorted(key for _, key in server.documents) == [str(number) for number in range(9) if number != 5]


def test_more_than_a_request_takes_is_sent_in_several(
    server: FakeOpenSearch, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_module, "MAX_REQUEST_BYTES", 500)
    assert len(documents.create([doc(str(number), "x" * 100) for number in range(10)])) == 10
    assert len(server.documents) == 10
    assert len(server.requests) > 3
    assert all(len(request.body) <= 500 for request in server.requests)


def test_refused_and_overloaded_items_are_told_apart(server: FakeOpenSearch, documents: Documents) -> None:
    errors = {"bad": (400, {"type": "mapper_parsing_exception"}), "full": (429, {"type": "rejected"})}
    server.judge = lambda _index, key, _source: errors.get(key, (201, None))
    verdicts = [outcome.verdict for outcome in documents.create([doc("bad"), doc("good"), doc("full")])]
    assert verdicts == [Verdict.REFUSED, Verdict.STORED, Verdict.LATER]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_request_refused_as_a_whole_tells_of_no_document(
    server: FakeOpenSearch, documents: Documents, status: int
) -> None:
    server.script = [says(status, {"error": {"type": "t", "reason": "r"}, "status": status})] * 2
    with pytest.raises(OpenSearchError):
        documents.create([doc("1"), doc("2")])
    with pytest.raises(OpenSearchError):
        documents.existing([("i", "1")])
