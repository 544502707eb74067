"""The report in a real browser: it loads nothing, runs nothing, and everybody can read it.

The screenshots stay in pytest's folder of the test (`--basetemp`), for somebody to look at.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sidecar.report.page import page
from tests.support.browser import running, visit
from tests.support.report import empty_report, full_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "</script><script>alert(1)</script><img src='http://127.0.0.1:9/x' onerror=alert(1)>\u202e\x00 {{7*7}}"


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator["Browser"]:
    with running(chromium) as started:
        yield started


@pytest.mark.parametrize(
    ("width", "dark"), [(1100, False), (1100, True), (360, False)], ids=["light", "dark", "narrow"]
)
def test_it_asks_for_nothing_complains_of_nothing_and_is_accessible(
    browser: "Browser", tmp_path: Path, width: int, *, dark: bool
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(full_report()))

    with visit(browser, file, width=width, dark=dark) as opened:
        opened.page.screenshot(path=tmp_path / "report.png", full_page=True)
        assert opened.said == []
        assert opened.asked == [file.as_uri()]
        assert opened.accessibility() == []
        # What is too wide scrolls in its own place.
        assert opened.page.evaluate("document.documentElement.scrollWidth") == width
        shown = opened.page.locator("svg.chart").filter(visible=True)
        assert shown.count() == 3
        assert (tmp_path / "report.png").stat().st_size > 10_000


def test_hostile_text_does_nothing_and_can_be_read(browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(full_report(HOSTILE, HOSTILE)))

    with visit(browser, file) as opened:
        opened.page.on("dialog", lambda dialog: opened.said.append(dialog.message))
        assert opened.said == []
        assert opened.asked == [file.as_uri()]
        shown = opened.page.locator(".problem .message").first.inner_text()
        assert shown == HOSTILE.replace("\u202e", r"\u202e").replace("\x00", r"\x00")
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 1100


def test_the_policy_stops_what_would_get_in_all_the_same(browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    attack = "<script>document.title='taken'</script><img src='http://127.0.0.1:9/x'>"
    file.write_text(page(full_report()).replace("<main", f"{attack}<main", 1))

    with visit(browser, file) as opened:
        assert opened.page.title() == "Report on web"
        assert opened.failed == {"http://127.0.0.1:9/x": "csp"}
        assert len(opened.said) == 2, opened.said


def test_it_prints_on_paper(browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(full_report()))

    with visit(browser, file, dark=True) as opened:
        pdf = opened.page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
        opened.page.emulate_media(media="print")
        # Paper is white, whatever the screen is, and has no use for a menu.
        assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not opened.page.locator("nav").is_visible()
        assert opened.page.locator("svg.chart").filter(visible=True).count() == 3
    assert pdf.startswith(b"%PDF")


def test_every_part_is_reached_by_the_keyboard(browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(full_report()))

    with visit(browser, file, width=360) as opened:
        opened.page.keyboard.press("Tab")
        assert opened.page.evaluate("document.activeElement.textContent") == "To the content"
        reached = set()
        for _ in range(40):
            opened.page.keyboard.press("Tab")
            reached.add(opened.page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        assert {"A", "SUMMARY", "scroll"} <= reached


def test_a_window_with_nothing_is_a_good_page_too(browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(empty_report()))

    with visit(browser, file) as opened:
        assert opened.said == []
        assert opened.accessibility() == []
        assert "Nothing here:" in opened.page.locator("main").inner_text()
