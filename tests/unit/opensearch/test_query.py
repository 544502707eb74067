from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from sidecar.errors import OpenSearchError
from sidecar.opensearch import query as query_module
from sidecar.opensearch.client import Client
from sidecar.opensearch.query import counts_by_index, documents, refresh
from tests.support.fakes.server import Exchange, Scripted, says


class Searched(Scripted):
    """Has this many documents, and answers a search as OpenSearch does."""

    def __init__(self, number: int) -> None:
        super().__init__(self._search)
        self.sources = [{"id": f"{key:04d}"} for key in range(number)]

    def _search(self, exchange: Exchange) -> None:
        body = orjson.loads(exchange.request.body)
        after = body.get("search_after", [""])[0]
        found = [source for source in self.sources if source["id"] > after][: body["size"]]
        exchange.json({"hits": {"hits": [{"_source": source, "sort": [source["id"]]} for source in found]}})


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_module, "_PAGE", 4)


def searched(server: Scripted, query: Any) -> Iterator[dict[str, Any]]:
    client = Client(server.url)
    yield from documents(client, "a-*,b", query, order="id")
    client.close()


@pytest.mark.parametrize(("number", "requests"), [(0, 1), (3, 1), (4, 2), (5, 2), (8, 3), (9, 3)])
def test_all_pages_are_read_once_and_in_order(number: int, requests: int) -> None:
    with Searched(number) as server:
        assert list(searched(server, {"match_all": {}})) == server.sources
    assert len(server.requests) == requests
    assert {request.path for request in server.requests} == {"/a-*,b/_search"}
    first = orjson.loads(server.requests[0].body)
    assert (first["query"], first["sort"]) == ({"match_all": {}}, [{"id": "asc"}])
    assert server.requests[0].query == {"ignore_unavailable": "true"}


def test_a_page_is_asked_for_when_it_is_needed() -> None:
    with Searched(9) as server:
        assert next(searched(server, {})) == {"id": "0000"}
        assert len(server.requests) == 1


def test_counts_are_by_index_and_none_where_there_is_no_index() -> None:
    buckets = [{"key": "a-1", "doc_count": 3}, {"key": "b", "doc_count": 1}]
    with Scripted(says(200, {"aggregations": {"index": {"buckets": buckets}}}), says(200, {"hits": {}})) as server:
        client = Client(server.url)
        assert counts_by_index(client, "a-*", {"match_all": {}}) == {"a-1": 3, "b": 1}
        assert counts_by_index(client, "a-*", {"match_all": {}}) == {}
        client.close()
    assert orjson.loads(server.requests[0].body)["size"] == 0


def test_refresh_names_the_pattern_and_passes_errors_on() -> None:
    with Scripted(says(200, {}), says(403, {"error": "no"})) as server:
        client = Client(server.url)
        refresh(client, "a b/*")
        with pytest.raises(OpenSearchError):
            refresh(client, "a")
        client.close()
    assert (server.requests[0].method, server.requests[0].path) == ("POST", "/a%20b%2F*/_refresh")
