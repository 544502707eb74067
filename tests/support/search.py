"""What OpenSearch holds of an index, hit by hit: ids, indices and documents."""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import urllib3

_BUSY = frozenset({429, 503})
"""Too much to do, or a shard that isn't there yet."""
_PATIENCE_SECONDS = 30.0
_PAGE, _PAGE_OF_FIELDS = 500, 5000


class Answers:
    """Asks an OpenSearch about all indices that begin with a name.

    Args:
        url: OpenSearch.
        index: What the names of the indices begin with.
    """

    def __init__(self, url: str, index: str) -> None:
        self._url, self._index = url, index
        self._pool = urllib3.PoolManager()

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._pool.request(method, f"{self._url}/{path}", json=body, timeout=60)
        found: dict[str, Any] = answer.json()
        return found

    def count(self) -> int:
        """Documents so far."""
        self._ask("POST", f"{self._index}*/_refresh")
        return int(self._ask("GET", f"{self._index}*/_count").get("count", 0))

    def documents(self, *fields: str) -> Iterator[dict[str, Any]]:
        """Every hit, with `_id`, `_index` and `_source`; of that only some fields, where they are named."""
        page = self._search(fields)
        while page["hits"]["hits"]:
            yield from page["hits"]["hits"]
            page = self._ask("POST", "_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
            assert "hits" in page, f"a page of hits can't be had: {page}"
        if scroll := page.get("_scroll_id"):  # none, where there is no index yet
            self._ask("DELETE", f"_search/scroll/{scroll}")

    def _search(self, fields: Sequence[str]) -> dict[str, Any]:
        """The first page; a server that is busy is asked again."""
        end = time.monotonic() + _PATIENCE_SECONDS
        query = {"size": _PAGE_OF_FIELDS, "_source": fields} if fields else {"size": _PAGE}
        while True:
            page = self._ask("POST", f"{self._index}*/_search?scroll=1m", {**query, "sort": ["_doc"]})
            if page.get("status") not in _BUSY or time.monotonic() > end:
                assert "hits" in page, f"hits can't be had: {page}"
                return page
            time.sleep(0.5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the indices and their templates; component templates are shared with other tests."""
        self._ask("DELETE", f"{self._index}*?expand_wildcards=all")
        self._ask("DELETE", f"_index_template/fluent-sidecar-*{self._index}")
        self._pool.clear()
