"""Leading: terms that begin and end with the Lease, and what is written on it."""

import logging
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from prometheus_client import CollectorRegistry

from sidecar.agent import leader as leader_module
from sidecar.agent.leader import POSITION, Leader, identity, position_of
from sidecar.errors import JournalError, KubernetesUnavailable, ResourceConflict, ResourceMissing
from sidecar.events.following import Position
from sidecar.kube.lease import TROUBLE, Elector, LeaseView
from tests.support.fakes.leases import Leases

NOBODY = LeaseView.of({})


def view(holder: str = "other", **annotations: str) -> LeaseView:
    names = {"position": POSITION, "trouble": TROUBLE}
    written = {names[name]: text for name, text in annotations.items()}
    return LeaseView.of({"metadata": {"annotations": written}, "spec": {"holderIdentity": holder}})


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(leader_module, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


class Term:
    """A term of leading; tells the history of its beginning and end."""

    def __init__(self, history: list[str], before: Position | None) -> None:
        self._history = history
        history.append(f"begin {before.resource_version if before else None}")

    def end(self) -> None:
        self._history.append("end")


class Scene:
    """A leader, what it is told, and what it did, in order.

    Attributes:
        history: Beginnings and ends of terms, and the release of the Lease.
        confirmed, trouble, able: What it is told.
    """

    def __init__(self, elector: Any) -> None:
        self.history: list[str] = []
        self.released: dict[str, str | None] = {}
        self.confirmed: Position | None = None
        self.trouble = ""
        self.able: Callable[[], bool] = lambda: True
        self.registry = CollectorRegistry()
        self.stopping = threading.Event()
        self.leader = Leader(
            cast("Elector", elector),
            begin=lambda before: Term(self.history, before),
            confirmed=lambda: self.confirmed,
            trouble=lambda: self.trouble,
            able=self._able,
            registry=self.registry,
            stopping=self.stopping,
        )

    def _able(self) -> bool:
        return self.able()

    def turn(self) -> float:
        """One turn of `run`, without the wait."""
        delay = self.leader._step()
        self.leader._begin_or_end()
        return delay

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)


class Scripted:
    """An elector that does as it is told; `written` has the annotations of each step."""

    def __init__(self) -> None:
        self.leading = False
        self.view: LeaseView | None = NOBODY
        self.error: Exception | None = None
        self.written: list[Mapping[str, str | None]] = []
        self.asks: list[bool] = []
        self.steps: list[Callable[[], object]] = []
        self.scene = Scene(self)

    def step(self, annotations: Mapping[str, str | None], *, take_over: Callable[[LeaseView], bool]) -> float:
        self.written.append(annotations)
        if self.steps:
            self.steps.pop(0)()
        if self.error:
            raise self.error
        if self.view and not self.leading and TROUBLE in self.view.annotations:
            self.asks.append(take_over(self.view))
        return 0.25

    def release(self, annotations: Mapping[str, str | None]) -> None:
        self.scene.history.append("release")
        self.scene.released = dict(annotations)

    def lead(self, *, leading: bool = True) -> None:
        self.leading = leading


# --- terms


def test_a_term_begins_with_the_lease_and_ends_without_it() -> None:
    elector = Scripted()
    scene = elector.scene
    scene.turn()
    assert scene.history == []
    elector.view, elector.leading = view("me", position='{"resourceVersion":"41","time":9.5}'), True
    scene.turn()
    scene.turn()
    assert scene.history == ["begin 41"]
    assert scene.leader.leading
    elector.leading, elector.view = False, view("other")
    scene.turn()
    scene.turn()
    assert scene.history == ["begin 41", "end"]
    elector.leading, elector.view = True, view("me", position='{"resourceVersion":"77","time":9.5}')
    scene.turn()
    assert scene.history == ["begin 41", "end", "begin 77"], "from where the other was"
    assert scene.metric("sidecar_leader_terms_total") == 2
    assert scene.metric("sidecar_leader") == 1


def test_run_ends_the_term_and_then_gives_the_lease_up() -> None:
    elector = Scripted()
    elector.steps = [elector.lead, elector.scene.stopping.set]
    elector.scene.leader.run()
    assert elector.scene.history == ["begin None", "end", "release"]


def test_the_lease_is_given_up_with_the_last_position() -> None:
    elector = Scripted()
    scene = elector.scene
    elector.lead()
    scene.turn()
    scene.confirmed = Position("77", 5.0)
    scene.stopping.set()
    scene.leader.run()
    assert orjson.loads(scene.released[POSITION] or "")["resourceVersion"] == "77"


def test_run_gives_the_lease_up_also_where_it_never_led() -> None:
    elector = Scripted()
    elector.steps = [elector.scene.stopping.set]
    elector.scene.leader.run()
    assert elector.scene.history == ["release"]


def test_run_gives_the_lease_up_where_a_bug_ends_it() -> None:
    elector = Scripted()
    elector.steps = [elector.lead]
    elector.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        elector.scene.leader.run()
    assert elector.scene.history == ["release"]


def test_run_waits_as_long_as_the_elector_says(monkeypatch: pytest.MonkeyPatch) -> None:
    elector = Scripted()
    waits: list[float | None] = []

    def wait(seconds: float | None = None) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            elector.scene.stopping.set()
        return False

    monkeypatch.setattr(elector.scene.stopping, "wait", wait)
    elector.scene.leader.run()
    assert waits == [0.25] * 3


def test_a_lease_that_can_not_be_had_ends_no_term_before_its_time(clock: Clock) -> None:
    elector = Scripted()
    elector.leading = True
    elector.scene.turn()
    elector.error = KubernetesUnavailable("away")
    assert 0 < elector.scene.turn() <= 2
    assert elector.scene.history == ["begin None"]
    elector.leading = False  # the deadline has passed
    elector.scene.turn()
    assert elector.scene.history == ["begin None", "end"]
    assert elector.scene.metric("sidecar_leader_errors_total") == 2
    assert clock.now == 0


def test_failures_are_told_once_a_minute_and_anew_after_a_success(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    elector = Scripted()
    elector.error = KubernetesUnavailable("away")

    def told(until: float) -> int:
        while clock.now < until:
            elector.scene.turn()
            clock.now += 1
        count = len(caplog.messages)
        caplog.clear()
        return count

    assert told(59) == 1
    assert told(125) == 2
    elector.error = None
    elector.scene.turn()
    elector.error = KubernetesUnavailable("away")
    assert told(127) == 1


def test_who_watches_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    elector = Scripted()
    for holder in ("a", "a", "b", "b", "", ""):
        elector.view = view(holder)
        elector.scene.turn()
    assert caplog.messages == ["a watches the events", "b watches the events", "nobody watches the events"]


# --- annotations


def test_who_does_not_lead_yet_takes_the_trouble_off_and_leaves_the_position() -> None:
    elector = Scripted()
    elector.scene.confirmed, elector.scene.trouble = Position("5", 1.0), "much"
    elector.scene.turn()
    assert elector.written == [{TROUBLE: None}]


def test_a_leader_writes_up_to_where_all_is_confirmed_as_the_next_one_reads_it() -> None:
    elector = Scripted()
    elector.leading = True
    elector.scene.turn()
    elector.scene.turn()
    assert elector.written[1] == {TROUBLE: None}, "nothing is confirmed yet: what the last one wrote stays"
    elector.scene.confirmed = Position("4711", 1_795_000_000.123456)
    elector.scene.turn()
    text = elector.written[2][POSITION]
    assert text is not None
    assert orjson.loads(text) == {"resourceVersion": "4711", "time": 1_795_000_000.123}
    assert position_of(view(position=text)) == Position("4711", 1_795_000_000.123)


def test_a_leader_in_trouble_says_so_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    elector = Scripted()
    elector.leading = True
    for trouble in ("", "", "OpenSearch takes nothing", "OpenSearch takes nothing", "", ""):
        elector.scene.trouble = trouble
        elector.scene.turn()
    told = "OpenSearch takes nothing"
    assert [annotations[TROUBLE] for annotations in elector.written] == [None, None, told, told, None, None]
    assert caplog.messages == [f"can't deliver events, another may take over: {told}", "can deliver again"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "5", '"x"', "{}", '{"resourceVersion":"5"}', '{"time":5}',
     '{"resourceVersion":"5","time":null}', '{"resourceVersion":"5","time":"soon"}',
     '{"resourceVersion":"5","time":[]}'],
)  # fmt: skip
def test_a_position_that_can_not_be_read_is_none(text: str) -> None:
    assert position_of(view(position=text)) is None
    elector = Scripted()
    elector.leading, elector.view = True, view("me", position=text)
    elector.scene.turn()
    assert elector.scene.history == ["begin None"]


def test_no_lease_and_no_annotation_are_no_position() -> None:
    assert position_of(None) is None
    assert position_of(view()) is None


# --- taking over


class Waiting:
    """A follower whose leader is in trouble; `asked` has when it was asked, `took` when it took the Lease over."""

    def __init__(self, clock: Clock, able: Callable[[float], bool]) -> None:
        self.clock = clock
        self.elector = Scripted()
        self.elector.view = view("other", trouble="no disk")
        self.elector.scene.able = self._able
        self._answer = able
        self.asked: list[float] = []
        self.took: float | None = None

    def _able(self) -> bool:
        self.asked.append(self.clock.now)
        return self._answer(self.clock.now)

    def spend(self, seconds: int) -> None:
        """A turn each second, until it takes over."""
        for _ in range(seconds):
            self.elector.scene.turn()
            if self.elector.asks and self.elector.asks[-1]:
                self.took = self.clock.now
                return
            self.clock.now += 1


def test_whether_it_could_deliver_is_asked_every_5_seconds_at_most_and_must_hold_for_15(clock: Clock) -> None:
    follower = Waiting(clock, lambda now: now >= 5)
    follower.spend(60)
    assert follower.asked == [0, 5, 10, 15, 20]
    assert follower.took == 20


def test_who_could_not_deliver_in_between_begins_anew(clock: Clock) -> None:
    follower = Waiting(clock, lambda now: now != 10)
    follower.spend(60)
    assert follower.took == 30


def test_who_never_could_deliver_never_takes_over(clock: Clock) -> None:
    follower = Waiting(clock, lambda now: now % 20 != 0)
    follower.spend(300)
    assert follower.took is None
    assert len(follower.asked) == 60


def test_who_was_not_needed_for_long_begins_anew(clock: Clock) -> None:
    follower = Waiting(clock, lambda _now: True)
    follower.spend(11)
    follower.elector.view = view("other")
    follower.spend(40)
    follower.elector.view = view("other", trouble="no disk")
    began = clock.now
    follower.spend(60)
    assert follower.took == began + 15


def test_whether_it_could_deliver_is_not_asked_while_the_leader_does(clock: Clock) -> None:
    elector = Scripted()
    elector.view = view("other")
    elector.scene.able = lambda: pytest.fail("asked")
    for _ in range(30):
        elector.scene.turn()
        clock.now += 1


# --- around one Lease


class Direct:
    """The API without HTTP; `away` is a set of identities that can't reach it."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.away = False

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, seconds: float) -> dict[str, Any]:
        return self.send("GET", path, params, seconds=seconds)

    def send(self, method: str, path: str, body: Any, *, seconds: float) -> dict[str, Any]:
        if self.away:
            raise KubernetesUnavailable(f"away for {seconds} s")
        answer = self.leases.answer(method, path, body)
        assert answer
        status, content = answer
        if status >= 300:
            raise {404: ResourceMissing, 409: ResourceConflict}[status](content["message"])
        return content


class Room:
    """Sidecars around one Lease, with one clock."""

    def __init__(self, clock: Clock, count: int) -> None:
        self.clock = clock
        self.leases = Leases()
        self.sidecars = [self.join(str(number)) for number in range(count)]

    def join(self, name: str) -> tuple[Direct, Scene]:
        api = Direct(self.leases)
        elector = Elector(
            api, namespace="ns", name="x", identity=f"node_{name}", clock=self.clock.monotonic, resume=True
        )
        return api, Scene(elector)

    def leaders(self) -> list[int]:
        return [number for number, (_, scene) in enumerate(self.sidecars) if scene.leader.leading]

    def run(self, seconds: float) -> Iterator[float]:
        """Each second every sidecar has its turn."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            for _, scene in self.sidecars:
                scene.turn()
                assert len(self.leaders()) <= 1
            yield self.clock.now
            self.clock.now += 1

    def until(self, condition: Callable[[], bool], seconds: float) -> float:
        began = self.clock.now
        for _ in self.run(seconds):
            if condition():
                return self.clock.now - began
        pytest.fail(f"not within {seconds} s")


def test_one_of_several_leads_and_who_stops_hands_over_with_the_position(clock: Clock) -> None:
    room = Room(clock, 3)
    room.until(lambda: len(room.leaders()) == 1, 20)
    (first,) = room.leaders()
    _, scene = room.sidecars[first]
    scene.confirmed = Position("41", 1.0)
    for _ in room.run(5):
        assert room.leaders() == [first]
    scene.stopping.set()
    scene.leader.run()
    assert scene.history == ["begin None", "end"]
    del room.sidecars[first]
    assert room.until(lambda: bool(room.leaders()), 20) <= 10
    (second,) = room.leaders()
    assert room.sidecars[second][1].history == ["begin 41"]


def test_one_in_trouble_is_followed_by_one_that_could_and_by_nobody_else(clock: Clock) -> None:
    room = Room(clock, 3)
    room.until(lambda: len(room.leaders()) == 1, 20)
    (first,) = room.leaders()
    for _, scene in room.sidecars:
        scene.able = lambda: False
    room.sidecars[first][1].trouble = "no disk"
    for _ in room.run(60):
        assert room.leaders() == [first], "nobody could do better"
    other = (first + 1) % 3
    room.sidecars[other][1].able = lambda: True
    # Whoever leads for sure goes on until its deadline, and the new one waits for that.
    assert room.until(lambda: room.leaders() == [other], 60) <= 45
    assert room.sidecars[first][1].history == ["begin None", "end"]
    assert TROUBLE not in room.leases.held["ns", "x"]["metadata"]["annotations"]


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_terms_are_as_the_lease_says_and_somebody_leads_in_the_end(clock: Clock, seed: int) -> None:
    chance, room = random.Random(seed), Room(clock, 3)
    for _ in room.run(300):
        api, scene = chance.choice(room.sidecars)
        api.away = chance.random() < 0.3
        scene.trouble = chance.choice(["", "", "", "no disk"])
        scene.able = lambda: chance.random() < 0.5
        if chance.random() < 0.02:
            room.leases.answer("DELETE", "/apis/coordination.k8s.io/v1/namespaces/ns/leases/x")
        for _, each in room.sidecars:
            running = len(each.history) % 2 == 1
            assert running == (each.leader._term is not None)
            assert all(word.startswith("begin") == (place % 2 == 0) for place, word in enumerate(each.history))
    for api, scene in room.sidecars:
        api.away, scene.trouble = False, ""
    room.until(lambda: len(room.leaders()) == 1, 60)


# --- identity


def test_a_folder_has_one_identity_for_good_and_another_folder_another(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = identity(tmp_path / "a", {"NODE_NAME": "node-1"})
    assert identity(tmp_path / "a", {"NODE_NAME": "node-1"}) == first
    assert first.startswith("node-1_")
    assert identity(tmp_path / "b", {"NODE_NAME": "node-1"}) != first
    assert identity(tmp_path / "a", {"NODE_NAME": "node-2"}) != first, "a volume that moved to another node"


@pytest.mark.parametrize("text", ["", "x", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n" + "1" * 32])
def test_a_damaged_identity_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity").write_text(text)
    made = identity(tmp_path, {"NODE_NAME": "n"})
    assert made not in {f"n_{text}", "n_"}
    assert identity(tmp_path, {"NODE_NAME": "n"}) == made


def test_without_a_node_name_the_host_stands_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 300)
    assert identity(tmp_path, {}).startswith("h" * 200 + "_")
    assert len(identity(tmp_path, {})) <= 253


def test_a_folder_that_can_not_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"identity: .*paths\.state"):
        identity(tmp_path / "file", {})
    (tmp_path / "identity").mkdir()
    with pytest.raises(JournalError, match=r"identity: .*paths\.state"):
        identity(tmp_path, {})
