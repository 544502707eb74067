"""Read saved payloads again: what is in the on-failure queue, in whatever form it was saved.

Safe to repeat: ids are CloudWatch's, and one that is there is not stored again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecar.config.function import Settings
from sidecar.controlplane.deliver import Creates, Delivery, Result
from sidecar.controlplane.documents import documents_of
from sidecar.controlplane.payload import Batch, gunzipped, messages, unpacked
from sidecar.errors import PayloadError
from sidecar.opensearch import codec
from sidecar.opensearch.encode import encode

Progress = Callable[[str, float | None], None]

_GZIP = b"\x1f\x8b"
_WITHIN = ("requestPayload", "Messages", "Body", "Records", "body", "Payload")
"""Keys below which a payload is: of a failed invocation's record, of messages of SQS as the AWS CLI prints them."""
_ATTEMPT = 15.0
_DEEPEST = 8


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
    found = [(file, batches) for file in files for batches in payloads_of(file)]
    total, documents = Result(), 0
    for number, (file, batches) in enumerate(found):
        progress(f"replaying: {file.name}: {total.done} lines are in OpenSearch", number / len(found))
        made = list(documents_of(batches, settings, now=datetime.now(UTC)))
        delivery = Delivery(
            store, cluster=settings.cluster, left=_until(clock() + patience, clock), attempt=_ATTEMPT, sleep=sleep
        )
        total.add(delivery.deliver(made))
        documents += len(made)
    return Replayed(len(found), documents, total)


def _until(end: float, clock: Callable[[], float]) -> Callable[[], float]:
    return lambda: end - clock()


def payloads_of(file: Path) -> list[list[Batch]]:
    """The payloads in a file.

    Raises:
        PayloadError: It can't be read, or there is none.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PayloadError(f"{file}: can't be read: {error.strerror}") from error
    try:
        found = list(_payloads(content))
    except PayloadError as error:
        raise PayloadError(f"{file}: {error.what}", hint=error.hint) from error
    if not found:
        raise PayloadError(
            f"{file}: there is no payload of CloudWatch Logs in it",
            hint="save what `aws sqs receive-message` prints, or the body of a message",
        )
    return found


def _payloads(content: bytes) -> Iterator[list[Batch]]:
    if content.startswith(_GZIP):
        yield gunzipped(content)
        return
    try:
        values = [codec.loads(content)]
    except ValueError:
        lines = [line.strip() for line in content.splitlines() if line.strip()]
        values = [_value(line) for line in lines]
    for value in values:
        yield from _within(value, 0)


def _value(line: bytes) -> Any:
    """A line of a file: JSON, or the base64 of a payload."""
    try:
        return codec.loads(line)
    except ValueError:
        return {"awslogs": {"data": line.decode(errors="replace")}}


def _within(value: Any, depth: int) -> Iterator[list[Batch]]:
    """The payloads in a value, however it is wrapped."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        try:
            yield from _within(codec.loads(value.encode(errors="replace")), depth + 1)
        except ValueError:
            return
    elif isinstance(value, list):
        for item in value:
            yield from _within(item, depth + 1)
    elif isinstance(value, dict):
        awslogs = value.get("awslogs")
        if isinstance(awslogs, dict) and "data" in awslogs:
            yield unpacked(awslogs["data"])
        elif "logEvents" in value:
            yield messages(encode(value))
        else:
            for key in _WITHIN:
                yield from _within(value.get(key), depth + 1)
