"""What a report says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sidecar.events.problems import Problem
from sidecar.report.buckets import Axis
from sidecar.report.text import number


@dataclass(frozen=True)
class About:
    """What a report is about, and where it looked.

    Attributes:
        title: Of the page.
        cluster: Its name, from pipeline.yaml.
        namespace: The only one that was looked at; empty for all.
        start: Of the window.
        end: Of the window.
        made: When it was asked.
        url: OpenSearch.
        looked: The patterns of the indices, events first.
        version: Of fluent-sidecar.
        logs: Whether pod logs are collected.
    """

    title: str
    cluster: str
    namespace: str
    start: datetime
    end: datetime
    made: datetime
    url: str
    looked: tuple[str, ...]
    version: str
    logs: bool = True


@dataclass(frozen=True)
class Warnings:
    """Warning events of one namespace for one reason.

    Attributes:
        namespace: Empty for what has none, such as a Node.
        reason: As in the Kubernetes API.
        count: Versions of events.
        newest: When the last was seen; None where it can't be told.
        example: The newest message.
    """

    namespace: str
    reason: str
    count: int
    newest: datetime | None
    example: str


@dataclass(frozen=True)
class Gap:
    """Where events, or versions of them, may be missing.

    Attributes:
        start: What was written after it may be missing.
        end: ... and before this.
        cause: `history` or `outage`; another where a later version wrote it.
    """

    start: datetime
    end: datetime
    cause: str


@dataclass(frozen=True)
class Events:
    """Events by time, and warnings by what they are.

    Attributes:
        normal: Versions of events, a number for each bucket.
        warning: The same of type Warning.
        warnings: Most first.
        gaps: Those that touch the window, the newest first.
    """

    normal: tuple[int, ...] = ()
    warning: tuple[int, ...] = ()
    warnings: tuple[Warnings, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def normals_total(self) -> int:
        """Of the whole window."""
        return sum(self.normal)

    @property
    def total(self) -> int:
        """Of the whole window."""
        return self.normals_total + self.warnings_total

    @property
    def warnings_total(self) -> int:
        """Of the whole window."""
        return sum(self.warning)


@dataclass(frozen=True)
class Problems:
    """What failed, and whether it is over.

    Attributes:
        open: The one that failed last at the head.
        resolved: The one that was over last at the head.
    """

    open: tuple[Problem, ...] = ()
    resolved: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Writer:
    """Who wrote lines: a workload, or what stands for one.

    Attributes:
        namespace: Empty for what has none.
        kind: `Deployment`, ...; `container` or `unit` where no workload is known; `control plane`.
        name: Its name.
        lines: Records.
        errors: Those of severity error or fatal.
    """

    namespace: str
    kind: str
    name: str
    lines: int
    errors: int


@dataclass(frozen=True)
class Logs:
    """Lines of logs by time and by who wrote them.

    Attributes:
        lines: Records, a number for each bucket.
        errors: Those of severity error or fatal, a number for each bucket.
        writers: Those with most lines, and those with most errors; most lines first.
        others: All others together; None if there are none.
    """

    lines: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    writers: tuple[Writer, ...] = ()
    others: "Others | None" = None

    @property
    def lines_total(self) -> int:
        """Of the whole window."""
        return sum(self.lines)

    @property
    def errors_total(self) -> int:
        """Of the whole window."""
        return sum(self.errors)


@dataclass(frozen=True)
class Others:
    """Writers that have no line of their own in the report."""

    lines: int
    errors: int


State = Literal["ok", "warn", "fail", "unknown"]


@dataclass(frozen=True)
class Check:
    """One thing about the pipeline, judged.

    Attributes:
        state: `warn` is to be looked at; `unknown` could not be found out.
        name: What was looked at.
        text: What was found.
    """

    state: State
    name: str
    text: str


@dataclass(frozen=True)
class Freshness:
    """How new the newest document of a family of indices is.

    Attributes:
        title: What the family holds.
        pattern: Of its indices.
        newest: `@timestamp` of the newest; None if there is none.
        documents: Of this cluster, of all times.
    """

    title: str
    pattern: str
    newest: datetime | None
    documents: int


@dataclass(frozen=True)
class DeadLetters:
    """Documents that OpenSearch refused, of one error and one index.

    Attributes:
        error: Its type, such as `mapper_parsing_exception`.
        index: Where they were to go.
        count: How many.
        newest: When the last was refused; None where it can't be told.
        example: OpenSearch's reason for it.
    """

    error: str
    index: str
    count: int
    newest: datetime | None
    example: str


@dataclass(frozen=True)
class Index:
    """One index, with the documents of all clusters that share it.

    Attributes:
        name: Its name.
        health: green, yellow, red; empty where it can't be told.
        documents: Those of its primary shards.
        size: Bytes on disk, copies included.
    """

    name: str
    health: str
    documents: int
    size: int


@dataclass(frozen=True)
class Delays:
    """How long lines waited until Fluent Bit read them.

    Attributes:
        lines: How many of the newest lines this was taken from.
        median: Half of them waited no longer.
        most: The longest of all but one in a hundred.
    """

    lines: int
    median: timedelta
    most: timedelta


@dataclass(frozen=True)
class Health:
    """What OpenSearch alone can tell of the pipeline.

    Attributes:
        checks: What it comes to.
        fresh: By family.
        delays: None where no line says when it was read.
        letters: Most first.
        indices: The largest first.
    """

    checks: tuple[Check, ...] = ()
    fresh: tuple[Freshness, ...] = ()
    delays: Delays | None = None
    letters: tuple[DeadLetters, ...] = ()
    indices: tuple[Index, ...] = ()


_CONTENT = {"problems", "events", "logs"}


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        about: What it is about.
        axis: How its window is divided.
        events: Events.
        problems: Problems.
        logs: Logs.
        health: The pipeline.
        failed: Why a part is not known, by the name of what was asked: events, gaps, problems, logs, ...
        incomplete: What did not answer to a search, in words; empty where nothing is missing.
    """

    about: About
    axis: Axis
    events: Events = field(default_factory=Events)
    problems: Problems = field(default_factory=Problems)
    logs: Logs = field(default_factory=Logs)
    health: Health = field(default_factory=Health)
    failed: Mapping[str, str] = field(default_factory=dict)
    incomplete: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found in the window though all could be looked at."""
        counted = self.events.total + self.logs.lines_total
        found = counted or self.problems.open or self.problems.resolved or self.events.gaps
        return not found and not _CONTENT & self.failed.keys()

    @property
    def is_whole(self) -> bool:
        """Whether events and log lines could be asked for, and all that hold some have answered."""
        return not self.missing

    @property
    def missing(self) -> str:
        """What is not in it, and why; empty where it is whole."""
        told = [f"{name}: {why}" for name, why in self.failed.items() if name in _CONTENT]
        return "; ".join([*told, *([self.incomplete] if self.incomplete else [])])

    def summary(self) -> str:
        """What it comes to, in a line."""
        problems, events, logs = self.problems, self.events, self.logs
        parts = {
            "problems": f"{len(problems.open)} open, {len(problems.resolved)} resolved",
            "events": f"{number(events.total)}, {number(events.warnings_total)} of them warnings",
            "logs": f"{number(logs.lines_total)} lines, {number(logs.errors_total)} of them errors",
        }
        told = [f"{name}: {'not known' if name in self.failed else text}" for name, text in parts.items()]
        if self.failed:
            told.append("some could not be found out, and the report says what")
        if self.incomplete:
            told.append(self.incomplete)
        return "; ".join(told)
