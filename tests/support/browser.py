"""A real Chromium without a window, and what a page does in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.parts import Missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = "Chromium"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "chromium-headless-shell")


def find_chromium() -> Path:
    """The Chromium or Chrome on PATH, else the one that `playwright install chromium` put there.

    Raises:
        Missing: There is neither.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found:
        return Path(found)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - other tests need not load it

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    if not path.exists():
        raise Missing(CHROMIUM, "neither on PATH nor installed by playwright")
    return path


@contextmanager
def running(path: Path) -> Iterator["Browser"]:
    """The browser, started; it ends with the block."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - as above

    # Root, as in a container, has no sandbox; the page is our own.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that is open.

    Attributes:
        page: Playwright's.
        said: What came up in the console, errors of scripts included.
        asked: Addresses that were to be requested.
        failed: Why one was not, by its address.
    """

    page: "Page"
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failed: dict[str, str | None] = field(default_factory=dict)

    def accessibility(self) -> list[str]:
        """What axe-core finds wrong, with the element."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - as above

        found = Axe().run(self.page).response["violations"]
        return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


@contextmanager
def visit(browser: "Browser", file: Path, *, width: int = 1100, dark: bool = False) -> Iterator[Visit]:
    """Open a file, and note everything that it does."""
    scheme: Any = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    try:
        opened = Visit(context.new_page())
        opened.page.on("console", lambda message: opened.said.append(message.text))
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.page.on("request", lambda request: opened.asked.append(request.url))
        opened.page.on("requestfailed", lambda request: opened.failed.update({request.url: request.failure}))
        opened.page.goto(file.as_uri())
        yield opened
    finally:
        context.close()
