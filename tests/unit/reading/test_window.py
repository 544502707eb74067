from datetime import UTC, datetime, timedelta, timezone

import pytest

from sidecar.errors import InputError
from sidecar.reading.window import Window, moment, window

NOW = datetime(2026, 11, 27, 8, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("3d", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(days=7)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("07:05", datetime(2026, 11, 27, 7, 5, tzinfo=UTC)),
        ("2026-11-26", datetime(2026, 11, 26, tzinfo=UTC)),
        ("2026-11-26 14:05", datetime(2026, 11, 26, 14, 5, tzinfo=UTC)),
        ("2026-11-26T14:05:00Z", datetime(2026, 11, 26, 14, 5, tzinfo=UTC)),
        ("2026-11-26T14:05:00.123456789+02:00", datetime(2026, 11, 26, 12, 5, 0, 123456, tzinfo=UTC)),
    ],
)
def test_a_time_is_understood_as_people_write_it(text: str, wanted: datetime) -> None:
    assert moment(text, now=NOW, option="--since") == wanted


@pytest.mark.parametrize("text", ["3x", "yesterday", "", "25:00", "2026-13-01", "99999999999d", "d", "-1h", "0s"])
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InputError) as caught:
        moment(text, now=NOW, option="--since")
    assert caught.value.what.startswith("--since")
    assert "3d" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_date_without_a_zone_is_in_that_of_the_user() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert moment("2026-11-26", now=there, option="--since").utcoffset() == timedelta(hours=5, minutes=45)


def test_where_nothing_is_said_the_default_counts_back_from_the_end() -> None:
    hour = timedelta(hours=1)
    assert window(None, None, now=NOW, default=hour) == Window(NOW - hour, None)
    assert window(None, "2h", now=NOW, default=hour) == Window(NOW - 3 * hour, NOW - 2 * hour)
    assert window(None, None, now=NOW) == Window()


def test_an_end_before_the_beginning_is_refused() -> None:
    with pytest.raises(InputError, match="--since 1h is not before --until 2h"):
        window("1h", "2h", now=NOW)


def test_a_window_becomes_filters_to_the_millisecond() -> None:
    assert Window().query() == []
    found = Window(NOW, NOW + timedelta(milliseconds=1.5)).query()
    assert found == [{"range": {"@timestamp": {"gte": "2026-11-27T08:00:30.000Z", "lt": "2026-11-27T08:00:30.001Z"}}}]
