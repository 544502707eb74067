import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.pacing import Breaker, Patience, TokenBucket


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    assert [bucket.take(100, within=1) for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert bucket.take(100, within=0.25) is None
    assert bucket.take(100.1, within=0.25) == pytest.approx(0.2)
    assert bucket.take(200, within=0) == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), max_size=40))
def test_never_more_than_the_burst_and_the_rate(asked: list[tuple[float, float]]) -> None:
    bucket, now, sent = TokenBucket(rate=5, burst=4), 50.0, []
    for pause, within in asked:
        now += pause
        if (delay := bucket.take(now, within=within)) is not None:
            assert delay <= within
            sent.append(now + delay)
    for first, start in enumerate(sent):
        for number, end in enumerate(sent[first:], 1):
            assert number <= 4 + (end - start) * 5 + 1e-6


def test_what_can_wait_leaves_half_of_the_burst() -> None:
    bucket = TokenBucket(rate=1, burst=4)
    assert bucket.spare(10)
    bucket.take(10, within=0)
    bucket.take(10, within=0)
    assert not bucket.spare(10)
    assert bucket.spare(11)


def test_failures_in_a_row_stop_the_asking_and_one_more_is_enough_after_that() -> None:
    breaker = Breaker(failures=3, seconds=30)
    assert [breaker.failed(0), breaker.failed(0)] == [False, False]
    breaker.succeeded()
    assert [breaker.failed(1), breaker.failed(1), breaker.failed(1), breaker.failed(1)] == [False, False, True, False]
    assert breaker.open(30.9)
    assert not breaker.open(31)
    assert breaker.failed(31)
    assert breaker.open(60)
    breaker.succeeded()
    assert [breaker.failed(61), breaker.failed(61), breaker.failed(61)] == [False, False, True]


def test_the_first_may_wait_and_who_waits_again_soon_waits_less() -> None:
    patience = Patience()
    assert patience.allow(10, 0.5) == 0.5
    patience.waited(0.5)
    assert patience.allow(10.5, 0.5) == pytest.approx(0.1)
    patience.waited(0.1)
    assert patience.allow(10.5, 0.5) == 0
    assert patience.allow(99, 0.5) == 0.5


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=100))
def test_over_a_long_time_a_fifth_of_it_is_waited(steps: list[tuple[float, bool]]) -> None:
    patience, now, waited = Patience(), 0.0, 0.0
    for pause, all_of_it in steps:
        now += pause
        seconds = patience.allow(now, 0.5) * (1 if all_of_it else 0.3)
        now, waited = now + seconds, waited + seconds
        patience.waited(seconds)
        assert waited <= 0.5 + now / 5 + 1e-6
