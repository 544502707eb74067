"""A container's files on a node, a Fluent Bit that reads them and may die, and what it has to find: written anew."""

import itertools
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.unit.plugin.plugin import POD, UID, Document, Filter, cri, install

TIMEOUT, PART_TIMEOUT = 5, 60
LAST_TICKS = 80  # beyond every timeout of what is complete

# What an application prints, line by line; the first begins a record, and the others belong to it.
TRACES = [
    [
        "java.lang.IllegalStateException: no",
        "\tat a.B.c(B.java:1)",
        "Caused by: java.io.IOException: x",
        "\t... 7 more",
    ],
    ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "    f()", "ValueError: no"],
    ["panic: no", "", "goroutine 1 [running]:", "main.f(0x1)", "\t/app/main.go:7 +0x1d"],
    ["/app/a.rb:1:in 'f': no (RuntimeError)", "\tfrom /app/a.rb:2:in 'g'"],
    ["Error: no", "    at f (a.js:1:2)", "    at g (a.js:3:4)"],
]
PLAIN = ["GET / 200", "", "  indented", '{"level":"info","a":1}', "Caused by: nothing", "same length 1", "\tat nowhere"]
GAPS = [0, 0, 0, 0, 0, 0, 0, 0.001, 1, 4.9, 5.0, 5.1, 9, 59, 61, 70]


@dataclass(frozen=True)
class Line:
    """A physical line as it is in the file: time in seconds, and what follows it."""

    time: float
    stream: str
    flag: str
    text: str
    crlf: bool = False

    @property
    def raw(self) -> bytes:
        return cri(self.text, self.time, self.stream, self.flag)

    @property
    def stored(self) -> bytes:
        return self.raw + (b"\r\n" if self.crlf else b"\n")


@dataclass
class Written:
    """A file: its lines, with their offsets."""

    lines: list[Line]
    offsets: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = 0
        for line in self.lines:
            self.offsets.append(at)
            at += len(line.stored)

    @property
    def content(self) -> bytes:
        return b"".join(line.stored for line in self.lines)


@st.composite
def written_files(draw: st.DrawFn) -> list[Written]:
    """What one container writes into up to three files: both streams, each with traces, plain lines and long lines."""
    queues: dict[str, list[tuple[str, str]]] = {}
    for stream in ("stdout", "stderr"):
        queue: list[tuple[str, str]] = []
        for texts in draw(
            st.lists(st.sampled_from(TRACES) | st.sampled_from(PLAIN).map(lambda t: [t]), min_size=1, max_size=6)
        ):
            for text in texts[: draw(st.sampled_from([99, 99, 1, 2]))]:
                parts = draw(st.sampled_from([1, 1, 1, 1, 2, 3]))
                size = len(text) // parts + 1
                pieces = [text[i : i + size] for i in range(0, len(text), size)] or [""]
                last = draw(st.sampled_from("FFFFFFFP"))
                queue += [(piece, "P") for piece in pieces[:-1]] + [(pieces[-1], last)]
        queues[stream] = queue
    lines: list[Line] = []
    time = 0.0
    while queues["stdout"] or queues["stderr"]:
        stream = draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        text, flag = queues[stream].pop(0)
        time = round(time + 0.000001 + draw(st.sampled_from(GAPS)), 6)
        lines.append(Line(time, stream, flag, text, crlf=draw(st.sampled_from([False] * 9 + [True]))))
    cuts = sorted(draw(st.lists(st.integers(0, len(lines)), max_size=2)))
    ends = [0, *cuts, len(lines)]
    return [Written(lines[a:b]) for a, b in itertools.pairwise(ends) if lines[a:b]]


# The rules, written down a second time


def rule_of(text: str) -> str | None:
    if not re.match(r"[ \t]", text) and re.search(r"Exception([:\s]|$)|[\w$.]Error([:\s]|$)|^Error:", text):
        return "java"
    if text.startswith("Traceback (most recent call last):"):
        return "python"
    if re.match(r"panic: |goroutine \d+ \[", text):
        return "go"
    return "ruby" if re.match(r"\S+:\d+:in ['`]", text) else None


def goes_on(rule: str, state: str, text: str) -> str | None:
    indented = text.startswith((" ", "\t"))
    if rule == "java":
        return "on" if (indented and text.strip()) or text.startswith("Caused by: ") else None
    if rule == "go":
        return "on" if text == "" or indented or re.match(r"goroutine \d+ \[|main\.f\(.*\)$", text) else None
    if rule == "ruby":
        return "on" if re.match(r"\s+from ", text) else None
    if state == "on":
        return "on" if indented else "named" if text else None
    return "between" if state == "named" and text == "" else None


@dataclass
class Whole:
    """A line whose parts are joined: where it begins, the times of its first and last part, and its text."""

    offset: int
    first: float
    last: float
    text: str


def whole_lines(file: Written, stream: str) -> list[Whole]:
    found: list[Whole] = []
    open_line: Whole | None = None
    for offset, line in zip(file.offsets, file.lines, strict=True):
        if line.stream != stream:
            continue
        if open_line and line.time - open_line.last > PART_TIMEOUT:
            open_line = None
        if open_line:
            open_line.text += line.text
            open_line.last = line.time
        else:
            open_line = Whole(offset, line.time, line.time, line.text)
            found.append(open_line)
        if line.flag == "F":
            open_line = None
    return found


def expected(file: Written) -> dict[str, str]:
    """The text of each record of a file, by its id."""
    found: dict[str, str] = {}
    for stream in ("stdout", "stderr"):
        name, rule, state, last = "", None, None, 0.0
        for line in whole_lines(file, stream):
            state = goes_on(rule, state, line.text) if rule and state and line.first - last <= TIMEOUT else None
            last = line.last
            if state:
                found[name] += "\n" + line.text
                continue
            time = cri("", line.first).split(b" ")[0].decode()
            name = f"{UID}/app/0/{stream[3]}/{time}/{line.offset}"
            found[name] = line.text
            rule = rule_of(line.text)
            state = "on" if rule else None
    return found


# A node with a disk, a Fluent Bit that reads, and someone with a gun


class Node:
    """The files of one container, and a Fluent Bit on them.

    A line can be read once the node's clock has reached its time. Files get their rotated names when the next begins.
    """

    def __init__(self, folder: Path, files: list[Written], **more: Any) -> None:
        self.folder = folder
        self.files = files
        self.script = install(folder, **more)
        self.logs = folder / "pods" / POD / "app"
        self.logs.mkdir(parents=True)
        self.now = 1.0
        self.on_disk = [0] * len(files)  # lines
        self.positions = [0] * len(files)  # lines that are read, and stored
        self.names: dict[int, Path] = {}  # under which this process found them
        self.stored: dict[str, set[str]] = {}
        self.filter = Filter(self.script)
        self.appear()

    def path(self, number: int) -> Path:
        """Its present name."""
        begun = [n for n, count in enumerate(self.on_disk) if count]
        return self.logs / ("0.log" if number == max(begun, default=0) else f"0.log.20261122-1000{number:02d}")

    def appear(self) -> None:
        """What was written until now is on disk."""
        for number, file in enumerate(self.files):
            ready = sum(line.time <= self.now for line in file.lines)
            if ready > self.on_disk[number]:
                if not self.on_disk[number] and number:
                    old = self.path(number - 1)
                    self.on_disk[number] = ready
                    old.rename(self.path(number - 1))
                self.on_disk[number] = ready
                end = file.offsets[ready] if ready < len(file.lines) else len(file.content)
                self.path(number).write_bytes(file.content[:end])

    def store(self, documents: list[Document]) -> None:
        for document in documents:
            self.stored.setdefault(document["id"], set()).add(document["log"])

    def read(self, number: int, count: int, dies: int | None, *, forgets: bool) -> None:
        """A buffer of up to `count` lines, which the process may not survive.

        Args:
            dies: After so many lines of it.
            forgets: Having stored its records, but not that it was read.
        """
        file, start = self.files[number], self.positions[number]
        end = min(start + count, self.on_disk[number])
        if start >= end:
            return
        name = self.names.setdefault(number, self.path(number))
        found: list[Document] = []
        for place in range(start, end if dies is None else min(start + dies, end)):
            found += self.filter.line(name, file.offsets[place], file.lines[place].raw)
        if dies is not None:
            self.restart()
            return
        self.store(found)
        if forgets:
            self.restart()
        else:
            self.positions[number] = end

    def restart(self, *, rewinds: bool = False) -> None:
        if rewinds:
            self.positions = [0] * len(self.files)
        self.names = {}
        self.filter = Filter(self.script)

    def tick(self, *, dies: bool = False) -> None:
        self.now += 1
        self.appear()
        found = self.filter.tick()
        if dies:
            self.restart()
        else:
            self.store(found)

    def backfill(self, number: int) -> None:
        """A whole file once more, under a name in another folder."""
        file = self.files[number]
        if self.on_disk[number] < len(file.lines):
            return
        name = self.folder / "backfill" / POD / "app" / f"0.log.20261122-1000{number:02d}.gz"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(len(file.content).to_bytes(4, "little"))
        for offset, line in zip(file.offsets, file.lines, strict=True):
            self.store(self.filter.line(name, offset, line.raw))

    def finish(self) -> None:
        """Time passes until everything has been written and read."""
        last = max((line.time for file in self.files for line in file.lines), default=0)
        self.now = max(self.now, last)
        self.appear()
        for number, file in enumerate(self.files):
            self.read(number, len(file.lines), None, forgets=False)
        for _ in range(LAST_TICKS):
            self.tick()


READS = st.tuples(
    st.just("read"),
    st.integers(0, 2),
    st.integers(1, 8),
    st.sampled_from([None, None, None, 0, 1, 2, 3, 4, 8]),
    st.sampled_from([False, False, False, True]),
)
TICKS = st.tuples(st.just("tick"), st.sampled_from([1, 1, 2, 7, 12]))
OTHERS = st.one_of(
    st.tuples(st.sampled_from(["die in a tick", "restart", "restart", "rewind"])),
    st.tuples(st.just("backfill"), st.integers(0, 2)),
)
STEPS = st.lists(st.one_of(READS, READS, READS, TICKS, OTHERS), min_size=3, max_size=25)


def perform(node: Node, step: tuple[Any, ...]) -> None:
    match step:
        case ("read", number, count, dies, forgets):
            node.read(number % len(node.files), count, dies, forgets=forgets)
        case ("tick", times):
            for _ in range(times):
                node.tick()
        case ("die in a tick",):
            node.tick(dies=True)
        case ("restart",):
            node.restart()
        case ("rewind",):
            node.restart(rewinds=True)
        case ("backfill", number):
            node.backfill(number % len(node.files))


@contextmanager
def node_of(files: list[Written], **more: Any) -> Iterator[Node]:
    with tempfile.TemporaryDirectory(prefix="plugin-") as folder:
        yield Node(Path(folder), files, **more)


def check(node: Node) -> None:
    wanted: dict[str, set[str]] = {}
    for file in node.files:
        wanted |= {name: {text} for name, text in expected(file).items()}
    assert node.stored == wanted


def mixed() -> Written:
    out, err = "stdout", "stderr"
    texts = [
        (out, "F", "java.lang.IllegalStateException: a"),
        (out, "F", "\tat a.B.c(B.java:1)"),
        (out, "P", "a plain "),
        (err, "F", "Traceback (most recent call last):"),
        (out, "P", "line in "),
        (err, "F", '  File "a.py", line 1, in f'),
        (out, "F", "parts"),
        (out, "F", "\tat nowhere: what is before it has gone out"),
        (err, "P", "Value"),
        (err, "F", "Error: b"),
        (out, "F", "java.io.IOException: c"),
        (out, "P", "\tat d.E"),
        (out, "F", ".f(E.java:1)"),
        (err, "F", "plain"),
        (err, "F", "  indented, and no part of anything"),
    ]
    return Written([Line(0.001 * number, *text) for number, text in enumerate(texts)])
