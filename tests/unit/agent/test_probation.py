"""Whether Fluent Bit starts, and stays, with what it has not run with before."""

from sidecar.agent.fluentbit import Glimpse
from sidecar.agent.probation import STEADY_SECONDS, Probation

UP, DOWN, BUSY = Glimpse(listening=True, count=0), Glimpse(listening=False), Glimpse(listening=True)


def taken(*looks: tuple[float, Glimpse, bool]) -> Probation:
    probation = Probation()
    for now, seen, read in looks:
        probation.take(now, seen, read=read)
    return probation


def test_one_that_comes_up_and_stays() -> None:
    looks = [(0, DOWN, False), (1, DOWN, True), (1.2, UP, False), (1.2 + STEADY_SECONDS, UP, False)]
    assert taken(*looks[:-1]).well is None
    assert taken(*looks).well is True


def test_one_that_was_not_started_yet_is_waited_for() -> None:
    assert taken((0, DOWN, False), (3600, DOWN, False)).well is None


def test_two_starts_in_vain() -> None:
    looks = [(1, DOWN, True), (1.3, DOWN, True), (2.5, DOWN, True), (3, DOWN, False)]
    assert taken(*looks).well is None
    failed = taken(*looks, (6, DOWN, False))
    assert failed.well is False
    assert failed.reason == "Fluent Bit was started 2 times and never came up"


def test_a_file_that_is_read_twice_at_a_start() -> None:
    assert taken((1, DOWN, True), (1.2, DOWN, True), (20, DOWN, False)).well is None


def test_one_start_that_never_comes_up() -> None:
    failed = taken((1, DOWN, True), (91, DOWN, False))
    assert (failed.well, failed.reason) == (False, "Fluent Bit did not come up within 90 s of its start")


def test_one_that_comes_up_and_ends_twice() -> None:
    once = [(1.0, UP, True), (2.0, DOWN, False), (3.1, DOWN, False)]
    again = [(13.0, UP, True), (14.0, DOWN, False), (15.1, DOWN, False)]
    assert taken(*once).well is None
    failed = taken(*once, *again)
    assert (failed.well, failed.reason) == (False, "Fluent Bit ended 2 times within seconds of its start")


def test_a_reload_is_no_end() -> None:
    looks = [(1.0, UP, True), (2.0, UP, True), (2.1, DOWN, False), (2.2, UP, False), (6.0, UP, False)]
    assert taken(*looks).well is True


def test_a_busy_one_is_neither_up_nor_down() -> None:
    assert taken((1, BUSY, True), (90, BUSY, False)).well is None


def test_what_is_clear_stays_so() -> None:
    probation = taken((0, UP, False), (STEADY_SECONDS, UP, False), (7, DOWN, True), (60, DOWN, True), (90, DOWN, False))
    assert probation.well is True
