"""All documents that a query finds, in order and in bounded memory, however many they are.

Pages follow each other by `search_after`, not by a point in time: documents are never changed, and each has a place
of its own (time, index, and its number there, for our indices have one shard), so that a page never doubles or leaves
out what was there when the first one was read. That takes the right to search and no other, and holds nothing on the
server. All pages are read from the same copies of the indices, of which one may be a second ahead of another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from sidecar.config import Config
from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch import Client, connect
from sidecar.render import fields

Json = dict[str, Any]

_SECONDS = 60.0
"""A search over months of indices may take its time."""
_FIRST_PAGE, _LARGEST_PAGE, _GROWTH = 100, 2000, 10
_PAGE_TEXT = 4 * 2**20
"""Characters of a page; lines may be megabytes long."""
_INDICES = 10_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A document and its place.

    Attributes:
        index: Its index.
        number: Its number there: what came later has a higher one.
        source: It, or the part of it that was asked for.
    """

    index: str
    number: int
    source: Json


class Reader:
    """Reads documents of one pipeline.

    Args:
        config: pipeline.yaml.
        client: OpenSearch.

    Attributes:
        config: pipeline.yaml.
        url: Where OpenSearch is, for messages.
        incomplete: What could not be read, in words; empty where nothing is missing.
    """

    def __init__(self, config: Config, client: Client) -> None:
        self.config = config
        self.incomplete = ""
        self._client = client
        self._copies = uuid4().hex

    @property
    def url(self) -> str:
        """Where OpenSearch is, for messages."""
        return self._client.url

    def hits(
        self,
        pattern: str,
        query: Json,
        *,
        only: Sequence[str] = (),
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Hit]:
        """Documents by time.

        Args:
            pattern: Index patterns, with commas between; one without an index is empty.
            query: Of the search API.
            only: The fields that are wanted; whole documents where none is said.
            newest_first: The newest first, instead of the oldest.
            limit: The most that are wanted.

        Raises:
            OpenSearchError: They can't be read.
        """
        direction = "desc" if newest_first else "asc"
        timestamp = {"order": direction, "unmapped_type": "date", "missing": "_last"}
        order = [{fields.TIMESTAMP: timestamp}, {"_index": direction}, {"_seq_no": direction}]
        yield from self._pages(pattern, {"query": query, "sort": order}, only, limit)

    def later(self, pattern: str, query: Json, *, only: Sequence[str] = ()) -> Iterator[Hit]:
        """Documents in the order in which their indices took them. Arguments and errors are those of `hits`."""
        order = [{"_index": "asc"}, {"_seq_no": "asc"}]
        yield from self._pages(pattern, {"query": query, "sort": order}, only, None)

    def heads(self, pattern: str, query: Json) -> dict[str, int]:
        """The highest number, in each index, of what a query finds.

        Raises:
            OpenSearchError: They can't be told.
        """
        highest = {"highest": {"max": {"field": "_seq_no"}}}
        body = {
            "query": query,
            "size": 0,
            "aggs": {"index": {"terms": {"field": "_index", "size": _INDICES}, "aggs": highest}},
        }
        answer = self.search(pattern, body)
        buckets = answer.get("aggregations", {}).get("index", {}).get("buckets", [])
        return {str(bucket["key"]): int(bucket["highest"]["value"]) for bucket in buckets}

    def search(self, pattern: str, body: Json) -> Json:
        """One search; what did not answer is noted in `incomplete`.

        Raises:
            OpenSearchError: See `Client.request`; also where the answer is none to a search.
        """
        params = {"ignore_unavailable": "true", "preference": self._copies}
        answer = self._client.request("POST", f"/{quote(pattern, safe='*,')}/_search", body, params=params)
        shards = answer.get("_shards") if isinstance(answer, Mapping) else None
        if not isinstance(answer, dict) or not isinstance(answer.get("hits"), Mapping):
            raise OpenSearchUnavailable(
                f"OpenSearch at {self.url}: a search was answered without hits", hint="is a proxy in between?"
            )
        self._note(shards if isinstance(shards, Mapping) else {}, timed_out=bool(answer.get("timed_out")))
        return answer

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def _pages(self, pattern: str, body: Json, only: Sequence[str], limit: int | None) -> Iterator[Hit]:
        body = {
            **body,
            "track_total_hits": False,
            "seq_no_primary_term": True,
            **({"_source": [*only]} if only else {}),
        }
        size, left = _FIRST_PAGE, limit
        while left is None or left > 0:
            asked = size if left is None else min(size, left)
            found = self.search(pattern, {**body, "size": asked})["hits"]["hits"]
            for hit in found:
                yield Hit(hit["_index"], hit["_seq_no"], hit.get("_source") or {})
            if len(found) < asked:
                return
            left = None if left is None else left - len(found)
            body["search_after"] = found[-1]["sort"]
            size = _next_size(size, found)
            del found, hit  # a page at a time is enough to hold

    def _note(self, shards: Mapping[str, Any], *, timed_out: bool) -> None:
        total, successful = shards.get("total", 0), shards.get("successful", 0)
        if successful < total:
            self.incomplete = f"{total - successful} of {total} shards did not answer"
        elif timed_out:
            self.incomplete = "a search was cut off by the server's own time limit"


def open_reader(config: Config) -> Reader:
    """A reader with the credentials of `opensearch.auth`; nothing is sent yet.

    Raises:
        SidecarError: See `sidecar.opensearch.connect`.
    """
    return Reader(config, connect(config, seconds=_SECONDS))


def _next_size(size: int, found: Sequence[Json]) -> int:
    """How many documents the next page has: as many as this one's length lets expect to be bearable."""
    text = sum(_length(hit.get("_source") or {}) for hit in found) or 1
    bearable = max(1, _PAGE_TEXT * len(found) // text)
    return min(size * _GROWTH, bearable, _LARGEST_PAGE)


def _length(source: Json) -> int:
    return sum(len(value) for value in source.values() if isinstance(value, str))
