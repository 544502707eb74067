"""How checks are run: none hides the next, none takes long, and what needs another one waits for it."""

import threading
import time

from sidecar.doctor.finding import Finding, State, fail, ok
from sidecar.doctor.run import Area, Check, examine
from sidecar.errors import SidecarError


def states(areas: list[Area], seconds: float = 5.0) -> dict[str, dict[str, State]]:
    return {title: {one.name: one.state for one in found} for title, found in examine(areas, seconds=seconds)}


def good(name: str) -> Check:
    return Check(name, lambda: ok(name, "well"))


def bad(name: str, *, gate: bool = False) -> Check:
    return Check(name, lambda: fail(name, "not well", "mend it"), gate=gate)


def test_areas_come_in_order_and_a_failure_hides_nothing() -> None:
    found = states([Area("a", lambda: [bad("one"), good("two")]), Area("b", lambda: [good("three")])])

    assert list(found) == ["a", "b"]
    assert found["a"] == {"one": State.FAIL, "two": State.OK}


def test_what_is_behind_a_closed_gate_is_not_looked_at() -> None:
    looked: list[str] = []

    def look() -> Finding:
        looked.append("two")
        return ok("two", "well")

    [(_, found)] = examine([Area("a", lambda: [bad("one", gate=True), Check("two", look)])])

    assert [one.state for one in found] == [State.FAIL, State.SKIP]
    assert found[1].text == "not looked at, for want of: one"
    assert looked == []


def test_an_area_waits_for_the_one_that_it_comes_after() -> None:
    order: list[str] = []
    begun = threading.Event()

    def slow() -> Finding:
        begun.wait(0.1)  # nobody sets it: the other one has all the time to be too early
        order.append("a")
        return ok("slow", "")

    def then() -> Finding:
        order.append("b")
        begun.set()
        return ok("then", "")

    areas = [Area("a", lambda: [Check("slow", slow)]), Area("b", lambda: [Check("then", then)], after="a")]
    list(examine(areas))

    assert order == ["a", "b"]


def test_an_area_after_a_closed_gate_is_one_line() -> None:
    areas = [
        Area("Server", lambda: [bad("connection", gate=True)]),
        Area("In place", lambda: [good("x"), good("y")], after="Server"),
        Area("Documents", lambda: [good("z")], after="In place"),
    ]

    found = dict(examine(areas))

    for title in ("In place", "Documents"):
        [one] = found[title]
        assert (one.name, one.state, one.text) == (title.lower(), State.SKIP, "not looked at, for want of: connection")


def test_what_hangs_is_left_behind() -> None:
    forever = threading.Event()
    stuck = Check("stuck", lambda: (forever.wait(30), ok("stuck", ""))[1], slow="is it awake?")
    began = time.monotonic()

    [(_, found)] = examine([Area("a", lambda: [stuck, good("next")])], seconds=0.1)

    assert time.monotonic() - began < 5
    assert found[0] == Finding("stuck", State.FAIL, "no answer within 0.1 s", "is it awake?")
    assert found[1].state is State.OK
    forever.set()


def test_an_error_of_the_project_is_what_was_found() -> None:
    def look() -> Finding:
        raise SidecarError("it is away", hint="bring it back")

    [(_, [found])] = examine([Area("a", lambda: [Check("link", look)])])

    assert found == fail("link", "it is away", "bring it back")


def test_an_error_before_the_first_check_is_told_too() -> None:
    def checks() -> list[Check]:
        raise SidecarError("it is away", hint="bring it back")

    [(_, [found])] = examine([Area("A b", checks)])

    assert found == fail("a b", "it is away", "bring it back")


def test_a_bug_in_a_check_takes_no_other_along() -> None:
    def look() -> Finding:
        raise KeyError("s3cret")

    [(_, found)] = examine([Area("a", lambda: [Check("link", look), good("next")])])

    assert found[0].text == "the check itself failed: KeyError"
    assert found[1].state is State.OK


def test_a_check_that_may_take_longer_is_waited_for() -> None:
    over = threading.Event()

    def slow() -> Finding:
        over.wait(0.2)  # nobody sets it
        return ok("slow", "well")

    checks = [Check("slow", slow, seconds=30.0), Check("late", slow, seconds=0.01)]
    found = states([Area("a", lambda: checks)], seconds=0.01)

    assert found["a"] == {"slow": State.OK, "late": State.FAIL}
