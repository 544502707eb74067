"""What each key allows, and what its value means."""

import ast
import inspect
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Config, loads, model, secret
from sidecar.config.model import section_at
from sidecar.config.units import parse_duration, parse_size
from sidecar.errors import ConfigError


def document(**sections: str) -> str:
    opensearch = sections.pop("opensearch", "url: 'https://h:9200'")
    lines = [f"cluster: {sections.pop('cluster', 'c')}", f"opensearch: {{{opensearch}}}"]
    return "\n".join([*lines, *(f"{name}: {{{text}}}" for name, text in sections.items())])


def config(**sections: str) -> Config:
    return loads(document(**sections))


def refused(**sections: str) -> str:
    """The one message that a document brings, without its place."""
    with pytest.raises(ConfigError) as caught:
        loads(document(**sections))
    [problem] = caught.value.problems
    assert problem.line > 0
    return f"{problem.path}: {problem.text}"


# Units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("5m", timedelta(minutes=5)),
        ("1.5s", timedelta(seconds=1.5)),
        ("250ms", timedelta(milliseconds=250)),
        ("36500d", timedelta(days=36500)),
    ],
)
def test_durations(text: str, value: timedelta) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "30D", "30 d", " 30d", "30d\n", "-1d", "+1d", "0d", "0.0ms", "1e3s", "1w", ".5s", "1.s", "٣d", 30,
     None, True, "36501d", "9" * 400 + "d"],
)  # fmt: skip
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration "):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1B", 1),
        ("1KiB", 1024),
        ("1KB", 1000),
        ("1.5MiB", 3 * 2**19),
        ("10MB", 10**7),
        ("2GiB", 2**31),
        ("2GB", 2 * 10**9),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert parse_size(text) == value


@pytest.mark.parametrize(
    "text", ["", "2", "2G", "2gib", "2Gi", "0MiB", "0.1B", "-1B", "٣B", "2GiB\n", 2, None, "9" * 400 + "GiB"]
)
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size "):
        parse_size(text)


@given(st.text(max_size=20) | st.from_regex(r"\A\d{1,30}(\.\d{1,30})?(ms|s|m|h|d|B|KiB|GiB)\n?\Z"))
def test_units_are_parsed_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert value


# cluster


@pytest.mark.parametrize(
    "name", ["c", "eks-workshop", "arn:aws:eks:eu-west-1:1:cluster/a_b", "admin@c.example", "a" * 256]
)
def test_cluster_names(name: str) -> None:
    assert config(cluster=f'"{name}"').cluster == name


@pytest.mark.parametrize("name", ["", " c", "c ", "-c", "a b", "c\\n", "é", "a" * 257, "${X}"])
def test_no_cluster_names(name: str) -> None:
    assert refused(cluster=f'"{name}"').startswith("cluster: expected a name of letters, digits and ")


# opensearch


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://h", "h", 443, ""),
        ("http://h", "h", 80, ""),
        ("http://h:1/", "h", 1, ""),
        ("https://Search-x.eu-west-1.es.amazonaws.com", "search-x.eu-west-1.es.amazonaws.com", 443, ""),
        ("https://10.0.0.1:9200", "10.0.0.1", 9200, ""),
        ("https://[2001:db8::1]:9200", "2001:db8::1", 9200, ""),
        ("https://h/a/b/", "h", 443, "/a/b"),
    ],
)
def test_addresses(url: str, host: str, port: int, path: str) -> None:
    opensearch = config(opensearch=f"url: '{url}'").opensearch

    assert (opensearch.endpoint.hostname, opensearch.port, opensearch.endpoint.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    ["h", "h:9200", "//h", "https:/h", "https://", "https://:9200", "ftp://h", "https://h:0", "https://h:65536",
     "https://h:x", "https://[::1"],
)  # fmt: skip
def test_no_addresses(url: str) -> None:
    wanted = f'opensearch.url: expected an address such as https://opensearch.example:9200, found "{url}"'

    assert refused(opensearch=f'url: "{url}"') == wanted


@pytest.mark.parametrize(
    "url",
    ["https://h?x=1", "https://h/#x", "https://h/${X}", "https://h/%41", "https://h/a b", "https://hö", "\\x01https://h",
     "https://h\\n", "https://h/'", "https://h\\\\x"],
)  # fmt: skip
def test_what_an_address_can_not_hold(url: str) -> None:
    wanted = "opensearch.url: expected an address of plain ASCII without query, fragment, '$', '%', quotes and spaces"

    assert refused(opensearch=f'url: "{url}"') == wanted


def test_a_host_that_is_none() -> None:
    assert refused(opensearch="url: 'https://a,b'") == 'opensearch.url: "a,b" is no host name'


@pytest.mark.parametrize("url", ["https://user@h", "https://user:pw@h", "user:pw@h", "https://@h"])
def test_no_credentials_in_an_address(url: str) -> None:
    wanted = "user and password don't belong in the address; write them under opensearch.auth, by reference"

    assert refused(opensearch=f"url: '{url}'") == f"opensearch.url: {wanted}"


@pytest.mark.parametrize("version", ["2.11", "2.19.1", "3.4"])
def test_versions_of_opensearch(version: str) -> None:
    assert config(opensearch=f"url: 'http://h', version: '{version}'").opensearch.version == version


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("2.9", "OpenSearch 2.9 is too old; the oldest that works is 2.11"),
        ("1.3.20", "OpenSearch 1.3.20 is too old; the oldest that works is 2.11"),
        ("2", 'expected a version such as 2.11, found "2"'),
        ("v2.19", 'expected a version such as 2.11, found "v2.19"'),
        ("2.x", 'expected a version such as 2.11, found "2.x"'),
        ("3.4.0-beta1", 'expected a version such as 2.11, found "3.4.0-beta1"'),
        ("٢.١٩", 'expected a version such as 2.11, found "٢.١٩"'),
    ],
)
def test_no_versions_of_opensearch(version: str, wanted: str) -> None:
    assert refused(opensearch=f"url: 'http://h', version: '{version}'") == f"opensearch.version: {wanted}"


def test_an_old_fluent_bit() -> None:
    wanted = "fluentbit.version: Fluent Bit 4.2.0 is too old; the oldest that works is 5.1.1"

    assert refused(fluentbit="version: '4.2.0'") == wanted


# events


@pytest.mark.parametrize("name", ["a", "eks-kubernetes-events", "a.b_c-1", "0", "a" * 240, "fluent-sidecar-events"])
def test_index_names(name: str) -> None:
    assert config(events=f"index: '{name}'").events.index == name


@pytest.mark.parametrize(
    "name",
    ["", "A", "_a", "-a", "+a", ".a", "..", "a b", "a/b", "a*", "a,b", "a#", "a:b", "a\\n", "é", "a" * 241, "a$b",
     "a%b"],
)  # fmt: skip
def test_no_index_names(name: str) -> None:
    assert refused(events=f'index: "{name}"').startswith("events.index: expected an index name: lower-case letters")


@pytest.mark.parametrize(
    "name", ["fluent", "fluent-sidecar", "fluent-sidecar-dead", "fluent-sidecar-dead-letter", "dead-letter"]
)
def test_no_index_meets_the_dead_letters(name: str) -> None:
    wanted = f'events.index: "{name}" would meet the index fluent-sidecar-dead-letter; choose another name'

    assert refused(events=f"index: {name}") == wanted


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ("rotate: never, retain: 3d", "retain needs rotate: daily or monthly, because an index is deleted as a whole"),
        ("retain: 23h", "retain must be at least 1d, because an index covers a day or a month"),
        ("journal: 15MiB", "journal must be at least 16MiB"),
    ],
)
def test_what_does_not_go_together_in_events(events: str, wanted: str) -> None:
    assert refused(events=events) == f"events: {wanted}"


def test_retention() -> None:
    assert config(events="rotate: never").events.retention is None
    assert config(events="rotate: monthly").events.retention == timedelta(days=30)
    assert config(events="retain: 1d").events.retention == timedelta(days=1)


# paths


@pytest.mark.parametrize(
    ("path", "normal"),
    [("/a", "/a"), ("/a/", "/a"), ("//a//b/./c", "/a/b/c"), ("/a b", "/a b"), ("/é", "/é"), ("/", "/")],
)
def test_paths(path: str, normal: str) -> None:
    assert config(paths=f"logs: '{path}'").paths.logs == normal


@pytest.mark.parametrize(
    "path",
    ["", "a", "./a", "~/a", "/a/../b", "/..", "/$HOME", "/${X}", "/a*", "/a?", "/[a]", "/{a}", "/a,/b", "/a\\\\b"],
)
def test_no_paths(path: str) -> None:
    assert refused(paths=f'logs: "{path}"').startswith("paths.logs: expected an absolute path without ")


@pytest.mark.parametrize("path", ["/a\\0", "/a\\nb", "/a ", "/a\\x85", "/a\\x7f"])
def test_no_odd_characters_in_paths(path: str) -> None:
    assert refused(paths=f'logs: "{path}"').startswith("paths.logs: expected a path without control characters")


@pytest.mark.parametrize(
    ("state", "run"), [("/a", "/a"), ("/a", "/a/b"), ("/a/b", "/a"), ("/a/.", "//a/b"), ("/", "/a"), ("/a", "/")]
)
def test_state_and_run_are_apart(state: str, run: str) -> None:
    assert "must not lie in one another" in refused(paths=f"state: '{state}', run: '{run}'")


def test_a_common_beginning_is_no_nesting() -> None:
    assert config(paths="state: /a/bc, run: /a/b").paths.run == "/a/b"


# agent, fluentbit


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "fe80::1"])
def test_ip_addresses(address: str) -> None:
    assert config(agent=f"address: '{address}'").agent.address == address


@pytest.mark.parametrize("address", ["", "localhost", "1.2.3", "1.2.3.4:80", "012.1.1.1"])
def test_no_ip_addresses(address: str) -> None:
    wanted = f'agent.address: expected an IP address such as 0.0.0.0 or 127.0.0.1, found "{address}"'

    assert refused(agent=f"address: '{address}'") == wanted


def test_two_servers_need_two_ports() -> None:
    with pytest.raises(ConfigError, match=r"fluentbit.port and agent.port are both 2020; they share a pod"):
        config(agent="port: 2020")


# The whole


def test_a_config_can_not_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config().cluster = "other"  # type: ignore[misc]


def test_sections_are_found_by_path() -> None:
    assert section_at(()) is Config
    found = section_at(("opensearch", "auth", "basic", "password"))
    assert found is not None
    assert set(found.model_fields) == {"env", "file"}
    assert section_at(("opensearch", "url")) is None
    assert section_at(("nope", "nope")) is None


def test_every_key_says_what_it_is() -> None:
    # The text below a field is its description in the reference.
    silent = []
    for module in (model, secret):
        for section in ast.parse(inspect.getsource(module)).body:
            if not isinstance(section, ast.ClassDef):
                continue
            for field, below in zip(section.body, [*section.body[1:], ast.Pass()], strict=True):
                if isinstance(field, ast.AnnAssign) and not (
                    isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
                ):
                    silent.append(f"{section.name}.{ast.unparse(field.target)}")

    assert silent == []
