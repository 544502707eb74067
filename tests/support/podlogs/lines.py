"""The texts of log lines. Every record begins with a mark that says which it is, and ends with one that says so too."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PLAIN, JSON, POISON, LONG, TRACE, COPIES, COPIES_MS, MEBI, HUGE = "pjxltikmh"
KINDS = {
    "plain": PLAIN, "json": JSON, "poison": POISON, "long": LONG, "trace": TRACE, "copies": COPIES,
    "copies_ms": COPIES_MS, "mebi": MEBI, "huge": HUGE,
}  # fmt: skip
"""Names in a spec -> letters in a truth."""
STALLED, PARTED = "sc"
"""Traces with a stall shorter than the pipeline waits, and longer: two records by definition."""
TRACES = frozenset({TRACE, STALLED, PARTED})

LONG_BYTES, MEBI_BYTES, HUGE_BYTES = 40 * 2**10, 2**20, 3 * 2**19
_POOL = 512

_LEVELS = ("INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR")
_WORDS = [
    "order", "payment", "cart", "user", "session", "cache", "request", "response", "upstream", "connection", "retry",
    "queue", "worker", "job", "batch", "checkout", "inventory", "shipment", "invoice", "token", "refresh", "expired",
    "timeout", "handler", "started", "finished", "processed", "rejected", "updated", "created", "deleted", "database",
    "query", "index", "row", "page", "client", "server", "thread", "pool", "metric", "trace", "span",
]  # fmt: skip


def mark(key: str, number: int) -> str:
    """The beginning of a record's text."""
    return f"~{key}#{number}#"


def end(number: int) -> str:
    """The end of a record's text."""
    return f"#end{number}"


class Texts:
    """The texts of one container's records, the same for the same seed.

    The bodies come from pools that are made once: the generator must write tens of thousands of lines a second.
    """

    def __init__(self, key: str, seed: int) -> None:
        self._key = key.encode()
        self.random = random.Random(f"{seed}/{key}")
        self._plain = [_plain(self.random).encode() for _ in range(_POOL)]
        self._json = [_json(self.random, "dur", f"{self.random.random() * 900:.3f}").encode() for _ in range(_POOL)]
        self._poison = [_json(self.random, "dur", f'{{"ms":{self.random.randrange(900)}}}').encode() for _ in range(64)]
        self._single: dict[str, Callable[[int], bytes]] = {
            PLAIN: self._plain_line,
            COPIES: self._plain_line,
            COPIES_MS: self._plain_line,
            JSON: self._json_line,
            POISON: self._poison_line,
            LONG: lambda number: self._filled(number, LONG_BYTES),
            MEBI: lambda number: self._filled(number, MEBI_BYTES),
            HUGE: lambda number: self._filled(number, HUGE_BYTES),
        }

    def line(self, kind: str, number: int) -> bytes:
        """The text of a record that is one line."""
        return self._single[kind](number)

    def _plain_line(self, number: int) -> bytes:
        return b"~%b#%d# %b #end%d" % (self._key, number, self._plain[number % _POOL], number)

    def _json_line(self, number: int) -> bytes:
        return b'{"mark":"~%b#%d#",%b,"end":"#end%d"}' % (self._key, number, self._json[number % _POOL], number)

    def _poison_line(self, number: int) -> bytes:
        return b'{"mark":"~%b#%d#",%b,"end":"#end%d"}' % (self._key, number, self._poison[number % 64], number)

    def _filled(self, number: int, size: int) -> bytes:
        head, tail = b"~%b#%d# " % (self._key, number), b" #end%d" % number
        filler = b" ".join(self._plain)
        need = size - len(head) - len(tail)
        return head + (filler * (need // len(filler) + 1))[:need] + tail

    def trace(self, number: int) -> "Trace":
        """The lines of a stack trace."""
        make = (_java, _python, _go)[number % 3]
        lines = list(make(lambda line: f"~{self._key.decode()}#{number}.{line}#", 3 + number * 7 % 11))
        lines[-1] += f" {end(number)}"
        encoded = [line.encode() for line in lines]
        return Trace(encoded, sum(b"~" in line for line in encoded))


@dataclass
class Trace:
    """A stack trace; `marked` of its lines have a mark, counted from 0."""

    lines: list[bytes]
    marked: int


def _plain(rng: random.Random) -> str:
    words = " ".join(rng.choices(_WORDS, k=rng.randint(6, 22)))
    return (
        f"2026-11-22 10:{rng.randrange(60):02d}:{rng.randrange(60):02d},{rng.randrange(1000):03d} "
        f"{rng.choice(_LEVELS)} [worker-{rng.randrange(32)}] com.acme.{rng.choice(_WORDS)}.Service - {words} "
        f"id={rng.getrandbits(48):012x} ip=10.{rng.randrange(256)}.{rng.randrange(256)}.7"
    )


def _json(rng: random.Random, name: str, value: str) -> str:
    words = " ".join(rng.choices(_WORDS, k=rng.randint(4, 14)))
    return (
        f'"level":"{rng.choice(_LEVELS).lower()}","logger":"{rng.choice(_WORDS)}","message":"{words}",'
        f'"status":{rng.choice((200, 200, 201, 404, 500))},"{name}":{value},'
        f'"http":{{"method":"GET","path":"/api/v1/{rng.choice(_WORDS)}/{rng.randrange(10**5)}"}},'
        f'"request_id":"{rng.getrandbits(64):016x}","ok":true'
    )


_Mark = Callable[[int], str]


def _java(marked: _Mark, frames: int) -> Iterator[str]:
    yield f"{marked(0)} java.lang.IllegalStateException: order is in no state to be paid"
    for line in range(1, frames):
        yield f"\tat com.acme.shop.Orders{marked(line)}.pay(Orders.java:{line * 7})"
    yield f"Caused by: java.io.IOException: {marked(frames)} connection reset"
    yield f"\tat com.acme.shop.Client{marked(frames + 1)}.send(Client.java:12)"
    yield f"\t... 7 more {marked(frames + 2)}"


def _python(marked: _Mark, frames: int) -> Iterator[str]:
    # Its first line is what the rules know it by, and can't be marked.
    yield "Traceback (most recent call last):"
    for line in range(0, 2 * frames, 2):
        yield f'  File "/app/{marked(line)}.py", line {line + 7}, in handler'
        yield f"    return pay(order, note={marked(line + 1)!r})"
    yield f"ValueError: {marked(2 * frames)} order is in no state to be paid"


def _go(marked: _Mark, frames: int) -> Iterator[str]:
    yield f"panic: {marked(0)} runtime error: invalid memory address or nil pointer dereference"
    yield ""
    yield "goroutine 1 [running]:"
    for line in range(1, 2 * frames, 2):
        yield f"main.(*Orders).pay({{{marked(line)}, 0xc000012{line:03x}}})"
        yield f"\t/app/main.go:{line} +0x1d {marked(line + 1)}"
