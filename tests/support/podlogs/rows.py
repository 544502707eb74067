"""What pod logs must survive: each row writes, hurts, and says what was written.

A row runs at a size: `full` for a benchmark, or shortened for a test. What it does is the same.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.podlogs import kubelet
from tests.support.podlogs.rig import Rig
from tests.support.podlogs.score import Score
from tests.support.podlogs.spec import Log, Spec, logs
from tests.support.podlogs.truth import Truth
from tests.support.waiting import wait_until

MIX = {"plain": 70.0, "json": 28.0, "long": 1.0, "trace": 1.0}
"""One line of a hundred is 40 KB long, so that many are caught in the middle."""
TRACES = {"plain": 60.0, "json": 34.0, "long": 0.2, "trace": 5.0}
"""A third of all lines are in stack traces."""


@dataclass(frozen=True)
class Scale:
    """How long a row's phases are.

    Attributes:
        full: Whether it is a benchmark's.
        rate: Bytes a second of all logs.
        rotate: Bytes from which a file is rotated.
    """

    full: bool
    rate: float
    rotate: int

    def pick(self, full: float, short: float) -> float:
        return full if self.full else short


FULL, SHORT = Scale(full=True, rate=3e6, rotate=10_000_000), Scale(full=False, rate=1.5e6, rotate=1_000_000)

Run = Callable[[Rig, Scale], Truth]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: What happens.
        run: Does it, Fluent Bit's start included, and returns when all is written.
        more: Keys of pipeline.yaml that it needs.
        indexed: Whether it means something only with a real OpenSearch.
        patience: Seconds without a new document after which no more are expected.
        reached: Notes of the row that must not be 0, lest it has shown nothing.
        lossy: Whether something is lost that was nowhere to be read; it must be counted.
    """

    name: str
    run: Run
    more: dict[str, Any] = field(default_factory=dict)
    indexed: bool = False
    patience: float = 8
    reached: tuple[str, ...] = ()
    lossy: bool = False


def _spec(scale: Scale, seconds: float, **options: Any) -> Spec:
    options = {"rate": scale.rate, "rotate_size": scale.rotate, "mix": dict(MIX), "logs": logs(4), **options}
    return Spec("", "", seconds=seconds, **options)


def _begin(rig: Rig) -> None:
    rig.start().wait_for_start()


def kills(rig: Rig, scale: Scale) -> Truth:
    """Five SIGKILLs."""
    _begin(rig)
    rig.generate(_spec(scale, scale.pick(60, 12)))
    for _ in range(5):
        time.sleep(scale.pick(9, 1.4))
        rig.shipper.kill(scale.pick(1, 0.5))
    return rig.finish(60)


def outage(rig: Rig, scale: Scale) -> Truth:
    """OpenSearch is away."""
    _begin(rig)
    rig.generate(_spec(scale, scale.pick(130, 12)))
    time.sleep(2)
    rig.away(True)
    time.sleep(scale.pick(120, 8))
    rig.away(False)
    return rig.finish(180)


def stopped(rig: Rig, scale: Scale) -> Truth:
    """Fluent Bit is stopped while every file is rotated twice."""
    _begin(rig)
    every = scale.pick(10, 3)
    rig.generate(_spec(scale, scale.pick(60, 14), rotate_size=0, rotate_every=every, rate=scale.pick(1e6, 1e6)))
    time.sleep(scale.pick(15, 4))
    rig.shipper.process.terminate(30)
    time.sleep(scale.pick(23, 6.5))
    rig.shipper.process.start()
    return rig.finish(90)


def reloads(rig: Rig, scale: Scale) -> Truth:
    """Four reloads under load."""
    _begin(rig)
    rig.generate(_spec(scale, scale.pick(45, 10)))
    for _ in range(4):
        time.sleep(scale.pick(8, 1.2))
        rig.note("reload s", rig.shipper.reload())
    return rig.finish(60)


def reloads_in_an_outage(rig: Rig, scale: Scale) -> Truth:
    """Two reloads while OpenSearch is away."""
    _begin(rig)
    rig.generate(_spec(scale, scale.pick(45, 11)))
    time.sleep(2)
    rig.away(True)
    for _ in range(2):
        time.sleep(scale.pick(10, 2))
        rig.note("reload s", rig.shipper.reload())
    time.sleep(scale.pick(10, 2))
    rig.away(False)
    return rig.finish(90)


def split(rig: Rig, scale: Scale) -> Truth:
    """Rotations that fall between the parts of a line: the first are at the end of one file, the last in the next."""
    _begin(rig)
    rig.generate(_spec(scale, scale.pick(40, 10), split=True))
    return rig.finish(60)


def poison(rig: Rig, scale: Scale) -> Truth:
    """One line of a hundred has an object where the others have a number."""
    _begin(rig)
    rig.generate(_spec(scale, scale.pick(40, 6), mix={**MIX, "poison": 1.0}))
    return rig.finish(60)


def identical(rig: Rig, scale: Scale) -> Truth:
    """4,600 surplus copies of lines in one nanosecond, and as many in one millisecond."""
    _begin(rig)
    at = {str(number): ("copies", "copies_ms")[number % 2] for number in range(100, 1020, 10)}
    at = {number: ("copies", "copies_ms")[place % 2] for place, number in enumerate(at)}
    rig.generate(_spec(scale, scale.pick(20, 4), logs=logs(1), at=at, copies=101, rotate_size=4 * scale.rotate))
    return rig.finish(60)


def traces(rig: Rig, scale: Scale) -> Truth:
    """A third of the lines are in stack traces; some pause for less than the pipeline waits, some for longer."""
    _begin(rig)
    pauses = {"short_every": 1.5, "short": (0.1, 3.5), "long_every": scale.pick(12, 5), "long": 6.5}
    rig.generate(_spec(scale, scale.pick(60, 10), mix=dict(TRACES), **pauses))
    return rig.finish(90)


def storm(seconds: float) -> Run:
    """8 MB/s in one file that is rotated every few seconds."""

    def run(rig: Rig, scale: Scale) -> Truth:
        _begin(rig)
        every = seconds if scale.full else seconds / 2
        spec = _spec(
            scale, scale.pick(40, 9), rotate_size=0, rotate_every=every, rate=8e6, logs=logs(1), check_every=0.1
        )
        rig.generate(spec)
        return rig.finish(90)

    return run


def copied_and_truncated(rig: Rig, scale: Scale) -> Truth:
    """A file is copied and truncated while Fluent Bit is down, and then grows beyond its former size."""
    writer = rig.writer(logs(1)[0])
    writer.write(300_000)
    _begin(rig)
    rig.wait_for(writer)
    rig.shipper.process.terminate(30)
    writer.write(200_000)
    copy = kubelet.unused_name(writer.path)
    shutil.copyfile(writer.path, copy)
    writer.truncated(copy.name)
    writer.write(scale.full * 2_000_000 + 900_000)
    writer.finish()
    rig.start().wait_for_start()
    return rig.written()


def inode_reused(rig: Rig, scale: Scale) -> Truth:
    """While Fluent Bit is down a pod goes, and another one's file gets the inode of its file, and grows longer."""
    first, second = logs(2)
    old = rig.writer(first)
    old.write(300_000)
    _begin(rig)
    rig.wait_for(old)
    old.finish()
    rig.shipper.process.terminate(30)
    # File systems give a freed inode to the next file, whoever makes it: keep it, so that ours is the next.
    inode, kept = old.path.stat().st_ino, rig.folder / "kept"
    old.path.rename(kept)
    os.truncate(kept, 0)
    shutil.rmtree(old.path.parents[1])
    new = rig.writer(second, prepare=kept.rename)
    rig.note("inode reused", float(new.path.stat().st_ino == inode))
    new.write(scale.full * 2_000_000 + 900_000)
    new.finish()
    rig.start().wait_for_start()
    return rig.written()


def half_written_gzip(rig: Rig, scale: Scale) -> Truth:
    """The kubelet is killed while it gzips a file that nobody has read yet, and comes back."""
    writer = rig.writer(logs(1)[0])
    writer.write(300_000)
    _begin(rig)
    rig.wait_for(writer)
    rig.shipper.process.terminate(30)
    writer.write(scale.full * 4_000_000 + 3_000_000)
    plain = writer.rotated(kubelet.unused_name(writer.path))
    writer.write(200_000)
    kubelet.compress(plain, until=2**20)
    rig.start().wait_for_start()
    time.sleep(3)
    kubelet.compress(plain)
    writer.write(200_000)
    writer.finish()
    return rig.written()


def gzipped_while_down(rig: Rig, scale: Scale) -> Truth:
    """A file is rotated and gzipped while Fluent Bit is down: half of it was read before."""
    writer = rig.writer(logs(1)[0])
    writer.write(500_000)
    _begin(rig)
    rig.wait_for(writer)
    rig.shipper.process.terminate(30)
    writer.write(scale.full * 4_000_000 + 500_000)
    plain = writer.rotated(kubelet.unused_name(writer.path))
    writer.write(100_000)
    kubelet.compress(plain)
    rig.start().wait_for_start()
    time.sleep(1)
    writer.write(100_000)
    writer.finish()
    return rig.written()


def vanished(rig: Rig, scale: Scale) -> Truth:
    """A pod and its files go while Fluent Bit is down: what it had not read is lost, and must be counted."""
    writer = rig.writer(logs(1)[0])
    writer.write(300_000)
    _begin(rig)
    rig.wait_for(writer)
    rig.shipper.process.terminate(30)
    read = writer.written
    writer.write(scale.full * 2_000_000 + 300_000)
    time.sleep(3)
    writer.finish()
    rig.note("unread bytes", writer.written - read)
    shutil.rmtree(writer.path.parents[1])
    time.sleep(3)
    rig.start().wait_for_start()
    if rig.follower:
        log = writer.log
        wait_until(
            lambda: rig.follower and rig.follower.lost(log.namespace, log.pod, log.container), 60, "it is counted"
        )
        rig.note("counted bytes", rig.follower.lost(log.namespace, log.pod, log.container))
    return rig.written()


def request_limit(rig: Rig, scale: Scale) -> Truth:
    """The server takes no request above 10 MiB; a backlog makes large ones."""
    assert rig.sink, "OpenSearch's own limit is 100 MiB"
    rig.sink.order(limit=10 * 2**20)
    mix = {"plain": 1.0, "json": 1.0, "long": 10.0}
    rig.generate(_spec(scale, scale.pick(10, 2), rate=0, size=int(scale.pick(150e6, 40e6)), mix=mix, rotate_size=0))
    truth = rig.finish(60)
    _begin(rig)
    return truth


def long_lines(rig: Rig, scale: Scale) -> Truth:
    """Lines of 1 MiB, and of 1.5 MiB, which are cut."""
    _begin(rig)
    at = {"100": "mebi", "200": "huge", "300": "mebi", "400": "mebi", "500": "huge"}
    rig.generate(_spec(scale, scale.pick(20, 6), at=at, logs=logs(2)))
    return rig.finish(60)


def short_lives(rig: Rig, scale: Scale) -> Truth:
    """Pods that live for a second, containers that start again, and a last line without an end."""
    _begin(rig)
    pods = logs(4)
    count = int(scale.pick(30, 8))
    briefs = [
        Log(f"b{number}", pod=f"job-{number:05d}", uid=f"3f0e6f9a-5c1d-4d53-9a43-6a6c1d0f{number:04x}",
            begins=1 + number * scale.pick(1, 0.6), lives=1, removed=scale.pick(10, 5), unfinished=number % 2 == 0)
        for number in range(count)
    ]  # fmt: skip
    again = [
        Log(f"r{number}", pod="crash-x1", uid="4f0e6f9a-5c1d-4d53-9a43-6a6c1d0f0001", restart=number,
            begins=1.5 * number, lives=1.2, unfinished=number == 1)
        for number in range(4)
    ]  # fmt: skip
    rig.generate(_spec(scale, scale.pick(45, 8), logs=[*pods, *briefs, *again]))
    return rig.finish(90)


ROWS = {
    "kills": Row("five SIGKILLs", kills),
    "outage": Row("OpenSearch away for 2 min", outage),
    "stopped": Row("stopped for 23 s over two rotations", stopped),
    "reloads": Row("four reloads under load", reloads),
    "reloads-outage": Row("two reloads in an outage", reloads_in_an_outage),
    "split": Row("rotated in the middle of long lines", split),
    "poison": Row("1 % poison", poison, indexed=True),
    "identical": Row("4,600 identical lines, twice", identical),
    "traces": Row("30 % stack traces with pauses", traces),
    "storm-5": Row("8 MB/s in one file, rotated every 5 s", storm(5)),
    "storm-10": Row("8 MB/s in one file, rotated every 10 s", storm(10)),
    "truncated": Row("copied and truncated while down", copied_and_truncated),
    "inode": Row("an inode used again while down", inode_reused, reached=("inode reused",)),
    "gzip": Row("rotated and gzipped while down", gzipped_while_down),
    "half-gzip": Row("a half-written gzip", half_written_gzip),
    "vanished": Row("a file goes before it was read", vanished, reached=("unread bytes",), lossy=True),
    "limit": Row("a server that takes 10 MiB", request_limit),
    "long-lines": Row("lines of 1 and 1.5 MiB", long_lines),
    "short-lives": Row("pods of a second, restarts, unfinished lines", short_lives),
}
_LONGEST = ("short-lives", "split", "vanished", "outage", "reloads-outage", "traces")
"""What waits for a timer of half a minute or more; begun first."""
TRIED = (*_LONGEST, *(name for name in ROWS if name not in {*_LONGEST, "storm-10"}))
"""The rows that are tests too."""


@dataclass
class Result:
    """What came of a row.

    Attributes:
        score: Of the lines.
        truth: What was written.
        settled: Seconds from the last line written until the last document.
        notes: What the row has measured.
        resent: Documents that were sent again.
    """

    score: Score
    truth: Truth
    settled: float
    notes: dict[str, list[float]]
    resent: int

    def __str__(self) -> str:
        notes = "".join(
            f", {what} {' '.join(f'{value:.1f}' for value in values)}" for what, values in self.notes.items()
        )
        return (
            f"{self.score}; {self.truth.bytes / 1e6:.0f} MB, {self.truth.rotations} rotations, "
            f"all there after {self.settled:.1f} s, {self.resent:,} sent again{notes}"
        )


def measure(
    row: Row, scale: Scale, folder: Path, program: Path, *, rendered: bool = True, opensearch: str = ""
) -> Result:
    """Run a row, and count.

    Args:
        row: Which.
        scale: How long.
        folder: For everything; made, and left.
        program: fluent-bit.
        rendered: With the configuration that is rendered, else with the bare minimum.
        opensearch: Where the documents go; a sink takes them without it.
    """
    with Rig(folder, program, rendered=rendered, opensearch=opensearch, more=row.more) as rig:
        truth = row.run(rig, scale)
        began = time.monotonic()
        rig.settle(truth.documents if rendered else truth.lines, patience=row.patience)
        settled = max(0.0, rig.changed - began)
        resent = rig.sink.counts().conflicts if rig.sink else 0
        return Result(rig.score(truth), truth, settled, rig.notes, resent)
