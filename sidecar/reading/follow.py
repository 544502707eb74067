"""What comes later, as it arrives: each document once, however late it is.

An index numbers what it takes. So what arrived since the last look is asked for by number, not by time: a document
that an outage held back for hours has an old time and a new number. Numbers may be visible a moment out of order -
two requests are written side by side -, so each look reaches back to what was highest half a minute ago, and passes
over what was shown.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sidecar.reading.search import Hit, Reader
from sidecar.reading.selection import any_of

Json = dict[str, Any]

_SETTLED_SECONDS = 30.0
"""After this long nothing with a lower number becomes visible: indices are refreshed every second."""


class Follower:
    """Looks for what is new.

    Args:
        reader: OpenSearch.
        pattern: Index patterns, with commas between.
        query: What is wanted, of the search API; without an end in time.
        only: Fields; whole documents where none is said.
        clock: Monotonic seconds.

    Raises:
        OpenSearchError: What is there already can't be told.
    """

    def __init__(
        self,
        reader: Reader,
        pattern: str,
        query: Json,
        *,
        only: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._pattern, self._query, self._only, self._clock = reader, pattern, query, only, clock
        self._settled = reader.heads(pattern, query)
        self._highest = dict(self._settled)
        self._looks: deque[tuple[float, dict[str, int]]] = deque()
        self._seen: set[tuple[str, int]] = set()

    def noting(self, hits: Iterable[Hit]) -> Iterator[Json]:
        """The documents of a search that began after this was made; none of them will be found as new."""
        for hit in hits:
            self._is_new(hit)
            yield hit.source

    def new(self) -> Iterator[Json]:
        """What has arrived since the last look, in the order of its arrival in each index.

        Raises:
            OpenSearchError: It can't be read. What was handed out until then does not come again.
        """
        began = self._clock()
        for hit in self._reader.later(self._pattern, self._since(), only=self._only):
            if self._is_new(hit):
                yield hit.source
        self._looks.append((began, dict(self._highest)))
        self._settle(began)

    def _is_new(self, hit: Hit) -> bool:
        key = hit.index, hit.number
        if hit.number <= self._settled.get(hit.index, -1) or key in self._seen:
            return False
        self._seen.add(key)
        self._highest[hit.index] = max(hit.number, self._highest.get(hit.index, -1))
        return True

    def _since(self) -> Json:
        """What is wanted, where its number is above the settled one of its index, or the index is new."""
        known = sorted(self._settled)
        above = [
            {"bool": {"filter": [{"term": {"_index": name}}, {"range": {"_seq_no": {"gt": self._settled[name]}}}]}}
            for name in known
        ]
        others = {"bool": {"must_not": [{"terms": {"_index": known}}]}}
        return {"bool": {"filter": [self._query, any_of([*above, others])]}}

    def _settle(self, now: float) -> None:
        while self._looks and self._looks[0][0] <= now - _SETTLED_SECONDS:
            self._settled = self._looks.popleft()[1]
        self._seen = {(index, number) for index, number in self._seen if number > self._settled.get(index, -1)}
