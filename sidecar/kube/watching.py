"""One watch request: changes as they arrive, until the server or `close` ends it."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import urllib3

from sidecar.errors import KubernetesError, KubernetesUnavailable
from sidecar.kube.client import ApiServer, Params, status_error
from sidecar.kube.decode import decode

_SECONDS = (240, 290)
"""How long the server holds a watch; its resourceVersion is compacted away after 5 minutes."""
_READ_MARGIN = 30.0
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Change:
    """One line of a watch: `type` is ADDED, MODIFIED, DELETED or BOOKMARK; `item` is the raw object."""

    type: str
    item: Any


class Watch:
    """A watch from a resourceVersion on; iterate it once for lists of what arrived together.

    `selector` holds `fieldSelector` and `labelSelector`, where not everything is wanted.

    Its end without an error is normal, after `seconds`: watch again from the last resourceVersion seen.

    Raises (while iterating):
        ResourceExpired: 410, as a status or within the stream.
        KubernetesError: See `ApiServer.get`.
    """

    def __init__(self, api: ApiServer, path: str, resource_version: str, *, selector: Params | None = None) -> None:
        self._where = f"Kubernetes at {api.url}"
        self._path = path
        self.seconds = seconds = random.randint(*_SECONDS)  # noqa: S311 - spreads the load, keeps no secret
        params: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": seconds,
            **(selector or {}),
        }
        self._response = api.stream(path, params, read_seconds=seconds + _READ_MARGIN)
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
        self._response.close()

    def close(self) -> None:
        """End the stream; may be called from another thread, and more than once."""
        self._closed.set()
        with suppress(ValueError, RuntimeError, OSError, AttributeError):  # it has ended already
            self._response.shutdown()

    def __iter__(self) -> Iterator[list[Change]]:
        rest = b""
        while not self._closed.is_set():
            try:
                chunk = self._response.read1(_CHUNK)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if self._closed.is_set():
                    return
                raise KubernetesUnavailable(f"{self._where}: the watch broke off: {error}") from error
            if not chunk:
                return  # a line without its end was cut off, and comes again with the next watch
            *lines, rest = (rest + chunk).split(b"\n")
            changes, failure = self._changes(lines)
            if changes:
                yield changes
            if failure is not None:
                raise failure

    def _changes(self, lines: list[bytes]) -> tuple[list[Change], KubernetesError | None]:
        """What the lines hold up to the first that ends the watch; that one's error."""
        changes: list[Change] = []
        try:
            changes.extend(self._change(line) for line in lines if line.strip())
        except KubernetesError as error:
            return changes, error
        return changes, None

    def _change(self, line: bytes) -> Change:
        try:
            found = decode(line)
            kind, item = str(found["type"]), found["object"]
        except (ValueError, KeyError, TypeError):
            raise KubernetesUnavailable(
                f"{self._where}: the watch on {self._path} holds a line that isn't a change"
            ) from None
        if kind == "ERROR":
            code = item.get("code") if isinstance(item, dict) else None
            raise status_error(
                code if isinstance(code, int) else 500, json.dumps(item).encode(), where=self._where, path=self._path
            )
        return Change(kind, item)
