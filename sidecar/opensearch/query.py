"""Read documents back: all of an index pattern, in bounded requests."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch.client import Client

_PAGE = 1000


def refresh(client: Client, pattern: str) -> None:
    """Make what was written so far visible to searches."""
    client.request("POST", f"/{_path(pattern)}/_refresh", params={"allow_no_indices": "true"})


def documents(client: Client, pattern: str, query: Mapping[str, Any], *, order: str) -> Iterator[dict[str, Any]]:
    """The source of every document that a query finds.

    Args:
        client: OpenSearch.
        pattern: Index pattern; one without an index is empty.
        query: A query of the search API.
        order: A keyword field that every document has another value of; pages follow it.
    """
    body: dict[str, Any] = {"query": query, "size": _PAGE, "sort": [{order: "asc"}], "track_total_hits": False}
    while True:
        answer = client.request("POST", f"/{_path(pattern)}/_search", body, params={"ignore_unavailable": "true"})
        hits = answer["hits"]["hits"]
        yield from (hit["_source"] for hit in hits)
        if len(hits) < _PAGE:
            return
        body["search_after"] = hits[-1]["sort"]


def newest(client: Client, pattern: str, query: Mapping[str, Any], *, by: str) -> dict[str, Any] | None:
    """The source of the newest document that a query finds.

    Args:
        client: OpenSearch.
        pattern: Index pattern; one without an index is empty.
        query: A query of the search API.
        by: A date field.

    Raises:
        OpenSearchError: It can't be told.
    """
    body = {"query": query, "size": 1, "sort": [{by: {"order": "desc", "unmapped_type": "date", "missing": "_last"}}]}
    answer = client.request("POST", f"/{_path(pattern)}/_search", body, params={"ignore_unavailable": "true"})
    try:
        found: list[dict[str, Any]] = [hit["_source"] for hit in answer["hits"]["hits"]]
    except (KeyError, TypeError):
        raise OpenSearchUnavailable("OpenSearch: a search was answered without hits") from None
    return found[0] if found else None


def counts_by_index(client: Client, pattern: str, query: Mapping[str, Any]) -> dict[str, int]:
    """How many documents a query finds, by index."""
    body = {"query": query, "size": 0, "aggs": {"index": {"terms": {"field": "_index", "size": 1000}}}}
    answer = client.request("POST", f"/{_path(pattern)}/_search", body, params={"ignore_unavailable": "true"})
    # Without a single index there is nothing that could be aggregated.
    buckets = answer.get("aggregations", {}).get("index", {}).get("buckets", [])
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def _path(pattern: str) -> str:
    return quote(pattern, safe="*,")
