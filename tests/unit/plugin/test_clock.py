"""Times of lines, against Python's own."""

from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lua import LuaJit
from tests.unit.plugin.plugin import PLUGIN, python

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the zone is drawn


@cache
def clock() -> Any:
    return LuaJit().load(PLUGIN / "clock.lua")


@settings(max_examples=150, deadline=None)
@given(time=TIMES)
def test_times_are_as_python_reads_them(time: datetime) -> None:
    text = time.isoformat()

    assert abs(clock().seconds(text.encode()) - time.timestamp()) < 1e-6
    assert python(clock().utc_date(text.encode())) == time.astimezone(UTC).date().isoformat()


@pytest.mark.parametrize(
    ("text", "date"),
    [
        (b"2024-02-29T23:59:59.999999999Z", "2024-02-29"),
        (b"2024-02-29T23:59:59.999999999+00:00", "2024-02-29"),
        (b"2024-02-29T23:30:00-01:00", "2024-03-01"),
        (b"2000-03-01T00:00:00+00:30", "2000-02-29"),
        (b"2100-03-01T00:00:00+00:30", "2100-02-28"),
        (b"2026-01-01T00:00:00+05:30", "2025-12-31"),
    ],
)
def test_dates_of_leap_years_and_zones(text: bytes, date: str) -> None:
    assert python(clock().utc_date(text)) == date


@pytest.mark.parametrize("text", [b"", b"now", b"2026-11-22", b"2026-11-22T10:00:00", b"2026-11-22T10:00:00+1"])
def test_what_is_no_time(text: bytes) -> None:
    assert clock().seconds(text) is None
    assert clock().utc_date(text) is None
