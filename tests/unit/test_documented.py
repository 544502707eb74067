"""Every command in the documentation is run by a test, or excused with a reason; the words of each are understood."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sidecar.cli.main import cli
from tests.support.documented import PAGES, ROOT, RULES, Command, How, Rule, commands, commands_in, inline

COMMANDS = [command for page in PAGES for command in commands(page)]
FILES = ["pipeline.yaml", "failed.json", "ca.pem", "private-ca.pem"]
"""What the commands name, and must be there for them to be parsed."""


def leaves(group: click.Group) -> Iterator[click.Command]:
    """The commands of a group, and of those in it."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from leaves(command)
        yield command


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """Calls the command line, which parses, and does nothing."""
    for command in leaves(cli):
        monkeypatch.setattr(command, "callback", lambda **_: None)
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).touch()
    return CliRunner()


def sidecar_calls(command: Command) -> Iterator[list[str]]:
    """What it calls `sidecar` with, also by way of kubectl."""
    for words in command.calls():
        inner = words[words.index("--") + 1 :] if words[0] == "kubectl" and "--" in words else words
        if inner[0] == "sidecar":
            yield inner[1:]


def test_commands_are_found_with_all_their_lines() -> None:
    block = "$ one \\\n    --two\nprinted\n$ three |\n    four  # why\n$ five '{\n  \"six\": 7}' > file\n"

    found = [Command("page", text) for text in commands_in(block)]

    assert [command.calls() for command in found] == [
        [["one", "--two"]], [["three"], ["four"]], [["five", '{\n  "six": 7}']],
    ]  # fmt: skip
    assert [command.output() for command in found] == ["", "", "file"]


def test_a_loop_is_one_command_and_what_is_in_it_is_found() -> None:
    loop = "$ while one > file &&\n      [ -s file ]; do\n    two x || break\n    three |\n      four\n  done\n"

    first, result = (Command("page", text) for text in commands_in(f"{loop}$ URL=$(five --six)\n"))

    assert first.calls() == [["one"], ["[", "-s", "file", "]"], ["two", "x"], ["three"], ["four"]]
    assert result.calls() == [["five", "--six"]]


def test_there_are_commands_on_many_pages() -> None:
    assert len({command.page for command in COMMANDS}) > 5


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_run_by_a_test_or_excused(command: Command) -> None:
    taking = [rule.pattern for rule in RULES if rule.takes(command)]

    assert len(taking) == 1, f"{command}: wants one rule in tests/support/documented.py, and has {taking}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern)
def test_a_rule_is_for_something_and_says_why(rule: Rule) -> None:
    assert any(rule.takes(command) for command in COMMANDS)
    if rule.how is How.ELSEWHERE:
        file, _, text = rule.why.partition(":")
        assert text in (ROOT / file).read_text()
    else:
        assert bool(rule.why) == (rule.how is How.EXCUSED)


@pytest.mark.parametrize("command", [found for found in COMMANDS if list(sidecar_calls(found))], ids=str)
def test_the_command_line_understands_it(command: Command, parsed: CliRunner) -> None:
    for words in sidecar_calls(command):
        result = parsed.invoke(cli, words, prog_name="sidecar")
        assert result.exit_code == 0, f"{command}: {result.output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_command_line_understands_what_is_in_the_text(page: Path, parsed: CliRunner) -> None:
    for text in inline(page, "sidecar"):
        words = text.split()[1:]
        if re.search(r"^[A-Z]+\b|\[", " ".join(words)):  # `sidecar COMMAND`, or how it is used
            continue
        result = parsed.invoke(cli, words, prog_name="sidecar")
        # Of a command that is only named, what it must have may be missing, such as a file.
        missing = "Missing argument" in result.output or result.output.startswith("Usage: ")
        assert result.exit_code == 0 or missing, f"{text}: {result.output}"
        assert not re.search("No such (option|command)", result.output), f"{text}: {result.output}"
