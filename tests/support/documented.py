"""The commands that the documentation tells people to type, and what becomes of each in the tests.

A command is a line of a ```console block that begins with `$ `, with the lines that it goes on in. `RULES` says of each
how it is run or checked, or why it can't be; one that no rule knows fails tests/unit/test_documented.py.
"""

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "charts/fluent-sidecar/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_ASSIGNMENTS = re.compile(r"^(?:[A-Za-z_]\w*=(?!\$\()\S+ )+")
_RESULT = re.compile(r"^[A-Za-z_]\w*=\$\((.*)\)$", re.DOTALL)
_BEGIN, _END = {"while", "for", "if"}, {"done", "fi"}
_KEYWORDS = _BEGIN | _END | {"do", "then", "break"}
_SEPARATORS = {"|", "&&", ";", "||"}


@dataclass(frozen=True)
class Command:
    """What somebody types: where it is written, and the text, its further lines included."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"

    def calls(self) -> list[list[str]]:
        """The words of each program that it calls, without variables before it, redirections and comments."""
        return list(_calls(_words(_RESULT.sub(r"\1", self.text))))

    def output(self) -> str:
        """The file that it writes its output to; nothing where it goes to the terminal."""
        words = _words(self.text)
        return words[words.index(">") + 1] if ">" in words else ""


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    return list(lexer)


def _calls(words: Sequence[str]) -> Iterator[list[str]]:
    call: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _SEPARATORS:
            if call:
                yield call
            call = []
        elif word in {">", "<", ">>"}:
            next(rest)
        elif call or not (word in _KEYWORDS or _ASSIGNMENT.match(word)):
            call.append(word)
    if call:
        yield call


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language in a Markdown text."""
    return [textwrap.dedent(code) for _, found, code in _FENCE.findall(text) if found == language]


def prose(text: str) -> str:
    """A Markdown text without its code blocks."""
    return _FENCE.sub("", text)


def commands(page: Path) -> list[Command]:
    """The commands of a page, in its order."""
    name = str(page.relative_to(ROOT))
    return [Command(name, text) for block in blocks(page.read_text(), "console") for text in commands_in(block)]


def commands_in(block: str) -> Iterator[str]:
    """The commands of a ```console block; what they print is passed over."""
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            text = line.removeprefix("$ ")
            while end := _goes_on(text):
                text = text.removesuffix("\\").rstrip(" ") + end + next(lines)
            yield text


def _goes_on(text: str) -> str:
    """What is between this and the next line of a command; nothing where it is whole."""
    try:
        words = _words(text)
    except ValueError:  # a quotation that isn't closed
        return "\n"
    if text.endswith("\\") or words[-1] in _SEPARATORS | {"do", "then"}:
        return "\n"
    return ";\n" if words[0] in _BEGIN and words[-1] not in _END else ""


def inline(page: Path, program: str) -> list[str]:
    """What a page calls a program with in the middle of a text, such as `sidecar plan`."""
    found = re.findall(rf"`({program} [^`]+)`", prose(page.read_text()))
    return [" ".join(text.split()) for text in found]


class How(Enum):
    """What becomes of a command in the tests."""

    RUN = "run by tests/integration/test_documented.py, in a folder of its own"
    WITH_OPENSEARCH = "the same, with a real OpenSearch"
    WITH_FLUENT_BIT = "the same, with a real Fluent Bit"
    RENDERED = "helm template takes its words"
    UNDERSTOOD = "its program takes its words, and fails only because there is no cluster"
    OF_AWS = "AWS's own description of the operation knows its words; there is no AWS to run it"
    ELSEWHERE = "run by another test"
    EXCUSED = "not run, and why"


@dataclass(frozen=True)
class Rule:
    """What becomes of the commands that a pattern matches from the beginning, behind the variables set for them.

    Attributes:
        why: Of EXCUSED the reason; of ELSEWHERE the file of the test, and behind a colon a text that it has.
    """

    pattern: str
    how: How
    why: str = ""

    def takes(self, command: Command) -> bool:
        """Whether it is for a command."""
        text = _ASSIGNMENTS.sub("", " ".join(_RESULT.sub(r"\1", command.text).split()))
        return re.match(self.pattern, text) is not None


_READING = r"sidecar (events|logs|problems|report)\b"
_FOLLOWING = r" -w\b| -f\b|--source cluster"
"""What follows until Ctrl+C, or asks an API server."""
RULES = [
    Rule(r"sidecar (init|validate|schema|lambda package)\b", How.RUN),
    Rule(r"sidecar version\b", How.RUN),
    Rule(r"(source <\()?sidecar completion\b", How.ELSEWHERE, "tests/unit/cli/test_reading.py:completion"),
    Rule(rf"{_READING}(?!.*({_FOLLOWING}))", How.WITH_OPENSEARCH),
    Rule(rf"{_READING}.*({_FOLLOWING})", How.ELSEWHERE, "tests/integration/test_reading.py:test_following"),
    Rule(r"sidecar render-config (?!.*--(verify|diff|check))", How.RUN),
    Rule(r"sidecar render-config .*--(diff|check)", How.RUN),
    Rule(r"sidecar render-config .*--verify", How.WITH_FLUENT_BIT),
    Rule(r"sidecar (plan|apply)\b(?!.*--delete)", How.WITH_OPENSEARCH),
    Rule(r"sidecar apply .*--delete", How.ELSEWHERE, "tests/integration/test_apply.py:--delete"),
    Rule(r"sidecar doctor\b", How.ELSEWHERE, "tests/integration/test_doctor.py:doctor"),
    Rule(r"sidecar run\b", How.ELSEWHERE, "tests/integration/test_spine.py:Pipeline"),
    Rule(r"sidecar controlplane replay\b", How.ELSEWHERE, "tests/unit/controlplane/test_replay.py:replay"),
    Rule(r"sidecar demo\b", How.ELSEWHERE, "tests/integration/test_demo.py:demo"),
    Rule(r"fluent-bit -c /tmp/fluent-sidecar/run", How.ELSEWHERE, "tests/support/pipeline.py:fluent_bit_file"),
    Rule(r"helm (install|upgrade)\b", How.RENDERED),
    Rule(r"(helm uninstall|kubectl)\b", How.UNDERSTOOD),
    Rule(r"(while )?aws (cloudformation describe-|eks|iam|logs|opensearch|sqs|ssm)", How.OF_AWS),
    Rule(r"aws (s3 cp|cloudformation deploy)\b", How.EXCUSED, "needs AWS; it is the AWS CLI's own, and no operation"),
    Rule(r"export [A-Z_]+=", How.EXCUSED, "variables for the commands below them, whose tests have their own"),
    Rule(r"(kind|docker) ", How.EXCUSED, "needs Docker; .github/workflows/kind.yaml does the same on kind"),
    Rule(r"curl .*(_plugins/_security|_dashboards)/", How.EXCUSED, "needs a domain, and a user who may do so"),
    Rule(r"jq ", How.EXCUSED, "needs what a queue of AWS gave, or what apply wrote over"),
    Rule(r"cosign verify\b", How.EXCUSED, "needs a release that was published"),
    Rule(r"make (demo|test|lint|bench|chaos|chart|docs|clean)\b", How.ELSEWHERE, "tests/unit/test_house.py:made_by"),
]
