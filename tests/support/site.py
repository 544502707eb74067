"""The pages of the documentation's site, from the files that people read in the repository.

    python -m tests.support.site           writes them to build/docs, where zensical.toml takes them
    python -m tests.support.site check     fails if a page of the site that was built fetches something from elsewhere

`make docs` calls both.

The same Markdown is read in both places. Links between files become links between pages; what is no page, such as an
example, is linked to where the repository is.
"""

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
PAGES = ROOT / SITE["docs_dir"]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
_OTHERS = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "charts/fluent-sidecar/README.md": "chart.md",
}
"""Pages outside docs/, and what they are called in the site."""
_CODE_IN_TABLE = re.compile(r"^\|.*`.*\\\|.*$", re.MULTILINE)
_FETCHES = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?(?:https?:)?//|<link\b(?=[^>]*\brel="?(?:stylesheet|pre|modulepre))'
    r'[^>]*\bhref="?(?:https?:)?//|\bdata-md-component="?source\b'
)
"""What has a browser ask another server; the last is the theme's box of a repository, for which it asks for stars."""
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?P<after>\))")


def sources() -> dict[str, str]:
    """The path of each page's file in the repository, and its name in the site."""
    found = sorted((ROOT / "docs").glob("*.md"))
    return {f"docs/{path.name}": path.name for path in found} | _OTHERS


def page(text: str, source: str, names: Mapping[str, str], exists: Callable[[str], bool]) -> str:
    """A page of the site.

    Args:
        text: The Markdown as it is in the repository.
        source: The path of its file, from the root of the repository.
        names: What `sources` gives.
        exists: Whether a path of the repository is there.

    Raises:
        ValueError: It links to a file that isn't there.
    """
    folder = os.path.dirname(source)  # noqa: PTH120 - a path in the repository, not of this machine
    browse = f"{REPOSITORY}/blob/main/"

    def moved(link: re.Match[str]) -> str:
        target, anchor = link["target"], link["anchor"] or ""
        if "://" in target and not target.startswith(browse):
            return link[0]
        path = target.removeprefix(browse) if "://" in target else os.path.normpath(f"{folder}/{target}".lstrip("/"))
        if not exists(path):
            raise ValueError(f"{source}: {target} is not there")
        where = names.get(path) or (path if path.startswith("docs/") else browse + path)
        return link["before"] + where.removeprefix("docs/") + anchor + link["after"]

    return _CODE_IN_TABLE.sub(_bars, _LINK.sub(moved, text))


def _bars(row: re.Match[str]) -> str:
    """GitHub wants a bar in code escaped, too, where the code is in a table; the site shows the backslash."""
    parts = row[0].split("`")
    parts[1::2] = [part.replace("\\|", "|") for part in parts[1::2]]
    return "`".join(parts)


def write(folder: Path) -> None:
    """Write all pages, images and styles into a folder, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.md"))
    names = sources()
    for source, name in names.items():
        text = page((ROOT / source).read_text(), source, names, lambda path: (ROOT / path).exists())
        (folder / name).write_text(text)


def fetching(folder: Path) -> Iterator[str]:
    """What in a site's pages a browser would fetch from elsewhere, each with its page."""
    for file in sorted(folder.rglob("*.html")):
        for found in _FETCHES.findall(file.read_text()):
            yield f"{file.relative_to(folder)}: {found}"


if __name__ == "__main__":
    if sys.argv[1:] != ["check"]:
        write(PAGES)
    elif foreign := list(fetching(ROOT / SITE["site_dir"])):
        sys.exit("\n".join(foreign))
