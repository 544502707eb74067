import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import KubernetesError, KubernetesUnavailable, ResourceConflict, ResourceMissing
from sidecar.kube import connect
from sidecar.kube import lease as lease_module
from sidecar.kube.lease import TROUBLE, Elector, LeaseView
from sidecar.kube.leaserecord import Action, Observation, decide, written
from tests.support.fakes.kubernetes import FakeKubernetes, kubeconfig, listing
from tests.support.fakes.leases import Leases, ServesLeases
from tests.support.fakes.server import Exchange

COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
PATH = f"{COLLECTION}/fluent-sidecar"
DURATION, DEADLINE, RETRY = 15.0, 10.0, 2.0
POSITION = "fluent-sidecar/position"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def lease(
    holder: Any = "", *, renewed: str = "2026-01-01T00:00:00.000000Z", annotations: Any = None, **spec: Any
) -> dict[str, Any]:
    metadata = {"name": "fluent-sidecar", "namespace": "ns", "uid": "u", "resourceVersion": "7"}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata | ({"annotations": annotations} if annotations is not None else {}),
        "spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15, **spec},
    }


def leads(elector: Elector) -> bool:
    """Asked anew each time, which the type checker would not believe of a property."""
    return elector.leading


class Direct:
    """The API without HTTP; `faults` are raised by the next requests, `spend` is called with the method of each."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.faults: list[KubernetesError | None] = []
        self.asked: list[tuple[str, dict[str, str | int]]] = []
        self.spend: Callable[[str], object] = lambda _method: None

    def get(self, path: str, params: Mapping[str, str | int] | None = None, *, seconds: float) -> dict[str, Any]:
        return self._ask("GET", path, None, dict(params or {}), seconds)

    def send(self, method: str, path: str, body: Any, *, seconds: float) -> dict[str, Any]:
        return self._ask(method, path, body, {}, seconds)

    def _ask(self, method: str, path: str, body: Any, params: dict[str, str | int], seconds: float) -> dict[str, Any]:
        assert 0 < seconds <= 5
        self.asked.append((method, params))
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        result = answer_of(self.leases, method, path, body)
        self.spend(method)
        return result


def answer_of(leases: Leases, method: str, path: str, body: Any) -> dict[str, Any]:
    """The answer as `ApiServer` gives it."""
    answer = leases.answer(method, path, body)
    assert answer, path
    status, content = answer
    if status >= 300:
        raise {404: ResourceMissing, 409: ResourceConflict}.get(status, KubernetesError)(content["message"])
    return content


class Room:
    """Electors around one Lease, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.leases = Leases()
        self.api = Direct(self.leases)
        self.key = ("ns", "fluent-sidecar")

    def elector(self, identity: str = "a", **options: Any) -> Elector:
        return Elector(
            self.api,
            namespace="ns",
            name="fluent-sidecar",
            identity=identity,
            clock=lambda: self.now,
            wall=lambda: 1767322984.0 + self.now,
            **options,
        )

    def leader(self, identity: str = "a", **annotations: str) -> Elector:
        """One that leads, by a Lease that was free."""
        self.put("", annotations=annotations)
        elector = self.elector(identity)
        elector.step()
        assert leads(elector)
        self.api.asked.clear()
        return elector

    def put(self, holder: Any, **more: Any) -> None:
        self.leases.held[self.key] = lease(holder, **more)

    @property
    def stored(self) -> dict[str, Any]:
        return self.leases.held[self.key]

    @property
    def holder(self) -> str:
        return LeaseView.of(self.stored).holder

    def run(self, seconds: float, *electors: Elector, **options: Any) -> None:
        """Let these step when they want to."""
        end, due = self.now + seconds, dict.fromkeys(electors, self.now)
        while (now := min(due.values())) <= end:
            self.now = max(self.now, now)
            for elector in electors:
                if due[elector] <= self.now:
                    due[elector] = self.now + elector.step(**options)
        self.now = end

    @contextmanager
    def requests(self) -> Iterator[list[str]]:
        """The methods of the requests within."""
        before, methods = len(self.api.asked), list[str]()
        yield methods
        methods += [method for method, _ in self.api.asked[before:]]


@pytest.fixture
def room() -> Room:
    return Room()


# What a Lease says


@settings(max_examples=50, deadline=None)
@given(json_values)
def test_a_lease_of_any_shape_is_read(item: Any) -> None:
    view = LeaseView.of(item)
    assert view.holder == ""
    body = written(Action.TAKE, view, identity="a", duration=15, wall=0, annotations={"k": "v"})
    assert LeaseView.of(body).holder == "a"
    assert body["metadata"]["annotations"]["k"] == "v"


@settings(max_examples=50, deadline=None)
@given(json_values, json_values, json_values, json_values)
def test_odd_fields_are_empty(holder: Any, count: Any, annotations: Any, metadata: Any) -> None:
    item = lease(holder, leaseTransitions=count, leaseDurationSeconds=count, annotations=annotations)
    view = LeaseView.of(item)
    assert isinstance(view.holder, str)
    assert view.transitions >= 0
    assert all(isinstance(text, str) for text in view.annotations.values())
    body = written(Action.TAKE, view, identity="a", duration=15, wall=0, annotations={})
    assert LeaseView.of(body).transitions == view.transitions + 1
    assert LeaseView.of(item | {"metadata": metadata}).uid == ""


def test_a_renewal_changes_what_is_ours_alone() -> None:
    item = lease("a", leaseTransitions=3, acquireTime="2025", strategy="OldestEmulationVersion", preferredHolder="z")
    item["metadata"] |= {"labels": {"l": "1"}, "ownerReferences": [{"uid": "o"}]}
    item["metadata"]["annotations"] = {"theirs": "t", "fluent-sidecar/old": "o", "fluent-sidecar/set": "1"}
    item["more"] = {"x": None}
    changes = {"fluent-sidecar/old": None, "fluent-sidecar/set": "2", "missing": None}
    body = written(
        Action.RENEW, LeaseView.of(item), identity="a", duration=15.0, wall=1767322984.5, annotations=changes
    )
    expected = item | {
        "metadata": item["metadata"] | {"annotations": {"theirs": "t", "fluent-sidecar/set": "2"}},
        "spec": item["spec"] | {"renewTime": "2026-01-02T03:03:04.500000Z"},
    }
    assert body == expected
    assert item["metadata"]["annotations"]["fluent-sidecar/old"] == "o", "what was seen is not changed"


def test_a_take_counts_and_drops_the_trouble() -> None:
    view = LeaseView.of(lease("b", leaseTransitions=3, annotations={TROUBLE: "t", POSITION: "p"}))
    body = written(Action.TAKE, view, identity="a", duration=14.2, wall=0, annotations={})
    assert body["spec"] == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "1970-01-01T00:00:00.000000Z",
        "renewTime": "1970-01-01T00:00:00.000000Z",
        "leaseTransitions": 4,
    }
    assert body["metadata"]["annotations"] == {POSITION: "p"}


def test_a_renewal_shows_also_where_the_clock_stands_still() -> None:
    times = set()
    view = LeaseView.of(lease("a"))
    for _ in range(2):
        view = LeaseView.of(written(Action.RENEW, view, identity="a", duration=15, wall=9, annotations={}))
        times.add(view.renewed)
    assert len(times) == 2


@pytest.mark.parametrize(
    ("item", "age", "leading", "action"),
    [
        (None, float("inf"), False, Action.CREATE),
        (None, 3.9, False, Action.WAIT),
        (None, 4.0, False, Action.CREATE),
        (None, 0.0, True, Action.CREATE),
        (lease(""), 0.0, False, Action.TAKE),
        (lease(None), 0.0, False, Action.TAKE),
        ({"spec": []}, 0.0, False, Action.TAKE),
        (lease("a"), 99.0, False, Action.RENEW),
        (lease("b"), 14.9, False, Action.WAIT),
        (lease("b"), 15.0, False, Action.TAKE),
        (lease("b", leaseDurationSeconds=1), 14.9, False, Action.WAIT),
        (lease("b", leaseDurationSeconds=30), 29.9, False, Action.WAIT),
        (lease("b", leaseDurationSeconds=30), 30.0, False, Action.TAKE),
        (lease("b", leaseDurationSeconds=10**9), 60.0, False, Action.TAKE),
        (lease("b", leaseDurationSeconds="x"), 15.0, False, Action.TAKE),
        (lease("b", renewed="2999-01-01T00:00:00.000000Z"), 15.0, False, Action.TAKE),
        (lease("b", renewed="1999-01-01T00:00:00.000000Z"), 0.0, False, Action.WAIT),
    ],
)
def test_what_is_to_be_done(item: Any, age: float, leading: bool, action: Action) -> None:
    view = None if item is None else LeaseView.of(item)
    settings = {"identity": "a", "duration": DURATION, "retry": RETRY}
    asked = decide(view, age, leading=leading, take_over=lambda _: pytest.fail("there is no trouble"), **settings)  # type: ignore[arg-type]
    assert asked is action


@pytest.mark.parametrize(("willing", "action"), [(True, Action.TAKE), (False, Action.WAIT)])
def test_trouble_is_a_question(willing: bool, action: Action) -> None:
    view = LeaseView.of(lease("b", annotations={TROUBLE: ""}))
    seen: list[LeaseView] = []

    def take_over(asked: LeaseView) -> bool:
        seen.append(asked)
        return willing

    found = decide(view, 1, identity="a", leading=False, duration=DURATION, retry=RETRY, take_over=take_over)
    assert (found, seen) == (action, [view])


def test_an_observation_ages_until_the_record_changes() -> None:
    first, renewed = LeaseView.of(lease("b")), LeaseView.of(lease("b", renewed="later"))
    observation = Observation().of(first, 10.0)
    assert observation.of(first, 20.0).changed == 10.0
    assert observation.of(renewed, 20.0).changed == 20.0
    assert observation.of(None, 20.0).changed == 20.0
    assert Observation().of(None, 20.0).changed == float("-inf"), "nothing was ever seen"


# Taking part


def test_a_free_lease_is_led_at_once(room: Room) -> None:
    room.put("")
    elector = room.elector()
    assert 1.5 <= elector.step({POSITION: "5"}) <= 2
    assert leads(elector)
    assert elector.view
    assert (elector.view.holder, elector.view.transitions, elector.view.annotations) == ("a", 1, {POSITION: "5"})


def test_the_first_of_all_makes_the_lease_and_leads_at_once(room: Room) -> None:
    elector = room.elector()
    with room.requests() as methods:
        elector.step({POSITION: "5"})
    assert methods == ["GET", "POST"]
    assert room.holder == "a"
    assert room.stored["spec"]["leaseTransitions"] == 0
    assert leads(elector)


def test_who_comes_after_a_crash_leads_on_at_once_where_its_predecessor_is_surely_gone(room: Room) -> None:
    room.leader("a")
    again, other = room.elector("a", resume=True), room.elector("a")
    again.step()
    assert leads(again)
    other.step()
    assert not leads(other)


def test_a_lease_that_was_there_and_is_missing_is_made_and_led_once_nobody_else_can_lead(room: Room) -> None:
    elector = _maker_of_a_deleted_lease(room)
    room.run(DEADLINE - 0.01, elector)
    assert not leads(elector)
    room.run(0.02, elector)
    assert leads(elector)


def _maker_of_a_deleted_lease(room: Room) -> Elector:
    room.put("gone")
    elector = room.elector()
    elector.step()
    room.leases.answer("DELETE", PATH)
    elector.step()
    room.now += 4.1
    elector.step()
    assert room.holder == "a"
    return elector


def test_a_renewal_is_a_single_request(room: Room) -> None:
    elector = room.leader()
    before = room.stored["spec"]
    room.now += 2
    with room.requests() as methods:
        elector.step()
    assert methods == ["PUT"]
    assert {name for name in before if before[name] != room.stored["spec"][name]} == {"renewTime"}


def test_what_others_write_meanwhile_stays(room: Room) -> None:
    elector = room.leader()
    item = room.leases.answer("GET", PATH)[1]  # type: ignore[index]
    item["metadata"]["annotations"] = {"theirs": "1"}
    assert room.leases.answer("PUT", PATH, item)
    with room.requests() as methods:
        assert elector.step({POSITION: "5"}) < 0.3
        elector.step({POSITION: "5"})
    assert methods == ["PUT", "GET", "PUT"]
    assert room.stored["metadata"]["annotations"] == {"theirs": "1", POSITION: "5"}
    assert leads(elector)


def test_a_follower_waits_and_asks_what_is_cheap(room: Room) -> None:
    leader, follower = room.leader(), room.elector("b")
    room.run(60, leader, follower)
    assert (leads(leader), leads(follower)) == (True, False)
    assert follower.view
    assert follower.view.holder == "a"
    gets = [params for method, params in room.api.asked if method == "GET"]
    assert gets[0] == {}
    assert gets[1:] == [{"resourceVersion": "0"}] * (len(gets) - 1)
    assert 7 < len(gets) < 13, "twice while a Lease lasts: each node of a cluster has a follower"


def test_a_leader_that_is_gone_is_followed_after_the_duration(room: Room) -> None:
    leader, follower = room.leader(), room.elector("b")
    room.run(DURATION - 0.01, follower)
    assert not leads(follower)
    assert not leads(leader)
    room.run(RETRY + 0.01, follower)
    assert leads(follower)
    assert room.stored["spec"]["leaseTransitions"] == 2


def test_a_release_hands_over_within_a_retry(room: Room) -> None:
    leader, follower = room.leader(position="x"), room.elector("b")
    room.run(30, leader, follower)
    leader.release()
    assert not leads(leader)
    assert room.stored["spec"]["holderIdentity"] == ""
    assert room.stored["spec"]["leaseDurationSeconds"] == 1
    assert room.stored["metadata"]["annotations"] == {"position": "x"}
    room.run(RETRY, follower)
    assert leads(follower)


def test_trouble_hands_over_to_who_is_willing(room: Room) -> None:
    leader, follower = room.leader(), room.elector("b")
    room.run(30, leader, follower, annotations={POSITION: "5", TROUBLE: "no OpenSearch"})
    assert leads(leader), "nobody was willing"
    began = room.now
    follower.step(take_over=lambda view: view.annotations[TROUBLE] == "no OpenSearch")
    assert room.holder == "b"
    assert room.stored["spec"]["leaseTransitions"] == 2
    assert room.stored["metadata"]["annotations"] == {POSITION: "5"}
    assert leads(leader)
    assert not leads(follower), "the other can't know yet"
    leader.step()
    assert not leads(leader)
    while not leads(follower):
        room.run(0.1, follower)
    assert room.now - began <= DEADLINE + 0.2


def test_a_deleted_lease_is_made_anew_by_its_leader(room: Room) -> None:
    leader, follower = room.leader(**{POSITION: "5", "theirs": "1"}), room.elector("b")
    room.run(5, leader, follower, annotations={TROUBLE: "t"})
    room.leases.answer("DELETE", PATH)
    follower.step()
    room.run(30, leader, follower)
    assert leads(leader)
    assert room.holder == "a"
    assert room.stored["metadata"]["annotations"] == {POSITION: "5"}


def test_a_deleted_lease_whose_leader_is_gone_is_made_anew_by_another(room: Room) -> None:
    leader, follower = room.leader(), room.elector("b")
    room.run(5, leader, follower)
    room.leases.answer("DELETE", PATH)
    room.run(DURATION + RETRY, follower)
    assert leads(follower)
    assert not leads(leader)


def test_who_makes_a_deleted_lease_first_has_it(room: Room) -> None:
    leader, other = room.leader(), room.elector("b")
    other.step()
    room.leases.answer("DELETE", PATH)
    other.step()
    room.now += 4.1
    other.step()
    assert room.holder == "b"
    assert not leads(other)
    leader.step()
    assert not leads(leader)
    room.run(DEADLINE, leader, other)
    assert leads(other)


def test_leading_ends_by_itself_and_goes_on_with_a_renewal(room: Room) -> None:
    leader = room.leader()
    room.now += DEADLINE - 0.01
    assert leads(leader)
    room.now += 0.01
    assert not leads(leader)
    leader.step()
    assert leads(leader), "nobody took it"


def test_a_leader_that_was_stopped_finds_that_another_leads(room: Room) -> None:
    leader, follower = room.leader(), room.elector("b")
    room.run(20, follower)
    assert leads(follower)
    assert not leads(leader)
    with room.requests() as methods:
        leader.step()
    assert methods == ["PUT", "GET"]
    assert not leads(leader)
    assert leader.view
    assert leader.view.holder == "b"


def test_a_slow_answer_does_not_stretch_the_lead(room: Room) -> None:
    leader = room.leader()
    sent = room.now

    def four_seconds(_method: str) -> None:
        room.now += 4

    room.api.spend = four_seconds
    leader.step()
    room.now = sent + DEADLINE - 0.01
    assert leads(leader)
    room.now = sent + DEADLINE
    assert not leads(leader)


def test_a_failed_renewal_keeps_the_lead_until_its_deadline(room: Room) -> None:
    leader = room.leader()
    for _ in range(4):
        room.now += 2
        room.api.faults = [KubernetesUnavailable("down")]
        with pytest.raises(KubernetesUnavailable, match="down"):
            leader.step()
        assert leads(leader)
    room.now += 2
    assert not leads(leader)


def test_a_renewal_whose_answer_is_lost_is_found_and_repeated(room: Room) -> None:
    leader = room.leader()

    def lose(method: str) -> None:
        if method == "PUT":
            room.api.spend = lambda _: None
            raise KubernetesUnavailable("lost")

    room.api.spend = lose
    with pytest.raises(KubernetesUnavailable):
        leader.step()
    room.now += DEADLINE + 1
    with room.requests() as methods:
        leader.step()
    assert methods == ["GET", "PUT"]
    assert leads(leader)


def test_who_finds_that_it_holds_the_lease_leads_once_nobody_else_can(room: Room) -> None:
    room.put("a")
    elector = room.elector("a")
    room.run(DEADLINE - 0.01, elector)
    assert not leads(elector)
    room.run(0.02, elector)
    assert leads(elector)
    assert LeaseView.of(room.stored).transitions == 0


@pytest.mark.parametrize("spec", [None, [], "x", {"holderIdentity": 5}, {"holderIdentity": None, "strategy": "s"}])
def test_an_odd_lease_is_free(room: Room, spec: Any) -> None:
    room.put("")
    room.stored["spec"] = spec
    room.stored["metadata"]["annotations"] = None
    elector = room.elector()
    elector.step({POSITION: "5"})
    assert leads(elector)
    assert room.stored["spec"].get("strategy") == (spec.get("strategy") if isinstance(spec, dict) else None)


@pytest.mark.parametrize("missing", ["uid", "resourceVersion"])
def test_what_is_not_a_stored_object_is_never_written_over(room: Room, missing: str) -> None:
    room.put("")
    del room.stored["metadata"][missing]
    with room.requests() as methods, pytest.raises(KubernetesUnavailable, match="Lease ns/fluent-sidecar: the answer"):
        room.elector().step()
    assert methods == ["GET"]


def test_a_race_for_a_free_lease_has_one_winner(room: Room) -> None:
    room.put("")
    first, second = room.elector("a"), room.elector("b")

    def other_first(method: str) -> None:
        room.api.spend = lambda _: None
        assert method == "GET"
        second.step()

    room.api.spend = other_first
    assert first.step() < 0.3
    assert (leads(first), leads(second)) == (False, True)
    first.step()
    assert first.view
    assert first.view.holder == "b"


def test_nothing_is_released_that_is_not_ours(room: Room) -> None:
    leader, follower = room.leader(), room.elector("b")
    follower.release()
    follower.step()
    with room.requests() as methods:
        follower.release()
    assert methods == []
    assert leads(leader)


def test_what_others_may_still_lead_by_is_not_given_up_but_expires(room: Room) -> None:
    elector = _maker_of_a_deleted_lease(room)
    with room.requests() as methods:
        elector.release()
    assert methods == []
    assert room.holder == "a"


def test_a_release_that_fails_is_said_and_no_error(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    leader = room.leader()
    room.api.faults = [KubernetesUnavailable("down")]
    with caplog.at_level(logging.INFO):
        leader.release()
    assert not leads(leader)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "The Lease ns/fluent-sidecar is not given up, it will expire: down")
    ]


@pytest.mark.parametrize(
    "options",
    [{"duration": 10}, {"deadline": 15}, {"retry": 10}, {"retry": 0}, {"deadline": 1}],
    ids=str,
)
def test_times_that_can_not_work_are_refused(room: Room, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="retry < deadline < duration"):
        room.elector(**options)


def test_an_identity_is_needed(room: Room) -> None:
    with pytest.raises(ValueError, match="identity"):
        room.elector("")


# Over HTTP


class Fake(ServesLeases, FakeKubernetes):
    pass


@contextmanager
def served(folder: Path) -> Iterator[tuple[Fake, Callable[[str], Elector]]]:
    """A fake API server, and what makes electors for it."""
    with Fake(lists=[listing([], 5)]) as server:
        api = connect(kubeconfig=kubeconfig(folder, server.url))

        def elector(identity: str) -> Elector:
            return Elector(api, namespace="ns", name="fluent-sidecar", identity=identity)

        yield server, elector
        api.close()


def test_a_life_over_http(tmp_path: Path) -> None:
    with served(tmp_path) as (server, elector):
        server.leases.held["ns", "fluent-sidecar"] = lease("", annotations={"theirs": "1"})
        one, two = elector("one"), elector("two")
        one.step({POSITION: "5"})
        two.step()
        one.step({POSITION: "6"})
        assert (leads(one), leads(two)) == (True, False)
        one.release()
        two.step()
        assert (leads(one), leads(two)) == (False, True)
        assert two.view
        assert two.view.annotations == {"theirs": "1", POSITION: "6"}
        server.leases.answer("DELETE", PATH)
        two.step()
        two.step()
        assert leads(two)
    assert " ".join(request.method for request in server.requests) == "GET PUT GET PUT PUT GET PUT PUT GET GET POST"


def test_the_rights_that_are_missing_are_named(tmp_path: Path) -> None:
    with served(tmp_path) as (server, elector):
        server.leases.verbs = {"get"}
        with pytest.raises(KubernetesError, match=r"Lease ns/fluent-sidecar: .* 403 ") as caught:
            elector("one").step()
    assert caught.value.hint == "grant get, create and update on leases.coordination.k8s.io in the namespace ns"


def test_a_namespace_that_is_missing_is_named(tmp_path: Path) -> None:
    with served(tmp_path) as (server, elector):
        server.leases.namespaces = {"default"}
        with pytest.raises(KubernetesError, match=r'can\'t be made: .*namespaces "ns" not found') as caught:
            elector("one").step()
    assert "does the namespace ns exist? grant get, create" in caught.value.hint


def test_a_server_that_hangs_costs_no_more_than_the_time_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease_module, "_RELEASE_SECONDS", 0.1)
    with served(tmp_path) as (server, elector):
        server.leases.held["ns", "fluent-sidecar"] = lease("")
        one = elector("one")
        one.step()
        monkeypatch.setattr(server, "handle", Exchange.hang)
        began = time.monotonic()
        with caplog.at_level(logging.INFO, logger="sidecar"):
            one.release()
        assert time.monotonic() - began < 1
    assert "is not given up" in caplog.text


def test_the_fake_hands_on_what_is_no_lease(tmp_path: Path) -> None:
    with Fake(lists=[listing([], 5)]) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        assert api.get("/api/v1/events")["kind"] == "EventList"
        api.close()


# Whatever happens


class Crashed(Exception):  # noqa: N818 - what has happened to the node
    pass


class Node:
    """A process that takes part: its clocks, what keeps it from running, and its way to the API server."""

    def __init__(self, world: "World", number: int) -> None:
        self.world, self.number = world, number
        self.wall_shift, self.wall_rate = world.random.choice([0.0, -3600.0, 86400.0]), 1
        self.start()

    def start(self) -> None:
        """A new process, with an identity of its own."""
        world, shift = self.world, self.world.random.uniform(0, 1e6)
        self.life = world.lives = world.lives + 1
        self.next = world.now
        self.paused_until = 0.0
        self.cut = self.troubled = self.busy = False
        self.elector = Elector(
            self,
            namespace="ns",
            name="fluent-sidecar",
            identity=f"node-{self.number}-{self.life}",
            clock=lambda: world.now + shift,
            wall=lambda: 1.7e9 + self.wall_shift + self.wall_rate * world.now,
        )

    def step(self) -> None:
        self.busy, life = True, self.life
        try:
            trouble = "t" if self.troubled else None
            wait = self.elector.step({TROUBLE: trouble}, take_over=lambda _view: not self.troubled)
        except Crashed:
            return
        except KubernetesError:
            wait = 1.0
        assert life == self.life
        self.busy, self.next = False, self.world.now + wait

    def stop(self) -> None:
        """End in good order, and begin anew."""
        if self.busy or self.paused_until > self.world.now:
            return
        self.busy = True
        try:
            self.elector.release()
        except Crashed:
            return
        self.start()

    def get(self, path: str, params: Any = None, *, seconds: float) -> dict[str, Any]:
        return self._request("GET", path, params, seconds, None)

    def send(self, method: str, path: str, body: Any, *, seconds: float) -> dict[str, Any]:
        return self._request(method, path, None, seconds, body)

    def _request(self, method: str, path: str, _params: Any, seconds: float, body: Any) -> dict[str, Any]:
        """There, whatever else happens meanwhile, and back."""
        world = self.world
        fate = "cut" if self.cut else world.fate()
        self._pass(world.random.uniform(0, world.slowness))
        result: dict[str, Any] | KubernetesError = KubernetesUnavailable(fate)
        if fate == "late" and method != "GET":
            world.late.append((world.now + world.random.uniform(0, 20), method, path, body))
        elif fate in {"fine", "lost"}:
            try:
                result = answer_of(world.leases, method, path, body)
            except KubernetesError as error:
                result = error
        if fate in {"late", "lost"}:
            self._pass(seconds)
            raise KubernetesUnavailable(fate)
        self._pass(world.random.uniform(0, world.slowness))
        if isinstance(result, KubernetesError):
            raise result
        return result

    def _pass(self, seconds: float) -> None:
        """Others go on in the middle of our request."""
        life = self.life
        self.world.advance(self.world.now + seconds)
        while self.life == life and self.paused_until > self.world.now:
            self.world.advance(self.paused_until)
        if self.life != life:
            raise Crashed


Fault = tuple[float, str, int]
NODES = 3
KINDS = ("pause", "crash", "stop", "cut", "mend", "delete", "clock", "trouble", "lossy", "slow", "calm")


class World:
    """Nodes, a Lease and a time; what happens comes from `faults`, small things from `seed`."""

    def __init__(self, seed: int, faults: list[Fault], *, free: bool) -> None:
        self.random = random.Random(seed)
        self.now, self.lives, self.deleted = 0.0, 0, float("-inf")
        self.leases = Leases()
        if free:
            self.leases.held["ns", "fluent-sidecar"] = lease("")
        self.faults: list[Fault] = []
        for gap, kind, number in faults:
            self.faults.append(((self.faults[-1][0] if self.faults else 0) + gap, kind, number))
        self.late: list[tuple[float, str, str, Any]] = []
        self.loss, self.slowness = 0.0, 0.05
        self.nodes = [Node(self, number) for number in range(NODES)]

    def fate(self) -> str:
        return self.random.choice(["late", "lost", "cut"]) if self.random.random() < self.loss else "fine"

    def advance(self, until: float) -> None:
        """Let happen all that is due before `until`; it may be later then, if somebody was slow."""
        while due := self._due(until):
            moment, act = due
            self.now = max(self.now, moment)
            act()
            self.check()
        self.now = max(self.now, until)
        self.check()

    def _due(self, until: float) -> tuple[float, Callable[[], None]] | None:
        found: list[tuple[float, Callable[[], None]]] = []
        if self.faults:
            found.append((self.faults[0][0], self._fault))
        if self.late:
            self.late.sort(key=lambda write: write[0])
            found.append((self.late[0][0], self._late))
        found += [(max(node.next, node.paused_until), node.step) for node in self.nodes if not node.busy]
        soonest = min(found, key=lambda each: each[0], default=None)
        return soonest if soonest and soonest[0] <= until else None

    def _late(self) -> None:
        _, method, path, body = self.late.pop(0)
        self.leases.answer(method, path, body)

    def _fault(self) -> None:
        _, kind, number = self.faults.pop(0)
        node = self.nodes[number]
        if kind == "pause":
            node.paused_until = self.now + self.random.choice([3, 9.9, 12, 16, 40])
        elif kind == "crash":
            node.start()
            node.next = self.now + self.random.choice([0.0, 5.0, 30.0])
        elif kind == "stop":
            node.stop()
        elif kind in {"cut", "mend"}:
            node.cut = kind == "cut"
        elif kind == "delete":
            self.deleted = self.now
            self.leases.answer("DELETE", PATH)
        elif kind == "clock":
            node.wall_shift, node.wall_rate = self.random.choice([(-3600.0, 1), (0.0, 0)])
        elif kind == "trouble":
            node.troubled = not node.troubled
        else:
            self.loss, self.slowness = {"lossy": (0.5, 0.5), "slow": (0.1, 4.5), "calm": (0.0, 0.05)}[kind]

    def check(self) -> None:
        leading = [node.elector for node in self.nodes if leads(node.elector)]
        # Who comes new after a deletion can't know that somebody led: for as long as that one has, two may.
        most = 2 if self.now - self.deleted <= DEADLINE else 1
        assert len(leading) <= most, f"at {self.now}: {[elector._identity for elector in leading]}"

    def quiet(self) -> None:
        """End all that goes wrong."""
        self.late.clear()
        self.loss, self.slowness = 0.0, 0.05
        for node in self.nodes:
            node.paused_until = 0.0
            node.cut = node.troubled = False
            node.next = min(node.next, self.now + RETRY)


faults = st.lists(
    st.tuples(st.floats(0, 12), st.sampled_from(KINDS), st.integers(0, NODES - 1)), min_size=3, max_size=25
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), faults, st.booleans())
def test_at_most_one_leads_at_any_moment_and_exactly_one_when_all_is_quiet(
    seed: int, happening: list[Fault], free: bool
) -> None:
    world = World(seed, happening, free=free)
    world.advance(world.faults[-1][0])
    world.quiet()
    world.advance(world.now + 2 * DURATION)
    assert sum(leads(node.elector) for node in world.nodes) == 1
