"""One watch request: changes as they arrive, until the server or `close` ends it."""

import json
import random
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import urllib3

from sidecar.errors import KubernetesError, KubernetesUnavailable
from sidecar.kube.body import body
from sidecar.kube.client import ApiServer, Params
from sidecar.kube.decode import decode
from sidecar.kube.status import status_error

_SECONDS = (240, 290)
"""How long the server holds a watch; its resourceVersion is compacted away after 5 minutes."""
_INITIAL_SECONDS = 3600
_READ_MARGIN = 30.0
_LIST_END = "k8s.io/initial-events-end"
_SUPPORTED = 1, 32
_NUMBER = re.compile("[0-9]{1,4}")


def initial_supported(api: ApiServer) -> bool:
    """Whether the server's version can show what is there by a watch (`initial`), instead of by a list.

    Raises:
        KubernetesUnavailable: It can't be asked now.
    """
    try:
        version = api.get("/version")
    except KubernetesUnavailable:
        raise
    except KubernetesError:
        return False  # who may not ask for the version may yet list
    # Some write 1.32+.
    found = [_NUMBER.match(str(version.get(part))) for part in ("major", "minor")]
    return tuple(int(part[0]) for part in found if part) >= _SUPPORTED if all(found) else False


@dataclass(frozen=True)
class Change:
    """One line of a watch: `type` is ADDED, MODIFIED, DELETED or BOOKMARK; `item` is the raw object."""

    type: str
    item: Any

    @property
    def ends_list(self) -> bool:
        """Whether all that was there when an `initial` watch began has been shown."""
        if self.type != "BOOKMARK":
            return False
        try:
            return bool(self.item["metadata"]["annotations"][_LIST_END] == "true")
        except (KeyError, TypeError):
            return False


class Watch:
    """A watch from a resourceVersion on; iterate it once for lists of what arrived together.

    Its end without an error is normal, after `seconds`: watch again from the last resourceVersion seen.

    Args:
        api: The API server.
        path: Of the collection, such as `/api/v1/events`.
        resource_version: What came after it is shown; "" with `initial`.
        selector: `fieldSelector` and `labelSelector`, where not everything is wanted.
        initial: Show all that is there first, as ADDED, then a change that `ends_list`, then what changes. Only where
            `initial_supported`; a server may refuse it nevertheless, by 400 or 422 at once.
        seconds: How long the server is to hold the watch; at random 240 to 290 where nothing is said, an hour with
            `initial`.

    Raises (also while iterating):
        ResourceExpired: 410, as a status or within the stream.
        KubernetesError: See `ApiServer.get`.
    """

    def __init__(
        self,
        api: ApiServer,
        path: str,
        resource_version: str,
        *,
        selector: Params | None = None,
        initial: bool = False,
        seconds: int | None = None,
    ) -> None:
        self._where = f"Kubernetes at {api.url}"
        self._path = path
        usual = _INITIAL_SECONDS if initial else random.randint(*_SECONDS)  # noqa: S311 - spreads the load, no secret
        self.seconds = usual if seconds is None else seconds
        params: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": self.seconds,
            **({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"} if initial else {}),
            **(selector or {}),
        }
        # A list that is silent for long will not end; a watch may be silent for as long as it lasts.
        silence = _READ_MARGIN if initial else self.seconds + _READ_MARGIN
        self._response = api.stream(path, params, read_seconds=silence)
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
        self._response.close()

    @property
    def tells_its_end(self) -> bool:
        """Whether an end without an error was the server's own, and not that of a connection which broke."""
        return bool(getattr(self._response, "chunked", False))

    def close(self) -> None:
        """End the stream; may be called from another thread, and more than once."""
        self._closed.set()
        with suppress(ValueError, RuntimeError, OSError, AttributeError):  # it has ended already
            self._response.shutdown()

    def __iter__(self) -> Iterator[list[Change]]:
        pieces = body(self._response)
        begun: list[bytes] = []  # a line of which the end is yet to come, perhaps long, in its pieces
        while not self._closed.is_set():
            try:
                piece = next(pieces, None)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if self._closed.is_set():
                    return
                raise KubernetesUnavailable(f"{self._where}: the watch broke off: {error}") from error
            if piece is None:
                return  # a line without its end was cut off, and comes again with the next watch
            first, *lines = piece.split(b"\n")
            begun.append(first)
            if not lines:
                continue
            lines.insert(0, b"".join(begun))
            begun = [lines.pop()]
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
