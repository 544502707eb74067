"""What a recorded cluster held at each moment of its replay, and how its API server would have said it."""

import base64
import threading
import time
from collections.abc import Mapping

import orjson

from sidecar.dev.recording import Json, Recording


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered by a Status object: the HTTP code, the reason, the message."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


class Playback:
    """A recording and a clock, which runs `speed` times as fast from `start` on."""

    def __init__(self, recording: Recording, speed: float) -> None:
        self.recording = recording
        self._speed = speed
        self._lock = threading.Lock()
        self._began: float | None = None

    def start(self) -> None:
        """Starts the clock, once."""
        with self._lock:
            if self._began is None:
                self._began = time.monotonic()

    def due(self, index: int) -> float:
        """When line `index` is to be sent, by the monotonic clock; infinite before `start`."""
        if self._began is None:
            return float("inf")
        return self._began + self.recording.lines[index].at / self._speed

    def version(self) -> int:
        """The resourceVersion that has been reached."""
        now = time.monotonic()
        played = [line.version for index, line in enumerate(self.recording.lines) if self.due(index) <= now]
        return played[-1] if played else self.recording.start_version

    def known(self, version: int | None, message: str) -> int:
        """The version itself, if the recording reaches it.

        Raises:
            Refused: 410 with `message`, on which a client lists anew.
        """
        if version is None or not self.recording.start_version <= version <= self.recording.last_version:
            raise Refused(410, "Expired", message)
        return version

    def state(self, version: int, namespace: str | None) -> list[tuple[str, Json]]:
        """The Events at a resourceVersion with their keys, in the order of the keys, as etcd has them."""
        held = {_key(item): item for item in self.recording.listed["items"]}
        for line in self.recording.lines:
            if line.version > version:
                break
            if line.type == "DELETED":
                held.pop(_key(line.object), None)
            else:
                held[_key(line.object)] = line.object
        return sorted((key, item) for key, item in held.items() if within(item, namespace))

    def page(self, namespace: str | None, query: Mapping[str, str]) -> Json:
        """One page of the EventList; all pages show the state of the first one.

        Raises:
            Refused: 410 for a `continue` or a `resourceVersion` that it does not know, 400 for an odd `limit`.
        """
        version, after = self.version(), ""
        if token := query.get("continue"):
            named, after = _open_token(token)
            version = self.known(named, "The provided continue parameter is too old to display a consistent list.")
        elif (wanted := query.get("resourceVersion", "")) not in {"", "0"}:
            self.known(number(wanted), f"unknown resource version: {wanted}")
        limit = number(query.get("limit", "0"))
        if limit is None:
            raise Refused(400, "BadRequest", f'strconv.ParseInt: parsing "{query["limit"]}": invalid syntax')
        rest = [(key, item) for key, item in self.state(version, namespace) if key > after]
        chosen = rest[:limit] if limit else rest
        metadata: Json = {"resourceVersion": str(version)}
        if len(chosen) < len(rest):
            metadata |= {"continue": _token(version, chosen[-1][0]), "remainingItemCount": len(rest) - len(chosen)}
        return {
            "kind": "EventList",
            "apiVersion": "v1",
            "metadata": metadata,
            # The items of a list don't say what they are; the lines of a watch do.
            "items": [{name: item[name] for name in item if name not in {"kind", "apiVersion"}} for _, item in chosen],
        }


def within(event: Json, namespace: str | None) -> bool:
    """Whether the Event is in the namespace; None is all of them."""
    return namespace is None or event["metadata"]["namespace"] == namespace


def number(text: str | None) -> int | None:
    """The number that a parameter holds; None if it holds none."""
    return int(text) if text is not None and text.isdecimal() else None


def watch_line(kind: str, thing: Json) -> bytes:
    """A line of a watch; an Event says what it is."""
    if kind != "ERROR":
        thing = {"kind": "Event", "apiVersion": "v1"} | thing
    return orjson.dumps({"type": kind, "object": thing}) + b"\n"


def initial_events_end(version: int) -> bytes:
    """The line that ends what a watch with sendInitialEvents lists."""
    annotations = {"k8s.io/initial-events-end": "true"}
    return watch_line("BOOKMARK", {"metadata": {"resourceVersion": str(version), "annotations": annotations}})


def _key(event: Json) -> str:
    return f"{event['metadata']['namespace']}/{event['metadata']['name']}"


def _token(version: int, key: str) -> str:
    token = orjson.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": key})
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def _open_token(token: str) -> tuple[int | None, str]:
    """The version and the key that a token names; None for one that is none of ours."""
    try:
        content = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(content["rv"]), str(content["start"])
    except (ValueError, KeyError, TypeError):
        return None, ""
