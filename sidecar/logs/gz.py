"""Sizes of what is in a gzip file."""

import os
import struct
import zlib
from pathlib import Path

_GZIP = 31  # zlib's word for: a gzip header, and the largest window
_CHUNK = 256 * 1024
_TRAILER = 4
_MOST_RATIO = 1032  # of deflate


def unpacked_size(path: str | Path, packed: int) -> int:
    """The size of a gzip file's content, modulo 2^32, from its last bytes.

    Args:
        path: The file.
        packed: Its size on disk, which is taken where nobody can tell: the file can't be read, or its end is torn off.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a string, and often
            if packed < _TRAILER:
                return 0
            file.seek(-_TRAILER, os.SEEK_END)
            size = int(struct.unpack("<I", file.read(_TRAILER))[0])
            return size if size <= packed * _MOST_RATIO else packed
    except (OSError, struct.error):
        return packed


def readable_lines(path: Path) -> int:
    """How many bytes of whole lines can be had from a gzip file: not what follows its last line break, nor a torn end.

    Raises:
        OSError: It can't be read.
    """
    unpacker = zlib.decompressobj(_GZIP)
    size = whole = 0
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            try:
                while data and not unpacker.eof:
                    text = unpacker.decompress(data, _CHUNK)
                    data = unpacker.unconsumed_tail
                    end = text.rfind(b"\n") + 1
                    whole = size + end if end else whole
                    size += len(text)
            except zlib.error:
                break
    return whole
