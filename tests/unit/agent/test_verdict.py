"""What became of a reload, by what Fluent Bit showed."""

import pytest

from sidecar.agent.fluentbit import Glimpse
from sidecar.agent.verdict import GONE_SECONDS, LONGEST_SECONDS, LOST_SECONDS, PATIENCE_SECONDS, Judge, Verdict

EXPECTED = frozenset({"input events", "output events"})
CLOSED, SILENT = Glimpse(listening=False), Glimpse(listening=True)


def count(number: int) -> Glimpse:
    return Glimpse(listening=True, count=number)


def judged(
    *looks: tuple[float, Glimpse, frozenset[str] | None], before: int = 3, idle: bool = True
) -> list[Verdict | None]:
    """The verdict after each look."""
    judge = Judge(before, EXPECTED, 0.0)
    return [judge.take(now, seen, lambda plugins=plugins: plugins, lambda: idle) for now, seen, plugins in looks]  # type: ignore[misc]


def test_a_reload_that_works() -> None:
    looks = [
        (0.1, count(3), None),
        (0.6, CLOSED, None),
        (0.7, count(4), None),
        (1.7, count(4), EXPECTED | {"filter x"}),
    ]
    assert judged(*looks) == [None, None, None, Verdict.DONE]


def test_a_reload_whose_closed_port_nobody_saw() -> None:
    assert judged((0.1, count(3), None), (0.2, count(4), EXPECTED)) == [None, Verdict.DONE]


def test_one_that_is_refused() -> None:
    assert judged((1, count(3), None), (PATIENCE_SECONDS, count(3), None)) == [None, Verdict.REFUSED]


def test_one_that_takes_its_time() -> None:
    # Requests that it waits for may hang for half a minute.
    looks = [(now, count(3), None) for now in (1, 10, 30, LONGEST_SECONDS - 1)]
    assert judged(*looks, idle=False) == [None] * 4
    assert judged(*looks, (LONGEST_SECONDS, count(3), None), idle=False)[-1] is Verdict.SILENT
    assert judged(*looks, (LONGEST_SECONDS, count(4), EXPECTED), idle=False)[-1] is Verdict.DONE


def test_it_is_not_asked_at_every_look() -> None:
    judge, asked = Judge(3, EXPECTED, 0.0), []

    def idle() -> bool:
        asked.append(True)
        return False

    for tenth in range(100):
        judge.take(tenth / 10, count(3), lambda: None, idle)
    assert len(asked) == 3


@pytest.mark.parametrize("before", [0, 3])
def test_a_new_process_counts_from_0(before: int) -> None:
    assert judged((1, CLOSED, None), (3, count(0), EXPECTED), before=before) == [None, Verdict.DIED]


def test_a_new_process_that_was_there_before_anybody_saw_the_end_of_the_other() -> None:
    assert judged((1, count(0), EXPECTED)) == [Verdict.DIED]


def test_a_port_that_stays_closed() -> None:
    assert judged((1, CLOSED, None), (LOST_SECONDS, CLOSED, None), (1 + LOST_SECONDS, CLOSED, None)) == [
        None,
        None,
        Verdict.DIED,
    ]


def test_when_it_seems_to_be_ending() -> None:
    judge = Judge(0, EXPECTED, 0.0)
    judge.take(1, CLOSED, lambda: None, lambda: False)
    assert not judge.gone(1 + GONE_SECONDS / 2)
    assert judge.gone(1 + GONE_SECONDS)
    judge.take(2, count(1), lambda: None, lambda: False)
    assert not judge.gone(9)


def test_one_that_runs_without_a_plugin() -> None:
    judge = Judge(0, EXPECTED, 0.0)
    verdicts = [judge.take(now, count(1), lambda: frozenset({"input events"}), lambda: False) for now in (1, 2, 4)]
    assert verdicts == [None, None, Verdict.BROKEN]
    assert judge.missing == {"output events"}


def test_a_plugin_that_comes_late() -> None:
    assert judged((1, count(4), frozenset()), (2, count(4), EXPECTED)) == [None, Verdict.DONE]


def test_one_that_does_not_say_which_plugins_run() -> None:
    assert judged((1, count(4), None), (1 + LONGEST_SECONDS, count(4), None)) == [None, Verdict.SILENT]


def test_one_that_is_stopped() -> None:
    assert judged((1, SILENT, None), (LONGEST_SECONDS, SILENT, None)) == [None, Verdict.SILENT]


def test_only_done_and_absent_are_well() -> None:
    assert [verdict for verdict in Verdict if verdict.well] == [Verdict.DONE, Verdict.ABSENT]
