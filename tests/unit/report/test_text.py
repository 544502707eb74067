"""Numbers and times as people read them, and hostile text as it is."""

from datetime import UTC, datetime, timedelta

import pytest

from sidecar.report import text

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (text.number(1_234_567), "1,234,567"),
        (text.short_number(1_200_000), "1.2M"),
        (text.short_number(40_000), "40k"),
        (text.short_number(7), "7"),
        (text.size(231), "231 B"),
        (text.size(612_345_678), "612 MB"),
        (text.size(999_600), "1 MB"),
        (text.percent(0, 5), "0 %"),
        (text.percent(1, 8), "12.5 %"),
        (text.percent(1, 1_000_000), "< 0.01 %"),
        (text.percent(3, 1000), "0.30 %"),
        (text.percent(0, 0), text.NONE),
        (text.span(timedelta(seconds=0.24)), "0.2 s"),
        (text.span(timedelta(seconds=3_905)), "1 h 5 min"),
        (text.span(timedelta(days=2, minutes=3)), "2 d"),
        (text.span(timedelta(seconds=-90)), "-1 min 30 s"),
        (text.ago(NOW - timedelta(minutes=5), NOW), "5 min ago"),
        (text.ago(NOW + timedelta(days=2), NOW), "in 2 d"),
        (text.moment(NOW), "2026-11-27 08:00:00"),
        (text.iso(NOW), "2026-11-27T08:00:00Z"),
    ],
)
def test_numbers_are_told(told: str, wanted: str) -> None:
    assert told == wanted


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\x00b\x1b[31m", r"a\x00b\x1b[31m"),
        ("exe.\u202egpj", r"exe.\u202egpj"),
        ("\u2066a\u2069\u061c", r"\u2066a\u2069\u061c"),
        ("half \ud800", r"half \ud800"),
        ("two\r\nlines\tand a tab\r", "two\nlines\tand a tab\\x0d"),
        ("Übung 演習 👩‍💻", "Übung 演習 👩‍💻"),
        ("z" + "\u0301\u0302" * 40, "z\u0301\u0302\u0301\u0302"),
    ],
)
def test_what_can_not_be_seen_is_written_out(value: str, shown: str) -> None:
    assert text.visible(value) == shown


def test_what_is_long_is_cut_and_the_length_told() -> None:
    assert text.visible("A" * 100_000, 10) == "AAAAAAAAAA… (100,000 characters)"
    assert text.visible("A" * 10, 10) == "A" * 10
