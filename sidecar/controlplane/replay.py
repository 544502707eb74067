"""Read saved payloads again: what is in the on-failure queue, in whatever form it was saved.

Safe to repeat: ids are CloudWatch's, and one that is there is not stored again.
"""

import json
import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecar.config.function import Settings
from sidecar.controlplane.deliver import Creates, Delivery, Result
from sidecar.controlplane.documents import documents_of
from sidecar.controlplane.payload import Batch, batches_in, gunzip, gunzipped, is_message, unpacked
from sidecar.errors import PayloadError, UndeliveredError
from sidecar.opensearch import codec

Progress = Callable[[str, float | None], None]

_GZIP = b"\x1f\x8b"
_QUEUE = "Messages"
_WITHIN = ("requestPayload", _QUEUE, "Body", "Records", "body", "Payload")
"""Keys below which a payload is: of a failed invocation's record, of messages of SQS as the AWS CLI prints them."""
_ATTEMPT = 15.0
_DEEPEST = 8
_HINT = (
    "take it out of the file, and leave its message in the queue; "
    "or save what `aws sqs receive-message --output json` prints"
)


@dataclass(frozen=True)
class Replayed:
    """What became of the files.

    Attributes:
        payloads: How many were in them.
        documents: How many lines of the types that are taken.
        result: What became of the lines.
    """

    payloads: int
    documents: int
    result: Result


def replay(
    files: Sequence[Path],
    settings: Settings,
    store: Creates,
    *,
    progress: Progress,
    patience: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Replayed:
    """Deliver all payloads of files; all of them are read before the first is sent.

    Args:
        files: What was saved.
        settings: What to make of the lines.
        store: OpenSearch.
        progress: Told what happens now, and how much of it is done (0 to 1).
        patience: For how many seconds OpenSearch may take no line of a payload.
        clock: Seconds, monotonic.
        sleep: Waits for some seconds.

    Raises:
        PayloadError: A file can't be read, or has no payload in it.
        UndeliveredError: Some lines are not in OpenSearch.
        OpenSearchError: It refuses us.
    """
    # A pipe can be read once; the payloads of many files, unpacked, may be more than fits the memory.
    kept = {file: _content(file) for file in files if not file.is_file()}
    count = sum(1 for file in files for _ in payloads_of(file, kept.get(file)))
    total, documents, number = Result(), 0, 0
    for file in files:
        for batches in payloads_of(file, kept.get(file)):
            progress(f"replaying: {file.name}: {total.done} lines are in OpenSearch", number / count)
            number += 1
            made = list(documents_of(batches, settings, now=datetime.now(UTC)))
            delivery = Delivery(
                store, cluster=settings.cluster, left=_until(clock() + patience, clock), attempt=_ATTEMPT, sleep=sleep
            )
            try:
                total.add(delivery.deliver(made))
            except UndeliveredError as error:
                raise UndeliveredError(
                    f"{file}: payload {number} of {count}: {error.what}",
                    hint="try again: what is in OpenSearch is not stored twice",
                ) from error
            documents += len(made)
    return Replayed(count, documents, total)


def _until(end: float, clock: Callable[[], float]) -> Callable[[], float]:
    return lambda: end - clock()


def payloads_of(file: Path, content: bytes | None = None) -> Iterator[list[Batch]]:
    """The payloads in a file; none where it is what an empty queue has answered.

    Args:
        file: What was saved.
        content: What is in it, where it was read already.

    Raises:
        PayloadError: It can't be read, or something in it is no payload: left out, it would be taken for delivered.
    """
    try:
        for place, value in _values(_text(_content(file) if content is None else content)):
            if not _is_empty(value):
                yield from _within(value, place, 0)
    except PayloadError as error:
        raise PayloadError(f"{file}: {error.what}", hint=error.hint) from error


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PayloadError(f"{file}: can't be read: {error.strerror}") from error


def _text(content: bytes) -> str:
    if content.startswith(_GZIP):
        return gunzip(content)
    try:
        # PowerShell writes UTF-16, with a mark at the beginning.
        return content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except ValueError:
        raise PayloadError("it is no text, and no gzip") from None


_SPACE = re.compile(r"\s*+")
_DECODER = json.JSONDecoder()


def _values(text: str) -> Iterator[tuple[str, Any]]:
    """What is in a text, with its place: JSON, of several lines or of one, and lines that are none."""
    if not text.strip():
        raise PayloadError(
            "there is no payload of CloudWatch Logs in it: it is empty",
            hint="`aws sqs receive-message` prints nothing where the queue is empty, or where it fails",
        )
    at, line = 0, 1
    while True:
        begin = at + len(_space(text, at))
        line += text.count("\n", at, begin)
        if begin == len(text):
            return
        place = f"line {line}"
        if text[begin] in _JSON:
            try:
                value, at = _DECODER.raw_decode(text, begin)
            except (ValueError, RecursionError) as error:
                raise PayloadError(f"{place}: it is not JSON: {error}", hint=_HINT) from None
        else:
            at = (text.find("\n", begin) + 1 or len(text) + 1) - 1
            value = text[begin:at]
        line += text.count("\n", begin, at)
        yield place, value


_JSON = frozenset('{["')


def _space(text: str, at: int) -> str:
    found = _SPACE.match(text, at)
    return found[0] if found else ""


def _is_empty(value: Any) -> bool:
    """Whether it is the answer of a queue that had nothing."""
    return value == [] or (isinstance(value, dict) and _QUEUE in value and not value[_QUEUE])


def _within(value: Any, place: str, depth: int) -> Iterator[list[Batch]]:
    """The payloads in a value, however it is wrapped; one at least.

    Raises:
        PayloadError: There is none, or something beside them that is none.
    """
    if depth >= _DEEPEST:
        raise _nothing(f"{place}: there is no payload of CloudWatch Logs in it, so deeply is it nested")
    if isinstance(value, str):
        yield from _in_text(value.strip(), place, depth)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _within(item, f"{place}[{number}]", depth + 1)
    elif isinstance(value, dict) and isinstance(value.get("awslogs"), dict):
        yield _read(unpacked, value["awslogs"].get("data"), place)
    elif is_message(value):
        yield _read(batches_in, value, place)
    elif isinstance(value, dict) and any(key in value for key in _WITHIN):
        for key in _WITHIN:
            if key in value:
                yield from _within(value[key], f"{place}.{key}", depth + 1)
    else:
        raise _nothing(f"{place}: there is no payload of CloudWatch Logs in it")


def _in_text(text: str, place: str, depth: int) -> Iterator[list[Batch]]:
    if text[:1] in _JSON:
        try:
            value = codec.loads_text(text)
        except ValueError as error:
            raise _nothing(f"{place}: it is not JSON: {error}") from None
        yield from _within(value, place, depth + 1)
        return
    try:
        packed = b64decode(text, validate=True)
    except ValueError:
        raise _nothing(f"{place}: it is neither JSON nor base64, so that there is no payload in it") from None
    yield _read(gunzipped, packed, place)


def _read(read: Callable[[Any], list[Batch]], value: Any, place: str) -> list[Batch]:
    try:
        return read(value)
    except PayloadError as error:
        raise _nothing(f"{place}: {error.what}") from error


def _nothing(what: str) -> PayloadError:
    return PayloadError(what, hint=_HINT)
