"""What Events must survive: each row hurts while Events arrive, at full length or shortened for a test."""

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.apiserver import ApiServer
from tests.support.binaries import GoMissing, build
from tests.support.chaos.filler import Filler
from tests.support.chaos.rig import Node, Parts, Rig, Setting
from tests.support.chaos.score import Score
from tests.support.chaos.searchproxy import Mode
from tests.support.parts import API_SERVER, Missing
from tests.support.process import Process
from tests.support.waiting import wait_until

OUTAGE = "outage s"
_TOO_LONG = 5.0
"""Seconds by which a gap document may tell more than the outage that it is about."""


@dataclass(frozen=True)
class Scale:
    """How long a row's phases are.

    Attributes:
        full: Whether it is that of `make chaos`.
        rate: Writes a second.
        workers: Threads that write them.
        patience: Seconds without a new document after which no more are expected.
        linger: Seconds that a late second copy has.
    """

    full: bool
    rate: float
    workers: int
    patience: float
    linger: float

    def pick(self, full: float, short: float) -> float:
        return full if self.full else short


FULL = Scale(full=True, rate=200, workers=8, patience=120, linger=15)
SHORT = Scale(full=False, rate=50, workers=3, patience=40, linger=2)

Run = Callable[[Rig, Scale], None]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: What happens.
        run: Does it, once everything is started.
        setting: What is special about the parts.
        reached: Notes that must not be 0, lest the row has shown nothing.
        gap: Whether a gap document is expected, no longer than the noted outage; else there must be none.
        own_server: Whether it hurts the API server, which can't be another row's then.
    """

    name: str
    run: Run
    setting: Setting = field(default_factory=Setting)
    reached: tuple[str, ...] = ()
    gap: bool = False
    own_server: bool = False


def _kills(which: Callable[[Node], tuple[Process, ...]]) -> Run:
    """SIGKILLs of the leader's processes, whoever leads by then."""

    def run(rig: Rig, scale: Scale) -> None:
        victim = rig.first
        for _ in range(int(scale.pick(5, 2))):
            time.sleep(scale.pick(5, 2))
            # In the short form also one that does not lead again yet.
            victim = rig.leader() if scale.full else rig.leader_or(victim, 1)
            victim.kill(*which(victim), pause=scale.pick(1, 0.5))
            rig.note("kills", 1)
        time.sleep(scale.pick(5, 3))

    return run


sidecar_kill = _kills(lambda node: (node.sidecar,))
fluent_bit_kill = _kills(lambda node: (node.shipper,))
both_kill = _kills(lambda node: (node.sidecar, node.shipper))


def sidecar_stop(rig: Rig, scale: Scale) -> None:
    """The leader is stopped for longer than its Lease lasts: another leads by the time that it goes on."""
    time.sleep(2)
    rig.first.sidecar.send(signal.SIGSTOP)
    began = time.monotonic()
    wait_until(lambda: rig.second.leads, 60, "the other leads", interval=0.2)
    rig.note("led after s", time.monotonic() - began)
    time.sleep(max(0, scale.pick(90, 0) - (time.monotonic() - began)))
    rig.note("another leads", rig.second.leads)
    rig.first.sidecar.send(signal.SIGCONT)
    time.sleep(scale.pick(20, 3))


def sidecar_pause(rig: Rig, scale: Scale) -> None:
    """The leader is stopped for longer than a renewal is good for, but not for so long that another leads.

    Towards the end of its watch, which lasts for 50 to 70 seconds.
    """
    for _ in range(int(scale.pick(4, 1))):
        time.sleep(40)
        rig.first.sidecar.send(signal.SIGSTOP)
        time.sleep(12)
        rig.first.sidecar.send(signal.SIGCONT)
        time.sleep(2)
        rig.note("leads again", rig.first.leads)
    time.sleep(scale.pick(20, 3))


def fluent_bit_stop(rig: Rig, scale: Scale) -> None:
    """The leader's Fluent Bit is stopped for longer than the sidecar waits for it."""
    time.sleep(2)
    rig.first.shipper.send(signal.SIGSTOP)
    time.sleep(scale.pick(90, 15))
    rig.note("sent by the sidecar", rig.metric("sidecar_events_resent_total"))
    rig.first.shipper.send(signal.SIGCONT)
    time.sleep(scale.pick(20, 3))


def api_restart(rig: Rig, scale: Scale) -> None:
    """The API server is killed and started again."""
    for _ in range(int(scale.pick(3, 1))):
        time.sleep(scale.pick(10, 2))
        rig.server.restart_apiserver(kill=True)
        rig.note("restarts", 1)
    time.sleep(scale.pick(20, 5))


def compacted(rig: Rig, scale: Scale) -> None:
    """Nobody can reach the API server for a while, and what was written meanwhile is compacted away."""
    time.sleep(3)
    written, began = rig.load.ledger.written, time.monotonic()
    rig.api_proxy.refuse()
    time.sleep(scale.pick(60, 6))
    rig.server.compact()
    rig.note("written meanwhile", rig.load.ledger.written - written)
    time.sleep(1)
    rig.api_proxy.refuse(False)
    rig.leader()
    rig.note(OUTAGE, time.monotonic() - began)
    time.sleep(scale.pick(20, 3))


def opensearch_down(rig: Rig, scale: Scale) -> None:
    """OpenSearch is away."""
    time.sleep(2)
    rig.opensearch_away(True)
    time.sleep(scale.pick(600, 20))
    rig.opensearch_away(False)
    time.sleep(scale.pick(20, 3))


def _mode(mode: Mode, *notes: str, delay: tuple[float, float] = (0.0, 0.0)) -> Run:
    """OpenSearch answers in another way for a while; `delay` in seconds, of the full form."""

    def run(rig: Rig, scale: Scale) -> None:
        time.sleep(2)
        low, high = delay
        rig.order(mode, delay=(scale.pick(low, 0.4 * low), scale.pick(high, 0.3 * high)))
        time.sleep(scale.pick(60, 15))
        rig.order(Mode.PASS)
        for note in notes:
            rig.note(note, rig.done_to(note))
        time.sleep(scale.pick(20, 2))

    return run


def disk_full(rig: Rig, scale: Scale) -> None:
    """Something else fills the file system of the leader's journal."""
    time.sleep(3)
    with Filler(Path(rig.first.pipeline.layout.journal)) as filler:
        time.sleep(scale.pick(30, 8))
        rig.note("filled MB", filler.size / 1e6)
        rig.note("refused by the disk", rig.first.sidecar.output().count("No space left on device"))
    time.sleep(scale.pick(30, 5))


def node_gone(rig: Rig, scale: Scale) -> None:
    """The leader's node is lost with its journal."""
    time.sleep(scale.pick(20, 4))
    # Not searched for: the file system would be read while it goes.
    rig.first.vanish()
    began = time.monotonic()
    wait_until(lambda: rig.second.leads, 60, "the other leads", interval=0.2)
    rig.note("led after s", time.monotonic() - began)
    time.sleep(scale.pick(20, 3))


def two_leaders(rig: Rig, scale: Scale) -> None:
    """Both lead, all the time."""
    wait_until(lambda: rig.first.leads and rig.second.leads, 30, "both lead")
    time.sleep(scale.pick(60, 12))
    rig.note("leaders", rig.metric("sidecar_events_watching"))


def clock_back(rig: Rig, scale: Scale) -> None:
    """The leader's clock is set back by an hour, and stays so."""
    time.sleep(scale.pick(10, 3))
    rig.first.clock.touch()
    time.sleep(scale.pick(40, 10))
    rig.note("set back", rig.first.clock.exists())


def clock_back_and_takeover(rig: Rig, scale: Scale) -> None:
    """The leader's clock is set back by an hour; then it is killed, and another one goes on from where it was."""
    time.sleep(scale.pick(10, 3))
    rig.first.clock.touch()
    time.sleep(scale.pick(20, 5))
    rig.first.sidecar.kill()
    began = time.monotonic()
    wait_until(lambda: rig.second.leads, 60, "the other leads", interval=0.2)
    rig.note("led after s", time.monotonic() - began)
    time.sleep(scale.pick(10, 2))
    rig.first.sidecar.start()
    time.sleep(scale.pick(10, 2))


def lease_deleted(rig: Rig, scale: Scale) -> None:
    """Somebody deletes the Lease again and again."""
    for _ in range(int(scale.pick(6, 3))):
        time.sleep(5)
        rig.note("deleted", rig.delete_lease())
    time.sleep(scale.pick(20, 3))


def leader_cut_off(rig: Rig, scale: Scale) -> None:
    """The leader alone can't reach OpenSearch any more: the other has to lead, and deliver."""
    time.sleep(3)
    rig.first.proxy.refuse()
    began = time.monotonic()
    told: list[str] = []

    def taken() -> bool:
        told.extend([trouble] if (trouble := rig.trouble()) else [])
        return rig.second.leads

    # The first may think a moment longer that it leads.
    wait_until(taken, 90, "the other leads", interval=0.2)
    rig.note("led after s", time.monotonic() - began)
    rig.note("trouble told", set(told) == {"OpenSearch takes nothing"})
    there = rig.documents()
    wait_until(lambda: rig.documents() > there, 30, "events arrive again", interval=0.2)
    rig.note("delivered after s", time.monotonic() - began)
    time.sleep(scale.pick(20, 2))
    # What waits in the first one's journal finds that it is there already.
    held = rig.first.pipeline.metric("sidecar_events_journaled_total")
    rig.first.proxy.refuse(False)
    wait_until(
        lambda: rig.first.pipeline.metric("sidecar_events_confirmed_total") >= held, 60, "the first one's are confirmed"
    )
    rig.note("still led", rig.second.leads and not rig.first.leads)


ROWS = {
    "sidecar-kill": Row("the leader's sidecar killed", sidecar_kill, reached=("kills",)),
    "fluentbit-kill": Row("Fluent Bit killed", fluent_bit_kill, reached=("kills",)),
    "both-kill": Row("both killed", both_kill, reached=("kills",)),
    "sidecar-stop": Row("the leader's sidecar stopped", sidecar_stop, reached=("another leads",)),
    "sidecar-pause": Row("the leader's sidecar stopped for 12 s", sidecar_pause, reached=("leads again",)),
    "fluentbit-stop": Row("Fluent Bit stopped", fluent_bit_stop, reached=("sent by the sidecar",)),
    "api-restart": Row("the API server restarted", api_restart, reached=("restarts",), own_server=True),
    "compacted": Row(
        "no API server, then compacted (410)", compacted, reached=("written meanwhile",), gap=True, own_server=True
    ),
    "opensearch-down": Row("OpenSearch down", opensearch_down),
    "opensearch-429": Row("429 for half of the items", _mode(Mode.BUSY, "429 Fluent Bit"), reached=("429 Fluent Bit",)),
    "opensearch-half": Row(
        "200 with half of the items failed", _mode(Mode.HALF, "503 Fluent Bit"), reached=("503 Fluent Bit",)
    ),
    "opensearch-slow": Row(
        "slow answers",
        _mode(Mode.SLOW, "slow Fluent Bit", "slow sidecar", delay=(5, 20)),
        reached=("slow Fluent Bit", "slow sidecar"),
    ),
    "opensearch-cut": Row(
        "answers cut off", _mode(Mode.CUT, "cut Fluent Bit", "cut sidecar"), reached=("cut Fluent Bit", "cut sidecar")
    ),
    "disk-full": Row("the journal's disk full", disk_full, Setting(tmpfs=True), reached=("refused by the disk",)),
    "node-gone": Row("the leader's node gone with its journal", node_gone),
    "two-leaders": Row("two leaders", two_leaders, Setting(leases=("-a", "-b")), reached=("leaders",)),
    "clock-back": Row("the clock set back by an hour", clock_back, Setting(shifted=True), reached=("set back",)),
    "clock-back-takeover": Row(
        "the clock set back by an hour, then a takeover", clock_back_and_takeover, Setting(shifted=True)
    ),
    "lease-deleted": Row("the Lease deleted again and again", lease_deleted, reached=("deleted",)),
    "leader-cut-off": Row(
        "only the leader can't reach OpenSearch", leader_cut_off, reached=("trouble told", "still led")
    ),
}


@dataclass(frozen=True)
class Result:
    """What came of a row.

    Attributes:
        row: Which.
        score: Of the versions.
        seconds: From the start of the load to the score.
        settled: Seconds from the end of the fault until nothing was missing.
        notes: What the row has measured.
        wrong: What is not as it must be; empty for a good row.
        logs: The ends of all logs, where something is wrong.
    """

    row: Row
    score: Score
    seconds: float
    settled: float
    notes: dict[str, list[float]]
    wrong: tuple[str, ...]
    logs: str = ""

    def __str__(self) -> str:
        notes = "".join(f", {what} {' '.join(f'{value:g}' for value in values)}" for what, values in self.notes.items())
        return f"{self.score}; {self.seconds:.0f} s, settled in {self.settled:.1f} s{notes}"

    def details(self) -> str:
        """Everything, for whoever has to find out."""
        return "\n".join([*self.wrong, str(self), self.score.details(), self.logs])


def measure(row: Row, scale: Scale, folder: Path, parts: Parts) -> Result:
    """Run a row, and count.

    Args:
        row: Which.
        scale: How long.
        folder: For everything; made, and left.
        parts: What it runs against; the API server only where the row needs none of its own.

    Raises:
        Missing: What the row needs can't be had here.
    """
    with Rig(folder, parts, rate=scale.rate, workers=scale.workers, setting=row.setting) as rig:
        began = time.monotonic()
        try:
            rig.start()
            row.run(rig, scale)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{rig.logs()}") from error
        hurt = time.monotonic()
        score = rig.settle(scale.patience, scale.linger)
        now = time.monotonic()
        wrong = tuple(_wrong(row, rig, score))
        logs = rig.logs() if wrong else ""
        return Result(row, score, now - began, now - hurt - scale.linger, rig.notes, wrong, logs)


def _wrong(row: Row, rig: Rig, score: Score) -> list[str]:
    found = rig.complaints()
    if not score.perfect:
        found.append("something is missing, twice or unknown")
    if bool(score.gaps) != row.gap:
        found.append(f"{len(score.gaps)} gap documents, where {'some are' if row.gap else 'none is'} expected")
    longest = max(rig.notes.get(OUTAGE, [0.0])) + _TOO_LONG
    found += [f"{gap} is longer than {longest:.0f} s" for gap in score.gaps if gap.end - gap.start > longest]
    for note in row.reached:
        if not all(rig.notes.get(note, [0])):
            found.append(f"{note}: {rig.notes.get(note)}; the row did not do what it says")
    if score.owed + score.in_gap < 100:
        found.append("too little was written to show anything")
    return found


def own_server(stack: ExitStack, folder: Path) -> ApiServer:
    """An API server for one row, which ends with the stack.

    Raises:
        Missing: It can't be had here.
    """
    try:
        binaries = build(lambda _doing: None)
    except GoMissing:
        raise Missing(API_SERVER, "no go") from None
    return stack.enter_context(ApiServer(binaries, folder))
