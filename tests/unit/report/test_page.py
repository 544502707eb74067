"""The page: what it says, and that nothing in it can do anything, whoever wrote it."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from sidecar.report.model import Report
from sidecar.report.page import MOST, page
from tests.support.report import empty_report, full_report

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></textarea><svg/onload=alert(1)>",
    "<!--", "]]>", "{{ 7*7 }}{% raw %}", "&lt;b&gt;", "javascript:alert(1)",
    "\x00\x08\x1b[2J\ufeff\u2028",
    "\u202egnp.exe\u2066",
    "A" * 100_000,
    "",
]  # fmt: skip
ALLOWED = re.compile(
    r"html|head|meta|title|style|body|header|nav|main|footer|section|article|h[1-4]|p|a|strong|time|bdi|wbr|code|span|div"
    r"|ul|li|dl|dt|dd|figure|figcaption|details|summary|table|thead|tbody|tr|th|td|svg|desc|g|path|text|pattern|rect"
)


class Tags(HTMLParser):
    """Collects the tags and attributes that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words(report: Report) -> str:
    return " ".join(" ".join(Tags(page(report)).words).split())


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_no_text_becomes_more_than_text(text: str) -> None:
    html = page(full_report(text, text or "x"))
    found = Tags(html)

    assert {tag for tag, _ in found.tags if not ALLOWED.fullmatch(tag)} == set()
    attributes = {name for _, attributes in found.tags for name in attributes}
    assert not {
        name for name in attributes if name.startswith("on") or name in {"src", "style", "srcdoc", "xlink:href"}
    }
    assert {attributes["href"] for tag, attributes in found.tags if "href" in attributes} == {
        "#content", "#problems", "#events", "#warnings", "#logs", "#pipeline", "#about"
    }  # fmt: skip
    if text:
        assert [tag for tag, _ in found.tags] == [tag for tag, _ in Tags(page(full_report("x", "x"))).tags]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ufeff\u2028]", html)
    assert len(html) < 250_000


def test_a_policy_forbids_all_but_its_own_style() -> None:
    html = page(full_report())
    metas: list[dict[str, Any]] = [attributes for tag, attributes in Tags(html).tags if tag == "meta"]

    (policy,) = [each["content"] for each in metas if each.get("http-equiv") == "Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_the_same_report_is_the_same_bytes() -> None:
    assert page(full_report()) == page(full_report())


def test_headings_come_in_order_and_ids_once() -> None:
    tags = Tags(page(full_report())).tags

    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_cell_that_is_a_heading_says_of_what() -> None:
    scopes = [attributes.get("scope") for tag, attributes in Tags(page(full_report())).tags if tag == "th"]

    assert set(scopes) == {"row", "col"}


def test_it_says_what_failed_and_what_is_over() -> None:
    told = words(full_report())

    assert "Open: 1 ✗ Open deployment/ web in web FailedMount, BackOff no route to host" in told
    assert "Seen 51 times For 2 h so far" in told
    assert "Resolved: 2" in told
    assert "Resolved 2026-11-27 07:59:22 , after 1 h 56 min, by Started pod/web-7d47686c85-nml26" in told


def test_it_says_what_is_incomplete() -> None:
    assert "1 of 3 shards did not answer, so the numbers here are too low" in words(full_report())


def test_a_window_with_nothing_says_where_it_looked() -> None:
    told = words(empty_report())

    assert "neither events nor log lines of this cluster in this window" in told
    assert "http://127.0.0.1:9200" in told
    assert "cluster: demo" in told
    assert "eks-kubernetes-events-*" in told
    assert "It has no document of this cluster at all" in told


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("problems", "Not known: what failed. 403"),
        ("events", "Not known: which events there were. 403"),
        ("gaps", "Not known: where events may be missing. 403"),
        ("logs", "Not known: what was logged. 403"),
        ("letters", "Not known: what OpenSearch refused. 403"),
        ("stats", "Not known: how large the indices are. 403"),
        ("health", "Not known: how the pipeline does. 403"),
    ],
)
def test_what_could_not_be_asked_is_told_in_its_place(part: str, told: str) -> None:
    report = replace(empty_report(), failed={part: "403: no permissions"})

    assert told in words(report)
    assert report.is_empty == (part not in {"events", "problems", "logs"})


def test_of_many_problems_and_reasons_the_rest_is_counted() -> None:
    report = full_report()
    many = replace(
        report,
        problems=replace(report.problems, open=report.problems.open * (MOST + 7)),
        events=replace(report.events, warnings=report.events.warnings[1:] * (MOST + 3)),
    )

    told = words(many)
    assert told.count("✗ Open") == MOST
    assert "And 7 more, which failed last before these" in told
    assert "And 3 more pairs of namespace and reason, with 6 events" in told
