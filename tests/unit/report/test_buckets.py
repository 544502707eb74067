"""A window is divided as finely as can be drawn, and its axis has words at round times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.report.buckets import MOST, Axis

END = datetime(2026, 11, 27, 8, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "step", "words"),
    [
        (timedelta(seconds=5), timedelta(seconds=1), ["08:03:18", "08:03:20"]),
        (timedelta(hours=1), timedelta(minutes=1), ["07:15", "07:30", "07:45", "08:00"]),
        (timedelta(hours=24), timedelta(minutes=20), ["12:00", "18:00", "27 Nov", "06:00"]),
        (timedelta(days=7), timedelta(hours=3), ["21 Nov", "23 Nov", "25 Nov", "27 Nov"]),
        (timedelta(days=30), timedelta(hours=12), ["3 Nov", "13 Nov", "23 Nov"]),
        (timedelta(days=800), timedelta(days=20), None),
    ],
    ids=str,
)
def test_buckets_and_words_fit_the_window(window: timedelta, step: timedelta, words: list[str] | None) -> None:
    axis = Axis.of(END - window, END)

    assert axis.step == step
    assert words is None or [word for word in axis.words(4) if word] == words


@given(
    start=st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants them so
    length=st.timedeltas(timedelta(0), timedelta(days=40_000)),
    most=st.integers(2, 12),
)
def test_every_window_is_covered(start: datetime, length: timedelta, most: int) -> None:
    end = start + length
    axis = Axis.of(start, end)
    words = axis.words(most)

    assert axis.start <= start
    assert axis.start + axis.count * axis.step >= end
    assert 1 <= axis.count <= MOST
    assert len(words) == axis.count
    assert 1 <= sum(1 for word in words if word) <= most + 1


def test_counts_come_to_their_buckets_and_what_is_outside_to_none() -> None:
    axis = Axis.of(END - timedelta(minutes=1), END)
    first = round(axis.start.timestamp() * 1000)

    assert axis.spread({first: 3, first + 2_000: 4, first - 1_000: 9})[:4] == (3, 0, 4, 0)
    assert axis.spread({}) == (0,) * axis.count


def test_a_moment_has_a_place_within_the_chart() -> None:
    axis = Axis.of(END - timedelta(hours=1), END)

    assert axis.position(axis.start) == 0
    assert axis.position(axis.start - timedelta(days=9)) == 0
    assert axis.position(END + timedelta(days=9)) == 1
    assert axis.position(axis.start + axis.count * axis.step / 2) == pytest.approx(0.5)
