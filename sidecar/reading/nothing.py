"""Nothing was found: where it was looked for, and what would find something."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sidecar.reading.search import Reader
from sidecar.reading.selection import Selection, matching
from sidecar.reading.window import Window
from sidecar.render import fields

Json = dict[str, Any]
_MOST_CLUSTERS = 5


class Nothing:
    """Why a search found nothing; asks a few small questions.

    Args:
        reader: OpenSearch.
        pattern: Index patterns, with commas between.
        what: What was looked for: events, lines.
        query: Makes the query of a choice and a window.
        show: A moment for people.
    """

    def __init__(
        self,
        reader: Reader,
        pattern: str,
        what: str,
        query: Callable[[Selection, Window], Json],
        show: Callable[[datetime], str],
    ) -> None:
        self._reader, self._pattern, self._what, self._query, self._show = reader, pattern, what, query, show

    def where(self, wanted: Selection) -> str:
        """Where it was looked, in a line."""
        return f"looked in {self._pattern} at {self._reader.url}, for cluster {wanted.cluster}"

    def advice(self, wanted: Selection) -> str:
        """What would find something, in a line.

        Raises:
            OpenSearchError: It can't be told.
        """
        if self._number({"match_all": {}}) == 0:
            return f"there are no {self._what} at all: is `sidecar run` shipping? `sidecar doctor` checks every link"
        if self._number(matching(fields.CLUSTER, wanted.cluster)) == 0:
            found = ", ".join(self._clusters())
            return f"there are {self._what} of other clusters ({found}): `cluster` of pipeline.yaml chooses"
        if seen := self._newest(wanted):
            return f"the newest that is like this is of {seen}: --since and --until choose the time"
        for wider, text in _wider(wanted):
            if seen := self._newest(wider):
                return f"{text} there are some; the newest is of {seen}"
        return "nothing of the kind was ever shipped"

    def _number(self, query: Json) -> int:
        body = {"query": query, "size": 0, "track_total_hits": 1}
        return int(self._reader.search(self._pattern, body)["hits"]["total"]["value"])

    def _clusters(self) -> list[str]:
        """The clusters that have most."""
        body = {"size": 0, "aggs": {"names": {"terms": {"field": fields.CLUSTER, "size": _MOST_CLUSTERS}}}}
        buckets = self._reader.search(self._pattern, body).get("aggregations", {}).get("names", {}).get("buckets", [])
        return [str(bucket["key"]) for bucket in buckets] or ["without a name"]

    def _newest(self, wanted: Selection) -> str:
        """When the newest was; empty where there is none."""
        query = self._query(wanted, Window())
        for hit in self._reader.hits(self._pattern, query, only=[fields.TIMESTAMP], newest_first=True, limit=1):
            return self._show(datetime.fromisoformat(str(hit.source.get(fields.TIMESTAMP))))
        return ""


def _wider(wanted: Selection) -> Iterator[tuple[Selection, str]]:
    """Choices that leave out one thing that was asked for, and how."""
    if wanted.types:
        yield replace(wanted, types=()), "without --types"
    if wanted.reasons:
        yield replace(wanted, reasons=()), "without --reason"
    if wanted.level:
        yield replace(wanted, level=""), "without --level"
    if wanted.words:
        yield replace(wanted, words=""), "without --grep"
    if wanted.containers:
        yield replace(wanted, containers=()), "without -c"
    if wanted.namespace:
        yield replace(wanted, namespace=""), "with -A, in all namespaces,"
    if wanted.target:
        yield replace(wanted, target=None), f"of other objects than {wanted.target}"
    yield Selection(wanted.cluster), "of the cluster, of whatever kind,"
