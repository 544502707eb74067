"""pipeline.yaml is read strictly: what is wrong is said all at once, with its place, and without a secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Config, load, loads
from sidecar.config.source import read_source
from sidecar.errors import ConfigError

SMALLEST = "cluster: c\nopensearch:\n  url: https://h:9200\n"
NO_SUCH_KEY = (
    "unknown key; allowed are cluster, opensearch, events, logs, controlPlane, dashboards, alerts, buffer, paths, "
    "fluentbit, agent"
)
SECRET = "hunter2"
ROOT = Path(__file__).parents[3]


def errors(text: str) -> list[str]:
    """The messages for a text, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        loads(text, file="p")
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(problem.located("p") for problem in caught.value.problems)
    return [problem.located("p").removeprefix("p:") for problem in caught.value.problems]


def with_events(text: str) -> str:
    return f"{SMALLEST}events: {{{text}}}\n"


# What a file may say


def test_the_smallest_file_has_safe_defaults() -> None:
    config = loads(SMALLEST)

    assert config.cluster == "c"
    assert config.opensearch.port == 9200
    assert config.opensearch.tls.verify
    assert config.opensearch.manage
    assert config.opensearch.auth.basic is None
    assert config.events.rotate == "daily"
    assert config.events.retention is not None
    assert config.events.retention.days == 30
    assert config.events.journal == 512 * 2**20


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{SMALLEST}",
        SMALLEST.replace("\n", "\r\n"),
        f"---\n{SMALLEST}",
        f"{SMALLEST}...\n",
        f"# été\n{SMALLEST}# \U0001f600\n",
        '{"cluster": "c", "opensearch": {"url": "https://h:9200"}}',
        "cluster: !!str c\nopensearch: {url: https://h:9200}",
        "cluster: &c c\nopensearch: {url: https://h:9200}",
    ],
    ids=["bom", "crlf", "start mark", "end mark", "unicode comment", "json", "tag of text", "unused anchor"],
)
def test_the_same_in_another_dress(text: str) -> None:
    assert loads(text) == loads(SMALLEST)


def test_an_alias_stands_for_its_anchor() -> None:
    config = loads(
        f"{SMALLEST}  auth: {{basic: {{username: &here {{env: SECRET}}, password: *here}}}}\n",
    )

    assert config.opensearch.auth.basic is not None
    assert config.opensearch.auth.basic.password == config.opensearch.auth.basic.username


@pytest.mark.parametrize("name", ["no", "on", "yes", "y", "012", "1:30", "1e3", "0x10", "1_000", "2026-11-22"])
def test_what_yaml_1_1_reads_as_something_else_is_text(name: str) -> None:
    assert loads(SMALLEST.replace(" c\n", f" {name}\n", 1)).cluster == name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("true", True),
        ("false", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("True", "True"),
        ("NULL", "NULL"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
    ],
    ids=lambda value: str(value)[:12],
)
def test_scalars(text: str, value: object) -> None:
    data = read_source(f"a: {text}\n").data

    assert data == {"a": value}
    assert type(data["a"]) is type(value)


# What is wrong with its form


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cluster: c\nopensearch:\n\turl: x\n", ["3:1: a tab can't indent or separate in YAML; use spaces"]),
        (f"{SMALLEST}---\na: 1\n", ["4:1: a second document begins here; the file must hold one"]),
        ("cluster: c: d\n", ["1:11: not YAML: mapping values are not allowed in this context"]),
        (
            f"{SMALLEST}events: {{index: a\n",
            ["5:1: not YAML: while parsing a flow mapping, did not find expected ',' or '}'"],
        ),
        (f"{SMALLEST}a: *x\n", ["4:4: not YAML: found undefined alias"]),
        (f"{SMALLEST}# a\x01\n", ["4:4: the character U+0001 is not allowed in YAML"]),
        (f"{SMALLEST}a: \ud800\n", ["4:4: the character U+D800 is not allowed in YAML"]),
        (f"{SMALLEST}? [a]\n: b\n", ["4:3: a key must be text"]),
        (f"{SMALLEST}cluster: d\n", ["4:1: cluster: duplicate key; it is in line 1 already"]),
        (with_events("index: a, index: b"), ["4:20: events.index: duplicate key; it is in line 4 already"]),
        (
            f"{SMALLEST}agent: {{port: !!int '5'}}\n",
            ["4:15: agent.port: a tag is not allowed; text that begins with '!' needs quotes"],
        ),
        (
            SMALLEST.replace(" c\n", " !!python/object/apply:os.system [id]\n"),
            ["1:10: cluster: a tag is not allowed; text that begins with '!' needs quotes"],
        ),
        (
            f"{SMALLEST}agent: &a {{port: *a}}\n",
            ["4:8: agent.port: this alias refers to itself"],
        ),
        (f"{SMALLEST}agent: {'[' * 50}{']' * 50}", ["4:48: maps and lists are nested too deeply"]),
    ],
    ids=[
        "tab", "second document", "colon", "not closed", "no anchor", "control character", "surrogate", "list as key",
        "duplicate key", "duplicate key in flow", "tag", "python tag", "alias of itself", "deep",
    ],
)  # fmt: skip
def test_bad_form(text: str, wanted: list[str]) -> None:
    assert errors(text) == wanted


@pytest.mark.parametrize("text", ["[" * 500_000 + "]" * 500_000, "- " * 500_000, "{a: " * 300_000, "? " * 500_000])
def test_what_would_overflow_the_stack_of_the_parser(text: str) -> None:
    # In a process of its own: it would not end by an exception.
    code = "import sys; from sidecar.config import loads; loads(sys.stdin.read())"
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "maps and lists are nested too deeply" in done.stderr.splitlines()[-1]


def test_a_billion_laughs_are_one_short_message() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for one, before in zip("bcdefghij", "abcdefghi", strict=True):
        lines.append(f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]")

    [message] = errors("\n".join(lines))

    assert message.endswith("there are too many values, or aliases")


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_says_what_the_smallest_is(text: str) -> None:
    wanted = " is empty; the smallest file is 'cluster: NAME' and, below 'opensearch:', 'url: ADDRESS'"

    assert errors(text) == [wanted]


# What is wrong with its content


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"{SMALLEST}event: 1\n", ['4:1: event: unknown key; did you mean "events"?']),
        (with_events("retian: 1d"), ['4:10: events.retian: unknown key; did you mean "retain"?']),
        (with_events("Index: a"), ['4:10: events.Index: unknown key; did you mean "index"?']),
        (f"{SMALLEST}zzz: 1\n", [f"4:1: zzz: {NO_SUCH_KEY}"]),
        (f'{SMALLEST}"a\\nb": 1\n', [f'4:1: "a\\nb": {NO_SUCH_KEY}']),
        (f"{SMALLEST}agent: {{port: 1, <<: {{}}}}\n", ["4:18: agent.<<: unknown key; allowed are address, port"]),
        ("- a\n", ["1:1: expected a map, found a list"]),
        ("hello\n", ["1:1: expected a map, found text"]),
        (f"{SMALLEST}events: [a]\n", ["4:9: events: expected a map, found a list"]),
        (f"{SMALLEST}events:\n", ["4:8: events: expected a map, found nothing"]),
        ("cluster: c\n", ["1:1: opensearch: is required"]),
        ("cluster: c\nopensearch: {}\n", ["2:13: opensearch.url: is required"]),
        (SMALLEST.replace(" c\n", " 12\n"), ["1:10: cluster: expected text, found 12; put it in quotes"]),
        (SMALLEST.replace(" c\n", " [c]\n"), ["1:10: cluster: expected text, found a list"]),
        (f"{SMALLEST}  version: 2.19\n", ["4:12: opensearch.version: expected text, found 2.19; put it in quotes"]),
        (f"{SMALLEST}  manage: no\n", ['4:11: opensearch.manage: expected true or false, found "no"']),
        (f"{SMALLEST}  manage: 1\n", ["4:11: opensearch.manage: expected true or false, found 1"]),
        (f"{SMALLEST}agent: {{port: 012}}\n", ['4:15: agent.port: expected a whole number, found "012"']),
        (f"{SMALLEST}agent: {{port: 0x10}}\n", ['4:15: agent.port: expected a whole number, found "0x10"']),
        (f"{SMALLEST}agent: {{port: 1:30}}\n", ['4:15: agent.port: expected a whole number, found "1:30"']),
        (f"{SMALLEST}agent: {{port: 1e3}}\n", ['4:15: agent.port: expected a whole number, found "1e3"']),
        (f"{SMALLEST}agent: {{port: 1.0}}\n", ["4:15: agent.port: expected a whole number, found 1.0"]),
        (f"{SMALLEST}agent: {{port: true}}\n", ["4:15: agent.port: expected a whole number, found true"]),
        (f"{SMALLEST}agent: {{port: 0}}\n", ["4:15: agent.port: must be at least 1, found 0"]),
        (f"{SMALLEST}agent: {{port: 65536}}\n", ["4:15: agent.port: must be at most 65535, found 65536"]),
        (
            with_events("rotate: dayly"),
            ['4:18: events.rotate: expected daily, monthly or never, found "dayly"; did you mean "daily"?'],
        ),
        (with_events("rotate: 1"), ["4:18: events.rotate: expected daily, monthly or never, found 1"]),
    ],
)
def test_bad_content(text: str, wanted: list[str]) -> None:
    assert errors(text) == wanted


def test_everything_at_once_in_the_order_of_the_file() -> None:
    text = """\
cluster: my cluster
cluster: c
opensearch:
  url: localhost:9200
  versoin: "2.19"
events:
  retain: 30
  rotate: [daily]
  index: !x y
agent: 5
"""
    assert errors(text) == [
        (
            "1:10: cluster: expected a name of letters, digits and '.', '_', ':', '/', '@', '-' after the first, "
            'at most 256 characters; found "my cluster"'
        ),
        "2:1: cluster: duplicate key; it is in line 1 already",
        '4:8: opensearch.url: expected an address such as https://opensearch.example:9200, found "localhost:9200"',
        '5:3: opensearch.versoin: unknown key; did you mean "version"?',
        "7:11: events.retain: expected a duration such as 30d, 12h, 5m, 1.5s or 250ms, found 30",
        "8:11: events.rotate: expected daily, monthly or never, found a list",
        "9:10: events.index: a tag is not allowed; text that begins with '!' needs quotes",
        "10:8: agent: expected a map, found 5",
    ]


def test_a_long_value_is_cut_and_stays_on_its_line() -> None:
    [message] = errors(f'{SMALLEST}agent: {{port: "{"x" * 1000}"}}\n')
    [other] = errors(f'{SMALLEST}agent: {{address: "a\\nb\\e[31m"}}\n')

    assert message.endswith(f'found "{"x" * 60}"...')
    assert other.endswith('found "a\\nb\\u001b[31m"')


# Secrets


@pytest.mark.parametrize(
    "text",
    [
        f"opensearch: https://admin:{SECRET}@h:9200",
        f"opensearch: {{url: 'https://admin:{SECRET}@h:9200'}}",
        f"opensearch: {{url: 'admin:{SECRET}@h:9200'}}",
        f"opensearch: {{url: 'https://admin:{SECRET}@h:99999'}}",
        f"opensearch: {{url: 'https://h:9200?password={SECRET}'}}",
        f"opensearch: {{url: ['https://admin:{SECRET}@h:9200']}}",
        f"opensearch: {{auth: 'admin:{SECRET}'}}",
        f"opensearch: {{auth: {{basic: 'admin:{SECRET}'}}}}",
        f"opensearch: {{auth: {{basic: [admin, {SECRET}]}}}}",
        f"opensearch: {{auth: {{password: {SECRET}}}}}",
        f"opensearch: {{auth: {{basic: {{password: {SECRET}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: !{SECRET}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: *{SECRET}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: [{SECRET}]}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: {{{SECRET}}}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: {{value: {SECRET}}}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: {{env: '${SECRET}'}}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: {{env: [{SECRET}]}}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: {{file: {SECRET}}}}}}}}}",
        f"opensearch: {{password: {SECRET}}}",
        f"password: {SECRET}",
        f"opensearch: {{auth: {{basic: {{password: @{SECRET}}}}}}}",
        f"opensearch: {{auth: {{basic: {{password: %{SECRET}}}}}}}",
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(text: str) -> None:
    messages = errors(f"cluster: c\n{text}\n")

    assert messages
    assert SECRET not in "\n".join(messages)


def test_a_literal_password_is_told_how_to_be_written() -> None:
    text = f"{SMALLEST}  auth: {{basic: {{username: admin, password: {{flie: /x}}}}}}\n"

    assert errors(text) == [
        (
            "4:28: opensearch.auth.basic.username: a secret is never written in the file; "
            "write {env: NAME} or {file: /path}"
        ),
        '4:46: opensearch.auth.basic.password: unknown key; did you mean "file"?',
    ]


def test_neither_the_error_nor_its_causes_hold_the_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        loads(f"cluster: c\nopensearch: {{url: 'https://a:{SECRET}@h', auth: {{basic: {SECRET}}}}}\n")

    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# The file itself


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_bytes(f"\ufeff{SMALLEST}".encode())

    assert load(str(file)) == loads(SMALLEST)


def message_for(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    return str(caught.value).removeprefix(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert message_for(tmp_path / "nope") == ": there is no such file"


def test_a_folder(tmp_path: Path) -> None:
    assert message_for(tmp_path) == ": is a folder; name the file in it"


def test_a_file_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    assert message_for(tmp_path / "a" / "b") == ": can't be read: Not a directory"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can be opened but not read")
def test_a_file_that_fails_while_it_is_read() -> None:
    assert message_for(Path("/proc/self/mem")) == ": can't be read: Input/output error"


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.touch(mode=0)

    assert message_for(file) == ": can't be read: Permission denied"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_bytes(b"#" * (4 * 2**20 + 1))

    assert message_for(file) == ": is larger than 4 MiB"


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_bytes(b"cluster: c\n# \xe9t\xe9\n")

    assert message_for(file) == ":2:1: is not UTF-8 text"


def test_an_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.touch()

    assert message_for(file).startswith(": is empty; the smallest file is")


# Whatever comes: a Config, or located problems


def check_any(text: str) -> None:
    problems = []
    try:
        assert isinstance(loads(text), Config)
    except ConfigError as error:
        problems = error.problems
        assert problems
    for problem in problems:
        assert problem.text
        assert "\n" not in problem.located("p")
        assert problem.line >= 1 or not problem.column
        assert problem.line <= len(text.splitlines()) + 1


ANY = st.text(st.characters(exclude_categories=[]), max_size=200)
PIECES = st.sampled_from(
    [
        *"\n :-[]{},&*!|>'\"%@`#?\t\x00\x85\u2028\ufeff", "\n  ", "---\n", "...\n", "&a ", "*a", "<<: *a", "!!binary ",
        "!!set ", "~", "no", "012", "1:30", "1e999", "9" * 400, "true", "2026-11-22", "cluster", "opensearch:\n",
        "events: ", "url: ", "https://[", "retain: 9999999999999d", "journal: 1e9GiB", "{env: A}", "٣d",
    ]
)  # fmt: skip
VALID = [path.read_text() for path in sorted((ROOT / "examples").glob("*.yaml"))]


@given(ANY)
def test_any_text(text: str) -> None:
    check_any(text)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_pieces_of_yaml(text: str) -> None:
    check_any(text)


@given(st.data())
def test_mutations_of_valid_files(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(VALID))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 20)))
        text = text[:start] + data.draw(PIECES | ANY) + text[end:]
    check_any(text)


# What a command needs to start


def test_the_configuration_looks_for_no_plugins() -> None:
    # It would look through every installed package, which takes longer than everything else.
    code = "import os, sidecar.config; print(os.environ['PYDANTIC_DISABLE_PLUGINS'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "__all__\n"
