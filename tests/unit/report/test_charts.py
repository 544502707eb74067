"""Charts are SVG that needs nothing around it, says what it shows, and is the same for the same counts."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from sidecar.report.buckets import Axis
from sidecar.report.charts import NARROW, WIDE, Series, Size, Timeline, draw

END = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
AXIS = Axis.of(END - timedelta(hours=1), END)


def timeline(normal: list[int], warning: list[int], *, gap: bool = False) -> Timeline:
    gaps = [(END - timedelta(minutes=30), END - timedelta(minutes=15))] if gap else []
    series = [Series("normal", "normal", normal), Series("warning", "warning", warning)]
    return Timeline("events", "Events <over> time", "3 normal & none else", AXIS, series, gaps)


def counts(**at: int) -> list[int]:
    return [at.get(f"at{number}", 0) for number in range(AXIS.count)]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda size: size.name)
def test_every_bar_is_there_and_says_what_it_is(size: Size) -> None:
    root = ET.fromstring(draw(timeline(counts(at3=4, at7=1), counts(at3=2)), size))

    bars = {group.get("class"): group.findall("rect") for group in root.findall("g/g")}
    titles = [rect.findtext("title") for rect in bars["bars normal"]]
    assert titles == ["2026-11-27 07:03:00 to 07:04:00: 4 normal", "2026-11-27 07:07:00 to 07:08:00: 1 normal"]
    (warning,) = bars["bars warning"]
    normal = bars["bars normal"][0]
    assert float(normal.get("height", 0)) == pytest.approx(2 * float(warning.get("height", 0)), rel=0.01)
    # Stacked: where one ends, the other begins.
    top, bottom = float(normal.get("y", 0)), float(warning.get("y", 0)) + float(warning.get("height", 0))
    assert top == pytest.approx(bottom, abs=0.2)


def test_it_is_an_image_with_a_name_and_a_description() -> None:
    root = ET.fromstring(draw(timeline(counts(at1=3), counts()), WIDE))

    assert root.get("role") == "img"
    assert root.findtext(f"title[@id='{root.get('aria-labelledby')}']") == "Events <over> time"
    assert root.findtext(f"desc[@id='{root.get('aria-describedby')}']") == "3 normal & none else"


def test_it_has_no_script_no_style_and_no_address() -> None:
    drawn = draw(timeline(counts(at1=3), counts(at2=1), gap=True), WIDE)

    for word in ("<script", "<style", "style=", "http", "xlink", "<!--"):
        assert word not in drawn


def test_the_same_counts_are_the_same_bytes() -> None:
    assert draw(timeline(counts(at1=3), counts()), WIDE) == draw(timeline(counts(at1=3), counts()), WIDE)


def test_a_gap_lies_where_it_was() -> None:
    root = ET.fromstring(draw(timeline(counts(at1=3), counts(), gap=True), WIDE))

    (band,) = [each for each in root.findall("g/rect") if each.get("fill") == "url(#events-wide-hatch)"]
    assert band.findtext("title") == "Gap: 2026-11-27 07:30:00 to 2026-11-27 07:45:00"
    assert float(band.get("width", 0)) == pytest.approx(float(band.get("x", 0)) / 2, rel=0.01)


def test_little_is_counted_in_whole_numbers() -> None:
    root = ET.fromstring(draw(timeline(counts(at1=2), counts()), WIDE))

    assert [label.text for label in root.findall("g/text[@class='value']")] == ["0", "1", "2"]


def test_a_chart_of_nothing_is_a_chart() -> None:
    root = ET.fromstring(draw(timeline(counts(), counts()), NARROW))

    assert root.findall("g/g/rect") == []
