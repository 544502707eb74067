"""What CloudWatch Logs hands over: base64 of gzip of JSON with log events, which are taken whatever they look like."""

import binascii
import hashlib
import json
import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.errors import PayloadError
from sidecar.opensearch.encode import encode

_MAX_BYTES = 40 * 2**20
"""Unpacked. CloudWatch Logs packs 6 MiB at most, 36 in JSON where they are control characters; the function needs up
to nine times as much memory."""
_WINDOW = 16 * 1024
"""Bytes that are unpacked at a time, to 16 MiB at most; as many are copied for each member of gzip."""
_MAX_ID = 256  # characters; OpenSearch takes 512 bytes
_GZIP = 31  # zlib's number of bits, and 16 for the format
_KIND, _CONTROL, EVENTS = "messageType", "CONTROL_MESSAGE", "logEvents"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line.

    Attributes:
        id: CloudWatch's, the same for every delivery; made of the line's place and text where there is none.
        timestamp: Milliseconds since 1970; None where there is no number.
        message: The line.
        extracted: Fields that the subscription's filter pattern named.
    """

    id: str
    timestamp: int | None
    message: str
    extracted: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of one log stream."""

    owner: str
    group: str
    stream: str
    events: tuple[LogEvent, ...]


def batches_of(invocation: Any) -> list[Batch]:
    """The lines of what the function was invoked with; none of a control message, by which CloudWatch tries the link.

    Raises:
        PayloadError: It can't be read. Nothing of it is lost then: it goes to the on-failure queue.
    """
    try:
        data = invocation["awslogs"]["data"]
    except (TypeError, LookupError):
        raise PayloadError("the invocation has no awslogs.data: CloudWatch Logs didn't make it") from None
    return unpacked(data)


def unpacked(data: Any) -> list[Batch]:
    """The lines of a payload: base64 of gzip.

    Raises:
        PayloadError: It is something else.
    """
    if not isinstance(data, str | bytes):
        raise PayloadError(f"the payload is no text, but {type(data).__name__}")
    try:
        packed = b64decode(data, validate=True)
    except ValueError as error:
        raise PayloadError(f"the payload is not base64: {error}") from None
    return gunzipped(packed)


def gunzipped(content: bytes) -> list[Batch]:
    """The lines of a payload: gzip of a message, or of several one after the other.

    Raises:
        PayloadError: It is something else.
    """
    return [batch for message in _objects(gunzip(content)) for batch in batches_in(message)]


def batches_in(message: Any) -> list[Batch]:
    """The lines of a message of CloudWatch Logs; of a control message none, though it has an event too.

    Raises:
        PayloadError: It is none, and what is in it would be lost if it were taken for one without lines.
    """
    if not isinstance(message, dict):
        raise PayloadError("the payload is no message of CloudWatch Logs")
    if message.get(_KIND) == _CONTROL:
        return []
    if not isinstance(message.get(EVENTS), list):
        raise PayloadError(f"the payload is no message of CloudWatch Logs: it has no {EVENTS}")
    return [_batch(message)]


def is_message(value: Any) -> bool:
    """Whether a value means to be a message of CloudWatch Logs."""
    return isinstance(value, dict) and (EVENTS in value or _KIND in value)


def gunzip(packed: bytes) -> str:
    """Text of one gzip member or several, as files of them that were put together have.

    Raises:
        PayloadError: It is something else, or too much.
    """
    parts, size, at, rest = [], 0, 0, memoryview(packed)
    while at < len(packed):
        unpack = zlib.decompressobj(_GZIP)
        while not unpack.eof:
            window = rest[at : at + _WINDOW]
            if not window:
                raise PayloadError("the payload's end is missing: gzip breaks off")
            try:
                parts.append(unpack.decompress(window))
            except zlib.error as error:
                raise PayloadError(f"the payload is not gzip: {error}") from None
            at += len(window) - len(unpack.unused_data)
            size += len(parts[-1])
            if size > _MAX_BYTES:
                raise PayloadError(f"the payload is more than {_MAX_BYTES // 2**20} MiB when it is unpacked")
    return b"".join(parts).decode(errors="replace")


def _objects(text: str) -> Iterator[Any]:
    """What is in a text: JSON, once or several times."""
    at = _space_end(text, 0)
    if at == len(text):
        raise PayloadError("the payload is not JSON: it is empty")
    while at < len(text):
        try:
            value, end = _DECODE(text, at)
        except (ValueError, RecursionError):
            line = text.count("\n", 0, at) + 1
            raise PayloadError(f"the payload is not JSON{f', from line {line} on' if line > 1 else ''}") from None
        yield value
        at = _space_end(text, end)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Never by orjson, which the function has not: it refuses half of a surrogate pair, and makes a long integer a float.
_DECODE: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(parse_constant=_refuse).raw_decode
_WHITESPACE = re.compile(r"[ \t\r\n]*+")


def _space_end(text: str, at: int) -> int:
    found = _WHITESPACE.match(text, at)
    return found.end() if found else at


def _batch(message: Mapping[str, Any]) -> Batch:
    owner, group, stream = (_word(message.get(name)) for name in ("owner", "logGroup", "logStream"))
    events = tuple(_event(item, f"{group}/{stream}") for item in message[EVENTS])
    return Batch(owner, group, stream, events)


def _event(item: Any, place: str) -> LogEvent:
    if not isinstance(item, dict):
        item = {"message": item}
    timestamp, extracted = item.get("timestamp"), item.get("extractedFields")
    milliseconds = timestamp if isinstance(timestamp, int) and not isinstance(timestamp, bool) else None
    message = _word(item.get("message"))
    key = item.get("id")
    if not isinstance(key, str) or not 0 < len(key) <= _MAX_ID or not key.isascii() or not key.isprintable():
        named = f"{place}\0{milliseconds}\0{_word(key)}\0{message}"
        key = f"sha256.{hashlib.sha256(named.encode(errors='replace')).hexdigest()}"
    return LogEvent(key, milliseconds, message, extracted if isinstance(extracted, dict) else {})


def _word(value: Any) -> str:
    """Text as it is, nothing as nothing, and what else there may be as JSON."""
    if value is None:
        return ""
    # Never by orjson: ids are made of it, here and by the function, which has none.
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def packed(message: Mapping[str, Any]) -> dict[str, Any]:
    """What the function is invoked with for a message: what `batches_of` reads."""
    compress = zlib.compressobj(wbits=_GZIP)
    body = compress.compress(encode(message)) + compress.flush()
    return {"awslogs": {"data": binascii.b2a_base64(body, newline=False).decode()}}
