"""Tables, a pager, and following through an outage."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.cli import terminal
from sidecar.errors import OpenSearchError, OpenSearchUnavailable


def test_columns_are_as_wide_as_their_cells_and_the_last_as_it_is() -> None:
    laid = terminal.Columns(("A", "LAST SEEN"), [("long", "x"), ("b", "")])
    assert [laid.line(cells) for cells in (("A", "LAST SEEN"), ("long", "x"), ("b", ""))] == [
        "A      LAST SEEN",
        "long   x",
        "b",
    ]
    assert terminal.Columns(("TYPE", "X"), [], more=True).line(("Normal", "x")) == "Normal    x"


@pytest.mark.parametrize(("length", "fits"), [(80, True), (81, False)])
def test_a_line_that_the_terminal_breaks_takes_two(monkeypatch: pytest.MonkeyPatch, length: int, *, fits: bool) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 3)))
    assert terminal.fits(["", "x" * length]) is fits


@pytest.fixture
def pager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pager that keeps what it is given."""
    program, kept = tmp_path / "pager", tmp_path / "kept"
    program.write_text(f'#!/bin/sh\nexec cat > "{kept}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PAGER", str(program))
    monkeypatch.setattr(terminal, "_has_terminal", lambda: True)
    return kept


def test_what_may_be_long_goes_to_the_pager(pager: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.output(pager=True) as write:
        write("äöü")
    assert pager.read_text() == "äöü\n"
    with terminal.output(pager=False) as write:
        write("x")
    assert capsys.readouterr().out == "x\n"


@pytest.mark.parametrize("chosen", ["", "cat", "no-such-pager"])
def test_there_may_be_none(
    pager: Path, chosen: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGER", chosen)
    with terminal.output(pager=True) as write:
        write("x")
    assert capsys.readouterr().out == "x\n"
    assert not pager.exists()


def test_a_pager_that_is_left_early_ends_quietly(tmp_path: Path, pager: Path) -> None:
    (tmp_path / "pager").write_text("#!/bin/sh\nexit 0\n")
    with terminal.output(pager=True) as write:
        for _ in range(100_000):
            write("x" * 100)
    assert not pager.exists()


class Looks:
    """What each look finds; somebody reads until there are no more."""

    def __init__(self, *steps: list[str] | Exception) -> None:
        self.steps = list(steps)
        self.waited: list[float] = []

    def closed(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return not self.steps

    def new(self) -> Iterator[str]:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        yield from step


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    made = Looks()
    monkeypatch.setattr(terminal, "_closed", made.closed)
    return made


def test_an_outage_is_waited_through_and_told_once(looks: Looks, capsys: pytest.CaptureFixture[str]) -> None:
    down = OpenSearchUnavailable("OpenSearch at x: can't be reached", hint="up?")
    looks.steps = [["a"], down, down, down, down, ["b"], []]
    shown: list[str] = []

    terminal.follow(looks.new, shown.append)

    assert shown == ["a", "b"]
    assert capsys.readouterr().err.splitlines() == [
        "... OpenSearch at x: can't be reached; trying again until it answers",
        "... it answers again",
    ]
    assert looks.waited == [2, 2, 4, 8, 10, 10, 2, 2]


def test_what_waiting_does_not_mend_ends_it(looks: Looks) -> None:
    looks.steps = [OpenSearchError("no permissions")]
    with pytest.raises(OpenSearchError, match="no permissions"):
        terminal.follow(looks.new, lambda _found: None)


def test_ctrl_c_ends_it_quietly(looks: Looks, capsys: pytest.CaptureFixture[str]) -> None:
    looks.steps = [["a"]]

    def interrupted(_found: str) -> None:
        raise KeyboardInterrupt

    with terminal.until_ended():
        terminal.follow(looks.new, interrupted)
    assert capsys.readouterr() == ("", "")
