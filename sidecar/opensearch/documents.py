"""Documents by id: which are there, and creating those that aren't. Safe to repeat: an id is created once.

What an answer means is decided by pure functions; `Documents` only sends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch import codec
from sidecar.opensearch.client import Client, RefusedError

MAX_REQUEST_BYTES = 5 * 1024 * 1024
"""Half of what small Amazon domains take."""
_CREATED, _CONFLICT, _BAD_REQUEST, _TOO_LARGE = 201, 409, 400, 413

_NO_INDEX = "index_not_found_exception"
_SOUND = frozenset({"validation_exception", "index_closed_exception"})
"""Of a 400: a cluster at its limit of shards, and a closed index, say nothing against the document."""
_NO_TARGET = "no write index is defined for alias"
# What is asked of an answer: the rest is twice to ten times as much.
_FOUND = "docs.found,docs.error.type,docs.error.reason"
_TIMEOUT = "5s"
"""For a shard that isn't there. It would be a minute, longer than the client waits for the whole answer."""
_OUTCOME = "items.*.status,items.*.error.type,items.*.error.reason"


@dataclass(frozen=True)
class Document:
    """A document on its way: `source` is its JSON, on one line."""

    index: str
    id: str
    source: bytes


class Verdict(Enum):
    """What became of a document."""

    STORED = "stored"
    """It is there, by this request or an earlier one."""
    REFUSED = "refused"
    """It will never be taken as it is."""
    LATER = "later"
    """Not now: overload, a block, a missing permission."""


class Presence(Enum):
    """What is known of a document."""

    THERE = "there"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    """Its index can't tell."""


@dataclass(frozen=True)
class Found:
    """What a look-up said, with OpenSearch's own reason where it can't tell."""

    presence: Presence
    type: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """A verdict with OpenSearch's own reason."""

    verdict: Verdict
    status: int = 0
    type: str = ""
    reason: str = ""


class Documents:
    """Looks up and creates documents."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def existing(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether each (index, id) is known to be there; False also where its index can't tell.

        Raises:
            OpenSearchError: Nothing can be told of any of them.
        """
        found = self.look(keys)
        if found and all(item.presence is Presence.UNKNOWN for item in found):
            raise OpenSearchUnavailable(
                f"OpenSearch at {self._client.url}: _mget failed: {found[0].type}: {found[0].reason}"
            )
        return [item.presence is Presence.THERE for item in found]

    def look(self, keys: Sequence[tuple[str, str]]) -> list[Found]:
        """What is known of each (index, id); realtime, so that an unrefreshed document counts.

        Raises:
            OpenSearchError: The request failed.
        """
        if not keys:
            return []
        body = codec.dumps({"docs": [{"_index": index, "_id": key, "_source": False} for index, key in keys]})
        answer = self._client.request("POST", "/_mget", body, params={"filter_path": _FOUND})
        return found_of(answer, len(keys), self._client.url)

    def create(self, documents: Sequence[Document]) -> list[Outcome]:
        """Create documents; an outcome for each, in order.

        Raises:
            OpenSearchError: Nothing can be told of any of them.
        """
        outcomes: list[Outcome] = []
        for batch in batches(documents, MAX_REQUEST_BYTES):
            outcomes += self._create(batch)
        return outcomes

    def _create(self, batch: Sequence[Document]) -> list[Outcome]:
        try:
            params = {"filter_path": _OUTCOME, "timeout": _TIMEOUT}
            answer = self._client.request("POST", "/_bulk", bulk_body(batch), params=params)
        except RefusedError as error:
            if error.status != _TOO_LARGE:
                raise
            if len(batch) == 1:
                return [Outcome(Verdict.REFUSED, _TOO_LARGE, "request_too_large", error.what)]
            half = len(batch) // 2
            return self._create(batch[:half]) + self._create(batch[half:])
        return outcomes_of(answer, len(batch), self._client.url)


def bulk_body(documents: Sequence[Document]) -> bytes:
    """The body of a bulk request that creates `documents`."""
    parts = bytearray()
    for document in documents:
        parts += codec.dumps({"create": {"_index": document.index, "_id": document.id}})
        parts += b"\n" + document.source.rstrip(b"\n") + b"\n"
    return bytes(parts)


def batches(documents: Sequence[Document], limit: int) -> Iterator[Sequence[Document]]:
    """Split so that each part's sources stay below `limit` bytes; a longer document goes alone."""
    start, size = 0, 0
    for position, document in enumerate(documents):
        length = len(document.source) + len(document.index) + len(document.id) + 50
        if position > start and size + length > limit:
            yield documents[start:position]
            start, size = position, 0
        size += length
    if start < len(documents):
        yield documents[start:]


def found_of(answer: Any, count: int, url: str) -> list[Found]:
    """What each item of an `_mget` answer says.

    Raises:
        OpenSearchUnavailable: The answer isn't one for `count` items.
    """
    items = answer.get("docs") if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or len(items) != count:
        raise _without_them(url, f"an _mget of {count} ids")
    return [_found(item) for item in items]


def outcomes_of(answer: Any, count: int, url: str) -> list[Outcome]:
    """The outcome of each item of a `_bulk` answer.

    Raises:
        OpenSearchUnavailable: The answer isn't one for `count` items.
    """
    items = answer.get("items") if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or len(items) != count:
        raise _without_them(url, f"a bulk request of {count} documents")
    return [_outcome(next(iter(item.values()), None) if isinstance(item, Mapping) else item) for item in items]


def _without_them(url: str, request: str) -> OpenSearchUnavailable:
    return OpenSearchUnavailable(
        f"OpenSearch at {url}: {request} was answered without them",
        hint="is opensearch.url the address of another thing, or a proxy in between?",
    )


def _kind_and_reason(error: Any) -> tuple[str, str]:
    if isinstance(error, Mapping):
        return str(error.get("type", "")), str(error.get("reason", ""))
    return "", "" if error is None else str(error)


def _found(item: Any) -> Found:
    if not isinstance(item, Mapping):
        return Found(Presence.UNKNOWN, "", f"not an answer: {item}")
    error = item.get("error")
    kind, reason = _kind_and_reason(error)
    if error is not None and kind != _NO_INDEX:  # a shard that isn't there says nothing about the document
        return Found(Presence.UNKNOWN, kind, reason)
    return Found(Presence.THERE if error is None and item.get("found") is True else Presence.ABSENT)


def _outcome(item: Any) -> Outcome:
    if not isinstance(item, Mapping) or not isinstance(item.get("status"), int):
        return Outcome(Verdict.LATER, 0, "", f"not an answer: {item}")
    status = item["status"]
    kind, reason = _kind_and_reason(item.get("error"))
    if status in {200, _CREATED, _CONFLICT}:
        return Outcome(Verdict.STORED, status)
    sound = kind in _SOUND or reason.startswith(_NO_TARGET)
    if status in {_BAD_REQUEST, _TOO_LARGE} and not sound:
        return Outcome(Verdict.REFUSED, status, kind, reason)
    return Outcome(Verdict.LATER, status, kind, reason)
