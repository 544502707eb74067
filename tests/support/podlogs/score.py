"""What became of the lines: every document is searched for marks, and every mark that was written is looked for."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.podlogs import lines
from tests.support.podlogs.truth import LogTruth, Truth

_END = re.compile(r"#end(\d+)(?:\"})?$")
_MARK = re.compile(r"~(\w+)#(\d+)(?:\.(\d+))?#")
_STARTS = ("~", "Traceback (most recent call last):", "panic: ~")
"""How the stack traces of java, python and go begin."""
_UNMARKED = frozenset({_STARTS[1], "", "goroutine 1 [running]:"})
"""Lines of a stack trace that can't have a mark."""
_EXAMPLES = 5
_LEVEL = re.compile(r'(?: |"level":")(INFO|DEBUG|WARN|ERROR|info|debug|warn|error)(?: \[|")')
_TIMELESS = frozenset({lines.COPIES_MS})
"""Records of which each copy has a time of its own."""


@dataclass
class Score:
    """Counts of lines; a text that containerd wrote in parts is one line.

    Attributes:
        sent: Lines with a mark that were written.
        found: Of those, found at least once.
        missing: Found nowhere.
        twice: Surplus finds.
        cut: Documents with a text that has no end.
        merged: Documents with more than one record in them.
        unmarked: Documents without any mark, such as the second half of a cut text.
        unknown: Marks that nobody wrote.
        traces: Stack traces that were written without a pause that parts them.
        whole: Of those, found whole in one document.
        parted: Stack traces with such a pause.
        as_parted: Of those, found in exactly two documents.
        divided: Records that a rotation divided, found in two documents, or more where they are a trace.
        documents: All that was looked at.
        wrong: Documents with a field that is not what the file says.
    """

    sent: int = 0
    found: int = 0
    missing: int = 0
    twice: int = 0
    cut: int = 0
    merged: int = 0
    unmarked: int = 0
    unknown: int = 0
    traces: int = 0
    whole: int = 0
    parted: int = 0
    as_parted: int = 0
    divided: int = 0
    documents: int = 0
    wrong: int = 0
    missing_by_kind: dict[str, int] = field(default_factory=dict)
    missing_by_log: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def damaged(self) -> int:
        """Documents that hold less or more than one record's text."""
        return self.cut + self.merged + self.unmarked + self.unknown

    @property
    def perfect(self) -> bool:
        """Nothing missing, twice, damaged or wrong, every trace whole and every parted one in order."""
        whole = self.traces == self.whole and self.parted == self.as_parted
        return whole and not (self.missing or self.twice or self.damaged or self.wrong)

    def __str__(self) -> str:
        text = f"sent {self.sent:,}, missing {self.missing:,}, twice {self.twice:,}, damaged {self.damaged:,}"
        if self.damaged:
            text += f" (cut {self.cut}, merged {self.merged}, unmarked {self.unmarked}, unknown {self.unknown})"
        if self.wrong:
            text += f", wrong fields in {self.wrong:,}"
        if self.traces or self.parted:
            text += f", traces whole {self.whole:,} of {self.traces:,}"
        if self.divided:
            text += f", divided by a rotation {self.divided}"
        if self.parted:
            text += f", parted by a pause {self.as_parted} of {self.parted}"
        return text

    def details(self) -> str:
        """The counts, and examples of what went wrong."""
        return "\n".join(
            [
                str(self),
                *([f"missing by kind: {self.missing_by_kind}; by log: {self.missing_by_log}"] if self.missing else []),
                *(f"{what}: {example}" for what, examples in self.examples.items() for example in examples),
            ]
        )

    def example(self, what: str, text: str) -> None:
        """Keep the first few of a sort."""
        kept = self.examples.setdefault(what, [])
        if len(kept) < _EXAMPLES:
            kept.append(text if len(text) < 300 else f"{text[:140]} ... {text[-140:]}")


Piece = tuple[tuple[int, ...], bool]
"""What a document has of a stack trace: the numbers of its lines, and whether it has its first line and its end."""


def _wrong_fields(document: dict[str, Any], log: LogTruth, number: int, *, is_first: bool) -> dict[str, Any]:
    """The fields of a rendered pipeline's document that are not what they should be, each with what it is."""
    namespace, pod, uid = log.path.split("/")[0].split("_")
    kubernetes = {
        "namespace_name": namespace, "pod_name": pod, "pod_id": uid, "container_name": log.path.split("/")[1],
        "restart_count": log.restart,
    }  # fmt: skip
    kind, text = log.kinds[number], document["log"]
    expected: dict[str, Any] = {"stream": "stderr" if log.streams[number] == "e" else "stdout"}
    if is_first and kind not in _TIMELESS:
        expected["@timestamp"] = _rfc3339(log.times[number])
    if kind in {lines.PLAIN, lines.JSON, lines.POISON} and (level := _LEVEL.search(text)):
        expected["level"] = level[1].lower()
    found = document.get("kubernetes", {})
    wrong = {name: document.get(name) for name, value in expected.items() if document.get(name) != value}
    wrong |= {f"kubernetes.{name}": found.get(name) for name, value in kubernetes.items() if found.get(name) != value}
    if kind in {lines.JSON, lines.POISON} and "request_id" not in document.get("data", {}):
        wrong["data"] = document.get("data")
    return wrong


def _rfc3339(nanoseconds: int) -> str:
    """As containerd writes it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


class Count:
    """Documents seen so far, against a truth.

    Args:
        truth: What was written.
        joined: Whether the pipeline is to join stack traces; else each of their lines is a document.
    """

    def __init__(self, truth: Truth, *, joined: bool = True) -> None:
        self._truth = truth
        self._joined = joined
        self._score = Score()
        self._lines = {key: Counter[int]() for key in truth.logs}
        self._pieces: dict[str, dict[int, list[Piece]]] = {key: {} for key in truth.logs}
        self._divided = {number for log in truth.logs.values() for number in log.divided}

    def add(self, text: str) -> None:
        """A document's text."""
        score = self._score
        score.documents += 1
        marks = _MARK.findall(text)
        if not marks:
            if self._is_rest(text):
                return
            if self._joined or text not in _UNMARKED:
                score.unmarked += 1
                score.example("unmarked", text)
            return
        key, number = marks[0][0], int(marks[0][1])
        is_line = len(marks) == 1 and not marks[0][2]
        is_trace = not is_line and all(each[:2] == marks[0][:2] and each[2] for each in marks)
        if not (is_line or is_trace):
            self._add_merged(marks, text)
        elif not self._is_known(key, number, text):
            pass
        elif is_line:
            self._lines[key][number] += 1
            self._check_line(key, number, text)
        else:
            whole = text.endswith(lines.end(number)) and text.startswith(_STARTS[number % 3])
            self._pieces[key].setdefault(number, []).append((tuple(int(line) for *_, line in marks), whole))

    def _add_merged(self, marks: list[tuple[str, str, str]], text: str) -> None:
        """More than one record in one document."""
        self._score.merged += 1
        self._score.example("merged", text)
        for key, number, line in marks:
            if not self._is_known(key, int(number), text):
                continue
            if line:
                self._pieces[key].setdefault(int(number), []).append(((int(line),), False))
            else:
                self._lines[key][int(number)] += 1

    def add_document(self, document: dict[str, Any]) -> None:
        """A document with all its fields, which must say where its text comes from."""
        text = document.get("log", "")
        self.add(text)
        found = _MARK.search(text)
        log = self._truth.logs.get(found[1]) if found else None
        if not found or not log or int(found[2]) >= len(log.kinds):
            return
        number = int(found[2])
        # The first line of a Python trace has no mark: what a rotation left of one begins with line 0 all the same.
        is_rest = number in log.divided and found[3] == "0" and not text.startswith(_STARTS[number % 3])
        if wrong := _wrong_fields(document, log, number, is_first=found[3] in {None, "0"} and not is_rest):
            self._score.wrong += 1
            self._score.example("wrong", f"{log.place(number)}: {wrong}")

    def add_all(self, texts: Iterable[str]) -> "Count":
        """Many documents' texts."""
        for text in texts:
            self.add(text)
        return self

    def score(self) -> Score:
        """The counts; ask once."""
        score = self._score
        for key, log in self._truth.logs.items():
            for number, kind in enumerate(log.kinds):
                if kind in lines.TRACES:
                    self._judge_trace(log, number, self._pieces[key].get(number, []))
                else:
                    self._judge(log, number, 1, log.owed(number), self._lines[key][number])
        return score

    def _is_rest(self, text: str) -> bool:
        """Whether a text without a mark is what a rotation left of a record."""
        if not self._divided:
            return False
        end = _END.search(text)
        return text in _UNMARKED or (end is not None and int(end[1]) in self._divided)

    def _is_known(self, key: str, number: int, text: str) -> bool:
        log = self._truth.logs.get(key)
        if log and number < len(log.kinds):
            return True
        self._score.unknown += 1
        self._score.example("unknown", text)
        return False

    def _check_line(self, key: str, number: int, text: str) -> None:
        """One whole text, and nothing but it."""
        end = lines.end(number)
        log, score = self._truth.logs[key], self._score
        if not text.startswith(("~", '{"mark":"~')) or text.count("#end") > 1:
            score.merged += 1
            score.example("merged", f"{log.place(number)}: {text}")
        elif number in log.divided:
            score.divided += not text.endswith((end, end + '"}'))
        elif not text.endswith((end, end + '"}')) and log.kinds[number] != lines.HUGE:
            score.cut += 1
            score.example("cut", f"{log.place(number)}: {text}")

    def _judge_trace(self, log: LogTruth, number: int, pieces: list[Piece]) -> None:
        owed = log.traces[number]
        counts = Counter(line for numbers, _ in pieces for line in numbers)
        for line in range(owed):
            self._judge(log, number, line, 1, counts[line])
        if log.kinds[number] == lines.PARTED:
            self._score.parted += 1
            # What follows the pause is continuation lines only: it depends on the rules how many documents they are.
            first = max((numbers for numbers, _ in pieces), key=lambda numbers: -numbers[0], default=())
            self._score.as_parted += (
                len(first) > 1 and first == tuple(range(len(first))) and set(counts) == set(range(owed))
            )
            return
        if number in log.divided:
            self._score.divided += len(pieces) > 1
            return
        self._score.traces += 1
        if pieces and all(piece == (tuple(range(owed)), True) for piece in pieces):
            self._score.whole += 1
        elif self._joined:
            self._score.example("in pieces", f"{log.place(number)}: {pieces}")

    def _judge(self, log: LogTruth, number: int, line: int, owed: int, found: int) -> None:
        score = self._score
        score.sent += owed
        score.found += min(found, owed)
        if found < owed:
            kind = log.kinds[number]
            score.missing += owed - found
            score.missing_by_kind[kind] = score.missing_by_kind.get(kind, 0) + owed - found
            score.missing_by_log[log.key] = score.missing_by_log.get(log.key, 0) + owed - found
            score.example("missing", f"{log.place(number)}, line {line}")
        elif found > owed:
            score.twice += found - owed
            score.example("twice", f"{log.place(number)}, line {line}: {found} times, not {owed}")
