"""Log lines of the worst kinds, as a container runtime would write them, and such as none would write."""

import datetime as dt
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.hostile import values

PART = 16 * 1024
"""Bytes after which containerd begins another part."""

KEYS = (
    *("a", "a.b", "level", "severity", "time", "message", "@timestamp", "_id", "_source", "id", "index", "log", "data"),
    *("kubernetes", "stream", "cluster", "", ".", "..", "a..b", "a.", ".a", " ", "$x", "*", "a=b", "\u0000", "\n", "ü"),
    *("\ud800", "k" * 600, "k" * 40_000),
)
TEXTS = (
    *("1e400", "-1e400", "-0", "-0.0", "0123", "1.", "1E+5", "9" * 400, "18446744073709551616", "-9223372036854775809"),
    *("0.1234567890123456789", "1.7976931348623157e308", "5e-324", '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"'),
    *('"\\ud83d\\ude00"', '"\\x"', '"\t"', "NaN", "Infinity", "tru", "nul", "'a'", "[1,]", "{,}", '{"a"}', "[", '"'),
    *("[[[]]]", "[[[{}]]]", "[[],{}]", "[" * 200 + "]" * 200, "[{}," * 50 + "1" + "]" * 50, '{"a":1,"a":{"b":2}}'),
    *('{"a":1,"a.b":2,"a":{"b":3}}', '{"":{"":{"":1}}}', '{".":{"..":{".":1}}}', '"' + "\\u0000" * 9000 + '"'),
    *('"' + "\\ud800" * 9000 + '"', "[" + "1," * 9999 + "1]", "[" + '{"b":[{"c":1}]},' * 99 + "1]"),
    *(f'{{"{"k" * 20_000}":"{"v" * 20_000}"}}', '"' + "v" * 32_766 + '"', '"' + "\u4e2d" * 10_900 + '"'),
)
"""JSON, or nearly."""
NOT_UTF8 = (
    *(b"\xff", b"\xfe\xff", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80"),
    *(b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"),
    *(b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3", b"\xe2\x28\xa1", b"\xc3\xc3\xbc", b"\xf0\x9f\x98\xf0\x9f\x98\x80"),
    *(b"\xff" * 12_000, b"\xe2" * 30_000, b"\x80" * 40_000),
)
CONTROLS = (
    *(bytes([code]) for code in range(32) if code not in b"\n\r"),
    *(b"\x7f", "\u0080".encode(), "\u2028".encode(), "\ufffe".encode(), "\U0010ffff".encode(), b"\x1b[31mred\x1b[0m"),
    *(b"\x00" * 3000, b"\x01" * 15_000, bytes(range(1, 9)) * 2000, b"a\x02" * 8000),
)


@dataclass
class Written:
    """A container's log file that is written, and what is owed for it.

    Attributes:
        path: Of the file.
        owed: By the offset of its first byte, the bytes of each record's text.
        dropped: Records that are not to arrive, because they are too old.
    """

    path: Path
    owed: dict[int, bytes] = field(default_factory=dict)
    dropped: int = 0
    _bytes: bytearray = field(default_factory=bytearray)
    _time: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5))

    def now(self) -> bytes:
        """A time that no line had before, as containerd writes it."""
        self._time += dt.timedelta(microseconds=7)
        return self._time.strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()

    def add(self, text: bytes, *, stream: bytes = b"stdout", time: bytes = b"", tag: bytes = b"F") -> None:
        """A line, in parts if it is long."""
        time = time or self.now()
        self.owed[len(self._bytes)] = text
        while len(text) > PART:
            self._bytes += b"%b %b P %b\n" % (time, stream, text[:PART])
            text = text[PART:]
        self._bytes += b"%b %b %b %b\n" % (time, stream, tag, text)

    def add_raw(self, raw: bytes, owed: bytes | None) -> None:
        """Bytes as they are, a line break after them; `owed` is the text that comes of them, None: nothing does."""
        if owed is not None:
            self.owed[len(self._bytes)] = owed
        self._bytes += raw + b"\n"

    def add_old(self, time: bytes) -> None:
        """A line that is older than what is kept."""
        self.dropped += 1
        self._bytes += b"%b stdout F too old\n" % time

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self._bytes)


def objects(count: int, *, seed: int = 1) -> Iterator[bytes]:
    """JSON lines: every odd value under every odd key, then several at random."""
    choose = random.Random(seed)
    keys = [json.dumps(key) for key in KEYS]
    odd = [*(json.dumps(value) for value in values()), *TEXTS]
    made: Iterable[list[tuple[str, str]]] = ([pair] for pair in itertools.product(keys, odd))
    small = [text for text in odd if len(text) < 2000]
    mixed = (
        [(choose.choice(keys[:-1]), choose.choice(small if choose.random() < 0.98 else odd)) for _ in range(number % 9)]
        for number in itertools.count()
    )
    for pairs in itertools.islice(itertools.chain(made, mixed), count):
        yield ("{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}").encode()


def texts(count: int, *, seed: int = 1) -> Iterator[bytes]:
    """Lines of bytes that are no text, alone, within text, and within JSON; then random bytes."""
    choose = random.Random(seed)
    for odd in (*NOT_UTF8, *CONTROLS):
        yield from (odd + b"~", b"before " + odd, b"before " + odd + b" after", b'{"a": "' + odd + b'"}')
        yield from (b'{"' + odd + b'": 1}', b'{"a": "' + odd + b'x", "level": "' + odd + b'", "b": "\\' + odd + b'"}')
    for _ in range(count - 6 * len(NOT_UTF8 + CONTROLS)):
        line = choose.randbytes(choose.randrange(1, 300)).replace(b"\n", b" ").replace(b"\r", b" ")
        yield choose.choice((line, b'{"a":"' + line + b'"}', b"{" + line + b"}")) + b"."


def add_odd_lines(file: Written) -> None:
    """Lines as no runtime writes them, and times as none would."""
    now = file.now()
    for raw in (
        *(b"x", b" ", b"  ", b"\t", b"no space at all"[:2], now, now + b" ", now + b" stdout", now + b" stdout F"[:8]),
        *(now + b" stdout X text", now + b" stdout f text", now + b" STDOUT F text", now + b" stdin F text"),
        *(now + b" stdoutF text", now + b"  stdout F text", now + b"\tstdout\tF\ttext", b" " + now + b" stdout F text"),
        *(b"stdout F text", b"F text", b"2026", b"2026-", b"yyyy-mm-ddThh:mm:ssZ stdout F text"),
        *(b"2026-13-45T99:99:99Z stdout F text", now[:10] + b"T99:99:99Z stdout F text", now[:10] + b"Z stdout F text"),
        *(now[:-1] + b" stdout F text", now[:-1] + b"+0200 stdout F text", now[:11] + b" stdout F text"),
        *(now[:10] + b'T"};{\\"Z stdout F text', now[:10] + b"T\x00\x00\x00Z stdout F text", b"\xff-\xff-Z stdout F t"),
        *(now[:9] + b"/Z stdout F text", now[:8] + b"* Z stdout F text", now[:8] + b"..T10:00:00Z stdout F text"),
        *(now[:8] + b"2\x01T10:00:00Z stdout F text", b"ab c-efghijZ stdout F text", now * 20 + b" stdout F text"),
        *(now[:4] + b"-%b" % (b"9" * 700) + b"Z stdout F text", now[:19] + b"." + b"1" * 700 + b"Z stdout F text"),
        *(
            now[:10] + b"T23:59:60.5Z stdout F a leap second",
            now[:19] + b".Z stdout F text",
            now[:19] + b".1Z2Z stdout F x",
        ),
        *(b"{}", b'{"log":"docker\\n","stream":"stdout","time":"%b"}' % now, b"<14>1 syslog", b"\xff" * 200),
    ):
        file.add_raw(raw, raw)
    for text in (b"", b" ", b"{}", b"{", b"}", b"{}}", b'{"a":1} ', b"[]", b"null", b"F", b"P"):
        file.add(text)
        file.add(text, tag=b"F:tag", stream=b"stderr")
    file.add(b"spaces  inside and after  ")
    for time in (b"%b+02:00", b"%b-11:30", b"%b+00:00"):
        file.add(b"a zone", time=time % file.now()[:-1])
    file.add(b"no fraction", time=file.now()[:19] + b"Z")
    file.add(b"the far future", time=b"2150-01-01T00:00:00.000000000Z")
    file.add(b"the end", time=b"9999-12-31T23:59:59.999999999Z")
    for time in (b"1970-01-01T00:00:00Z", b"0000-01-01T00:00:00Z", b"1999-12-31T23:59:59.1+01:00"):
        file.add_old(time)
    for stream in (b"stdout", b"stderr"):
        for _ in range(2):
            file.add(b"identical", stream=stream, time=now)


def add_long_lines(file: Written) -> None:
    """Lines that are longer than most."""
    file.add(b"m" * 2**20)
    file.add(b'{"a": "' + b"m" * (2**20 - 10) + b'"}')
    file.add(b"\x01" * 2_000_000)
    file.add(b"\xff" * 1_000_000)
    file.add("\u4e2d".encode() * 300_000)
    file.add(b'{"a": "' + b"\\" * 500_000 + b'"}')
    file.add(b"[" * 500_000)
    file.add(b'{"a":' * 100_000)
