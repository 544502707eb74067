"""Whatever kills the process, whenever: the records are those that the file's bytes say, each once by its id."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.plugin.plugin import POD, UID, Document, Filter, cri, install

TIMEOUT, PART_TIMEOUT = 5, 60
LAST_TICKS = 80  # beyond every timeout of what is complete
MODERATE = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What an application prints, line by line; the first begins a record, and the others belong to it.
TRACES = [
    ["java.lang.IllegalStateException: no", "\tat a.B.c(B.java:1)", "Caused by: java.io.IOException: x", "\t... 7 more"],
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
        for texts in draw(st.lists(st.sampled_from(TRACES) | st.sampled_from(PLAIN).map(lambda t: [t]), min_size=1, max_size=6)):
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
    return [Written(lines[a:b]) for a, b in zip(ends, ends[1:], strict=False) if lines[a:b]]


# The rules, written down a second time


def rule_of(text: str) -> str | None:
    if not re.match(r"[ \t]", text) and re.search(r"Exception([:\s]|$)|[\w$]Error([:\s]|$)|^Error:", text):
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
        return "on" if text == "" or indented or re.match(r"goroutine \d+ \[|panic: |main\.f\(.*\)$", text) else None
    if rule == "ruby":
        return "on" if re.match(r"\s+from ", text) else None
    if state == "on":
        return "on" if indented else "named" if text else None
    return "between" if state == "named" and text == "" else None


def expected(file: Written) -> dict[str, str]:
    """The text of each record of a file, by its id."""
    found: dict[str, str] = {}
    for stream in ("stdout", "stderr"):
        whole: list[tuple[int, float, float, str]] = []  # offset, first time, last time, text
        parts: tuple[int, float, float, str] | None = None
        for offset, line in zip(file.offsets, file.lines, strict=True):
            if line.stream != stream:
                continue
            if parts and line.time - parts[2] > PART_TIMEOUT:
                whole.append(parts)
                parts = None
            parts = (
                (parts[0], parts[1], line.time, parts[3] + line.text)
                if parts
                else (offset, line.time, line.time, line.text)
            )
            if line.flag == "F":
                whole.append(parts)
                parts = None
        if parts:
            whole.append(parts)
        record: list[Any] | None = None  # id, texts, last time, rule, state
        for offset, first, last, text in whole:
            state = goes_on(record[3], record[4], text) if record and first - record[2] <= TIMEOUT else None
            if record and state:
                record[1].append(text)
                record[2], record[4] = last, state
                continue
            if record:
                found[record[0]] = "\n".join(record[1])
                record = None
            time = cri("", first).split(b" ")[0].decode()
            name = f"{UID}/app/0/{stream[3]}/{time}/{offset}"
            rule = rule_of(text)
            if rule:
                record = [name, [text], last, rule, "on"]
            else:
                found[name] = text
        if record:
            found[record[0]] = "\n".join(record[1])
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
        """A buffer of up to `count` lines; the process dies after `dies` of them, or having stored it all but where it is."""
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


@MODERATE
@given(files=written_files().filter(bool))
def test_an_undisturbed_reader_finds_what_the_bytes_say(files: list[Written]) -> None:
    with node_of(files) as node:
        node.finish()
        check(node)


@MODERATE
@given(files=written_files().filter(bool), steps=STEPS)
def test_no_disturbance_changes_what_is_found(files: list[Written], steps: list[tuple[Any, ...]]) -> None:
    with node_of(files) as node:
        for step in steps:
            perform(node, step)
        node.finish()
        check(node)


@pytest.mark.parametrize("compact", [1, 300])
@settings(MODERATE, max_examples=30)
@given(files=written_files().filter(bool), steps=STEPS)
def test_nor_does_a_journal_that_is_compacted(compact: int, files: list[Written], steps: list[tuple[Any, ...]]) -> None:
    with node_of(files, compact_bytes=compact) as node:
        for step in steps:
            perform(node, step)
        node.finish()
        check(node)


# Every place of one file at which a process may end


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


@pytest.mark.parametrize("ticks", [0, 1])
@pytest.mark.parametrize("forgets", [False, True])
def test_a_process_may_end_at_any_line(ticks: int, forgets: bool) -> None:
    file = mixed()
    for position in range(len(file.lines)):
        for dies in range(len(file.lines) - position + 1):
            with node_of([file]) as node:
                node.read(0, position, None, forgets=False)
                for _ in range(ticks):
                    node.tick()
                node.read(0, len(file.lines), dies or None, forgets=forgets)
                node.finish()
                check(node)


@pytest.mark.parametrize("buffers", [1, 2, 3])
def test_a_process_may_end_after_every_buffer(buffers: int) -> None:
    file = mixed()
    with node_of([file]) as node:
        for _ in file.lines:
            node.read(0, buffers, None, forgets=False)
            node.restart()
        node.finish()
        check(node)


def test_two_files_of_one_path_and_length_are_told_apart() -> None:
    trace = ["java.io.IOException: a", "\tat a.B.c(B.java:1)", "\tat a.B.d(B.java:2)", "plain"]
    old, new = (
        Written([Line(start + 0.001 * number, "stdout", "F", text) for number, text in enumerate(trace)])
        for start in (0.0, 2.0)
    )
    with node_of([old, new]) as node:
        node.read(0, 2, None, forgets=False)
        node.names[1] = node.names[0]
        node.tick()
        node.tick()
        for count in (2, 1):
            node.read(1, count, None, forgets=False)
            node.read(0, count, None, forgets=False)
        node.finish()
        check(node)


def test_a_trace_that_a_rotated_away_file_ends_with_goes_out() -> None:
    file = Written([Line(0.001 * number, "stdout", "F", text) for number, text in enumerate(TRACES[0])])
    with node_of([file]) as node:
        node.read(0, 9, None, forgets=False)
        node.path(0).unlink()
        for _ in range(40):
            node.tick()
        check(node)
        assert "flushed_by_timer\t-\t1" in (node.folder / "state/counters.tsv").read_text()


def test_a_trace_waits_for_bytes_that_are_unread() -> None:
    file = Written([Line(0.001 * number, "stdout", "F", text) for number, text in enumerate(TRACES[0])])
    with node_of([file]) as node:
        node.read(0, 2, None, forgets=False)
        for _ in range(500):
            node.tick()
        assert node.stored == {}
        node.finish()
        check(node)


# The journal


def test_a_journal_torn_anywhere_gives_no_wrong_line() -> None:
    file = mixed()
    with node_of([file]) as node:
        node.read(0, 13, None, forgets=False)
        journal = node.folder / "state/held.journal"
        whole = journal.read_bytes()
        stored = {name: set(texts) for name, texts in node.stored.items()}
        for size in range(0, len(whole), 29):
            journal.write_bytes(whole[:size])
            node.stored = {name: set(texts) for name, texts in stored.items()}
            # What the journal has lost can't be known; what it has must be right, and a later start must not read more.
            for _ in range(2):
                node.restart()
            node.restart(rewinds=True)
            node.finish()
            check(node)


def test_a_torn_line_is_not_taken_up(tmp_path: Path) -> None:
    script = install(tmp_path)
    path = tmp_path / "0.log"
    Filter(script).line(path, 0, cri("one two three", 0, flag="P"))
    journal = tmp_path / "state/held.journal"
    whole = journal.read_bytes()
    for size in range(len(whole)):
        journal.write_bytes(whole[:size])
        Filter(script)
        assert Filter(script).tick(40) == []
    journal.write_bytes(whole)
    assert [found["log"] for found in Filter(script).tick(40)] == ["one two three"]


def test_lines_go_out_where_no_journal_can_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = install(tmp_path)
    state = tmp_path / "state"
    state.rmdir()
    reader = Filter(script)
    found = reader.lines(POD + "/app/0.log", [cri(text) for text in [*TRACES[0], "plain"]])
    assert [each["log"] for each in found] == ["\n".join(TRACES[0]), "plain"]
    state.mkdir()
    reader.tick()
    assert "not_journaled\t-\t5" in (state / "counters.tsv").read_text()
    assert "can't write" in capfd.readouterr().err


def test_a_zero_byte_survives_the_journal(tmp_path: Path) -> None:
    script = install(tmp_path)
    raw = cri(b"a\0b\xffc", 0, flag="P")
    Filter(script).line(tmp_path / "0.log", 0, raw)
    assert (tmp_path / "state/held.journal").read_bytes().count(raw) == 1
    restarted = Filter(script)
    (tmp_path / "0.log").write_bytes(raw + b"\n" + cri("d", 1) + b"\n")
    found = restarted.line(tmp_path / "0.log", len(raw) + 1, cri("d", 1))
    assert [each["id"].rpartition("/")[2] for each in found] == ["0"]


def test_the_journal_is_emptied_when_nothing_is_held(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path))
    reader.lines(tmp_path / "0.log", [cri(text) for text in [*TRACES[0], "plain"]])
    journal = tmp_path / "state/held.journal"
    assert journal.stat().st_size > 0
    reader.tick()
    assert journal.stat().st_size == 0


def test_a_compaction_that_was_interrupted_harms_nothing(tmp_path: Path) -> None:
    script = install(tmp_path, compact_bytes=1)
    path = tmp_path / "0.log"
    raws = [cri(text) for text in TRACES[0]]
    path.write_bytes(b"".join(raw + b"\n" for raw in raws))
    reader = Filter(script)
    reader.lines(path, raws[:3])
    (tmp_path / "state/held.journal.tmp").write_bytes(b"L\thalf")
    restarted = Filter(script)
    restarted.tick()
    again = Filter(script)
    rest = sum(len(raw) + 1 for raw in raws[:3])
    again.line(path, rest, raws[3])
    assert [each["log"] for each in again.tick(10)] == ["\n".join(TRACES[0])]
