"""The body of an answer that ends late, in pieces as large as what has arrived.

`read1` gives a chunk of HTTP at a time, of which the API server makes one for each event or each 2 KB: decoding the
chunks of what the socket holds at once takes a fraction of the time, and lets what came together stay together.
"""

from collections.abc import Callable, Iterator

import urllib3

_PIECE = 96 * 1024
"""Larger ones are slower: their memory is asked from the system anew each time."""
_LONGEST_HEAD = 4096
_BREAK = len(b"\r\n")


def body(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The pieces of a body until its end; each waits for what comes next.

    Raises:
        urllib3.exceptions.HTTPError: It breaks off, or isn't what HTTP allows.
        OSError: The connection does.
    """
    # urllib3 reads from the standard library's response, and that from the socket's buffered file. Neither is promised:
    # where they are no more, or the body has another form, the slow way does.
    below = getattr(response, "_fp", None)
    file = getattr(below, "fp", None)
    if not (getattr(below, "chunked", False) and hasattr(file, "read1")) or response.headers.get("Content-Encoding"):
        while piece := response.read1(_PIECE):
            yield piece
        return
    read: Callable[[int], bytes] = file.read1  # type: ignore[union-attr]
    chunks = Dechunker()
    while not chunks.ended:
        data = read(_PIECE)
        if not data:
            raise urllib3.exceptions.ProtocolError("the connection was closed in the middle of the answer")
        if piece := chunks.decode(data):
            yield piece


class Dechunker:
    """Takes the framing of `Transfer-Encoding: chunked` off (RFC 9112, 7.1); `ended` once the last chunk has come."""

    def __init__(self) -> None:
        self.ended = False
        self._left = 0
        """Bytes of the current chunk that are yet to come, with the line break behind it."""
        self._head = b""
        """What came of a chunk's head, where that was cut."""

    def decode(self, data: bytes) -> bytes:
        """The data in a piece of the stream; it may be cut anywhere.

        Raises:
            urllib3.exceptions.ProtocolError: It isn't chunked.
        """
        data, at = self._head + data, 0
        self._head = b""
        found: list[bytes] = []
        while at < len(data):
            if not self._left:
                end = data.find(b"\r\n", at)
                if end < 0:
                    self._head = data[at:]
                    break
                self._left = _size(data[at:end]) + _BREAK
                self.ended = self._left == _BREAK
                if self.ended:
                    break
                at = end + _BREAK
            if self._left > _BREAK:
                found.append(data[at : at + self._left - _BREAK])
            taken = min(self._left, len(data) - at)
            self._left -= taken
            at += taken
        if len(self._head) > _LONGEST_HEAD:
            raise _unframed()
        return b"".join(found)


def _size(head: bytes) -> int:
    """The size that a chunk's head tells; what a semicolon follows with means nothing to us."""
    try:
        size = int(head.partition(b";")[0], 16)
    except ValueError:
        raise _unframed() from None
    if size < 0:
        raise _unframed()
    return size


def _unframed() -> urllib3.exceptions.ProtocolError:
    return urllib3.exceptions.ProtocolError("the answer is not in chunks as HTTP wants them")
