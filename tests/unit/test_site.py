"""The site of the documentation: its pages are those of the repository, and its links lead to them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.site import ROOT, SITE, fetching, page, sources, write

_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def pages_in(navigation: Any) -> Iterator[str]:
    """The files that a navigation names, however deep."""
    if isinstance(navigation, str):
        yield navigation
    elif isinstance(navigation, dict):
        yield from (found for inner in navigation.values() for found in pages_in(inner))
    else:
        yield from (found for inner in navigation for found in pages_in(inner))


def heading_ids(text: str) -> list[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(pages_in(SITE["nav"])) == sorted(sources().values())


@pytest.mark.parametrize("source", sources())
def test_an_anchor_is_the_same_on_github_and_in_the_site(source: str) -> None:
    for found in heading_ids((ROOT / source).read_text()):
        assert "--" not in found.strip("-"), f"{found}: the site writes one hyphen for several"


@pytest.mark.parametrize("source", sources())
def test_every_link_to_an_anchor_leads_somewhere(source: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", (ROOT / source).read_text()):
        file = (ROOT / source).parent / target if target else ROOT / source
        assert anchor in heading_ids(file.read_text()), f"{source}: {target}#{anchor}"


@pytest.mark.parametrize(
    ("source", "link", "moved"),
    [
        ("README.md", "[a](docs/logs.md#json)", "[a](logs.md#json)"),
        ("docs/logs.md", "[a](fields.md)", "[a](fields.md)"),
        ("docs/logs.md", "[a](#json)", "[a](#json)"),
        ("docs/how-it-works.md", "![a](images/how-it-works.svg)", "![a](images/how-it-works.svg)"),
        ("docs/logs.md", "[a](../README.md)", "[a](index.md)"),
        ("docs/kubernetes.md", "[a](../charts/fluent-sidecar/README.md)", "[a](chart.md)"),
        ("README.md", "[a](examples)", "[a](https://github.com/fluent-sidecar/fluent-sidecar/blob/main/examples)"),
        (
            "charts/fluent-sidecar/README.md",
            "[a](https://github.com/fluent-sidecar/fluent-sidecar/blob/main/docs/kubernetes.md#rights)",
            "[a](kubernetes.md#rights)",
        ),
        ("docs/logs.md", "[a](https://example.com/docs/logs.md)", "[a](https://example.com/docs/logs.md)"),
    ],
)
def test_a_link_leads_to_the_page_in_the_site(source: str, link: str, moved: str) -> None:
    assert page(link, source, sources(), lambda path: (ROOT / path).exists()) == moved


def test_a_link_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"logs\.md: nothing\.md is not there"):
        page("[a](nothing.md)", "docs/logs.md", sources(), lambda path: path != "docs/nothing.md")


def test_a_bar_in_code_is_shown_without_its_backslash() -> None:
    row = r"| `a\|b` \| `c` |"
    assert page(f"{row}\n\n`a\\|b`\n", "docs/logs.md", {}, lambda _: True) == "| `a|b` \\| `c` |\n\n`a\\|b`\n"


def test_the_pages_are_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "old.md").touch()

    write(folder)

    assert sorted(path.name for path in folder.glob("*.md")) == sorted(sources().values())
    assert (folder / "images/how-it-works.svg").is_file()


@pytest.mark.parametrize(
    ("html", "fetches"),
    [
        ('<script src="https://unpkg.com/shim"></script>', True),
        ("<script defer src=//cdn.example/a.js></script>", True),
        ('<link rel="stylesheet" href="https://fonts.example/css">', True),
        ('<link href="https://fonts.example" rel="preconnect">', True),
        ('<img alt="" src="https://img.example/badge.svg">', True),
        ('<a class="md-source" data-md-component="source" href="https://github.com/a/b">', True),
        ('<link rel="canonical" href="https://docs.example/">', False),
        ('<a href="https://example.com">elsewhere</a>', False),
        ('<script src="assets/bundle.js"></script><img src="images/a.svg">', False),
    ],
)
def test_what_a_reader_would_fetch_from_elsewhere_is_found(html: str, fetches: bool, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html)

    assert bool(list(fetching(tmp_path))) is fetches
