"""What the commands that read have in common: colours, tables, a pager, and following until nobody reads any more."""

import errno
import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from sidecar.errors import KubernetesUnavailable, OpenSearchUnavailable

Write = Callable[[str], None]

_POLL_SECONDS, _LONGEST_SECONDS = 2.0, 10.0
_USUAL_WIDTHS = {"LAST SEEN": 9, "FIRST SEEN": 10, "TYPE": 7, "REASON": 17, "OBJECT": 36}


def coloured() -> bool:
    """Whether people see colours, and have not said that they don't want any (no-color.org)."""
    return sys.stdout.isatty() and _are_colours_wanted()


def _are_colours_wanted() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def echo(text: str, *, colour: str | None = None, newline: bool = True, **more: Any) -> None:
    """Print, in colour where it is wanted; click takes the colour away where no terminal is."""
    styled = click.style(text, fg=colour, **more) if (colour or any(more.values())) and _are_colours_wanted() else text
    click.echo(styled, nl=newline)


def style(text: str, colour: str | None = None, **more: Any) -> str:
    """A text in a colour, where people see colours."""
    return click.style(text, fg=colour, **more) if (colour or more) and coloured() else text


def note(text: str) -> None:
    """Something about the answer, beside it."""
    sys.stdout.flush()
    click.echo(text, err=True)


class Columns:
    """Lays cells out below their heads; the last column is as wide as it is.

    Args:
        heads: Of the columns.
        rows: Those that are known at first; later ones may be wider, and then stick out.
        more: Whether later ones will come.
        gap: How many spaces are between two columns.
    """

    def __init__(
        self, heads: Sequence[str], rows: Iterable[Sequence[str]], *, more: bool = False, gap: int = 3
    ) -> None:
        self._heads, self._gap = heads, " " * gap
        self._widths = [max(len(head), _USUAL_WIDTHS.get(head, 0) if more else 0) for head in heads]
        for row in rows:
            self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, row, strict=True)]

    def head(self) -> str:
        """The line of the heads."""
        return style(self.line(self._heads), bold=True)

    def line(self, cells: Sequence[str]) -> str:
        """A row as a line."""
        front = (f"{cell:<{width}}" for cell, width in zip(cells[:-1], self._widths, strict=False))
        return self._gap.join((*front, cells[-1])).rstrip()


def fits(lines: Iterable[str]) -> bool:
    """Whether lines are seen at once, in the terminal that there is; it breaks what is too long for it."""
    columns, height = shutil.get_terminal_size()
    return sum(1 + (max(len(line), 1) - 1) // columns for line in lines) < height


@contextmanager
def output(*, pager: bool, at_end: bool = False) -> Iterator[Write]:
    """Where an answer goes: to a pager where a terminal may be too small for it, else to the standard output.

    $PAGER chooses another than less; `cat`, or nothing, is none.

    Args:
        pager: Whether one may be used.
        at_end: Whether the end is what people want to see first.
    """
    chosen = _pager() if pager and _has_terminal() else []
    if not chosen or chosen[0] == "cat" or not shutil.which(chosen[0]):
        yield put
        return
    if at_end and Path(chosen[0]).name == "less":
        chosen.append("+G")
    environment = {"LESS": "FRX", "LESSCHARSET": "utf-8", **os.environ}
    process = subprocess.Popen(chosen, stdin=subprocess.PIPE, env=environment)  # noqa: S603 - what the user chose
    assert process.stdin

    def write(text: str) -> None:
        assert process.stdin
        process.stdin.write(f"{_harmless(text)}\n".encode(errors="backslashreplace"))

    try:
        yield write
        process.stdin.close()
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # whoever reads has read enough
    finally:
        _wait_for(process)
    if process.returncode > 0:
        note(f"the pager {chosen[0]} ended with code {process.returncode}: PAGER=cat does without one")


@contextmanager
def until_ended() -> Iterator[None]:
    """For what has no end of its own: Ctrl+C, and that nobody reads it any more, end it quietly."""
    try:
        yield
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            click.echo(err=True)  # behind the terminal's ^C
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        _silence()


def follow(new: Callable[[], Iterator[Any]], show: Callable[[Any], None]) -> None:
    """Show what is new, until nobody reads it any more; an outage is waited through. See `until_ended`.

    Args:
        new: What has come since the last call.
        show: Prints one.

    Raises:
        SidecarError: What waiting doesn't mend.
    """
    failures = 0
    sys.stdout.flush()
    while not _closed(min(_POLL_SECONDS * 2**failures, _LONGEST_SECONDS)):
        try:
            for found in new():
                show(found)
            if failures:
                note("... it answers again")
            failures = 0
        except (OpenSearchUnavailable, KubernetesUnavailable) as error:
            if not failures:
                note(f"... {error.what}; trying again until it answers")
            failures += 1
        sys.stdout.flush()


def put(text: str) -> None:
    """Print lines. On a terminal nothing in them is obeyed but colours; elsewhere they are as they were written.

    What the encoding of the output lacks is written out.
    """
    shown = _harmless(text) if sys.stdout.isatty() else text
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(f"{shown.encode(encoding, 'backslashreplace').decode(encoding)}\n")


def _pager() -> list[str]:
    """The pager that the user chose, and its arguments; none where they can't be told."""
    try:
        return shlex.split(os.environ.get("PAGER", "less"))
    except ValueError:
        return []


def _harmless(text: str) -> str:
    from sidecar.reading.shown import for_terminal  # noqa: PLC0415 - see sidecar.cli.main

    return for_terminal(text)


def _has_terminal() -> bool:
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _wait_for(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a pager; Ctrl+C is its own to handle."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()
    while process.returncode is None:
        with suppress(KeyboardInterrupt):
            process.wait()


def _closed(seconds: float) -> bool:
    """Wait, but no longer than somebody reads the standard output; whether nobody does any more."""
    poller = select.poll()
    poller.register(sys.stdout, 0)
    return bool(poller.poll(seconds * 1000))


def _silence() -> None:
    """Nothing more can be written: Python would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
