"""What each key allows, and what its value means."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Config
from sidecar.config.model import section_at
from sidecar.config.units import parse_duration, parse_size
from tests.unit.config.pipelines import all_refused, config, refused

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


def test_an_address_may_be_a_parameter_and_nothing_else() -> None:
    opensearch = config(opensearch=f"auth: {{{SSM}}}").opensearch
    assert (opensearch.url, opensearch.endpoint.scheme, opensearch.endpoint.hostname) == (None, "https", None)
    for auth in ("{}", f"{{{SIGV4}}}"):
        assert refused(opensearch=f"auth: {auth}") == "opensearch.url: is required"
    assert refused(opensearch=f"url: , auth: {{{SSM}}}").startswith("opensearch.url: has no value")


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


def test_requests_are_large_enough_for_a_chunk_and_a_line() -> None:
    assert refused(opensearch="url: 'http://h', maxRequest: 3MiB") == (
        "opensearch.maxRequest: maxRequest must be 4MiB to 100MiB"
    )
    text = "opensearch.maxRequest must be at least 4 times logs.maxLine, 16MiB: a line is sent with its fields,"
    assert refused(logs="maxLine: 4MiB").startswith(f"logs.maxLine: {text}")
    assert refused(opensearch="url: 'http://h', maxRequest: 4MiB", logs="maxLine: 2MiB").startswith("logs.maxLine: ")
    assert config(logs="maxLine: 4MiB", opensearch="url: 'http://h', maxRequest: 16MiB").logs.max_line == 2**22


BASIC = "basic: {username: {env: A}, password: {env: B}}"
MTLS = "mtls: {cert: /c, key: /k}"
SIGV4 = "sigv4: {region: eu-west-1}"
SSM = "ssm: {path: /a/b, region: eu-west-1}"


@pytest.mark.parametrize("auth", [BASIC, MTLS, SIGV4, SSM])
def test_one_kind_of_credentials(auth: str) -> None:
    found = config(opensearch=f"url: 'https://h', auth: {{{auth}}}").opensearch.auth
    assert [kind for kind in ("basic", "mtls", "sigv4", "ssm") if getattr(found, kind)] == [auth.partition(":")[0]]


def test_two_kinds_of_credentials() -> None:
    assert all_refused(opensearch=f"url: 'https://h', auth: {{{SSM}, {BASIC}, {SIGV4}}}") == [
        "opensearch.auth.ssm: at most one kind of credentials; basic is there already",
        "opensearch.auth.sigv4: at most one kind of credentials; basic is there already",
    ]


@pytest.mark.parametrize(
    ("auth", "wanted"),
    [
        ("sigv4: {region: Ireland}", 'sigv4.region: expected a region such as eu-west-1, found "Ireland"'),
        (
            "sigv4: {region: eu-west-1, service: aoss}",
            "sigv4.service: OpenSearch Serverless (aoss) takes no documents with",
        ),
        ("sigv4: {region: eu-west-1, service: s3}", 'sigv4.service: expected es, found "s3"'),
        (
            "sigv4: {region: eu-west-1, roleArn: admin}",
            "sigv4.roleArn: expected a role such as arn:aws:iam::123456789012:",
        ),
        ("sigv4: {region: eu-west-1, roleArn: }", "sigv4.roleArn: has no value"),
        ("ssm: {path: a, region: eu-west-1}", "ssm.path: expected a path of parameters such as /workshop/opensearch"),
        ("mtls: {cert: c, key: /k}", "mtls.cert: expected an absolute path"),
    ],
)
def test_no_credentials(auth: str, wanted: str) -> None:
    assert refused(opensearch=f"url: 'https://h', auth: {{{auth}}}").startswith(f"opensearch.auth.{wanted}")


def test_a_client_certificate_needs_tls() -> None:
    wanted = "opensearch.auth.mtls: a client certificate needs a url that begins with https"
    assert refused(opensearch=f"url: 'http://h', auth: {{{MTLS}}}") == wanted


def test_no_serverless_address() -> None:
    assert refused(opensearch="url: 'https://x.eu-west-1.aoss.amazonaws.com'").startswith(
        "opensearch.url: OpenSearch Serv"
    )


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


def test_a_journal_too_small_for_its_segments() -> None:
    assert refused(events="journal: 15MiB") == "events.journal: journal must be at least 16MiB"


def test_how_long_the_api_server_keeps_events() -> None:
    assert config(events="apiTTL: 90m").events.api_ttl == timedelta(minutes=90)
    assert refused(events="apiTTL: 30s") == "events.apiTTL: apiTTL must be at least 1m"
    assert refused(events="apiTtl: 1h") == 'events.apiTtl: unknown key; did you mean "apiTTL"?'


@pytest.mark.parametrize("name", ["a", "kube-*", "*", "a.b", "0-*-1"])
def test_namespaces_to_select(name: str) -> None:
    assert config(events=f"include: {{namespaces: ['{name}']}}").events.include.namespaces == (name,)


@pytest.mark.parametrize("name", ["", "A", "a_b", "a b", "a/b", "a?", "a\\n", "é", "a" * 254])
def test_no_namespaces_to_select(name: str) -> None:
    wanted = "events.exclude.namespaces[1]: expected a name as Kubernetes has it"
    assert refused(events=f'exclude: {{namespaces: [a, "{name}"]}}').startswith(wanted)


@pytest.mark.parametrize("name", ["", " a", "a ", "a\\n", "a" * 254])
def test_no_reasons_to_select(name: str) -> None:
    wanted = "events.include.reasons[0]: expected a name of 1 to 253 characters"
    assert refused(events=f'include: {{reasons: ["{name}"]}}').startswith(wanted)


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
    text = "fluentbit.port and agent.port are both {}; they share a pod, so they must differ"
    assert refused(agent="port: 2020") == f"agent.port: {text.format(2020)}"
    assert refused(fluentbit="port: 2021") == f"fluentbit.port: {text.format(2021)}"


# buffer


@pytest.mark.parametrize(
    ("buffer", "wanted"),
    [
        ("disk: 63MiB", "buffer.disk: disk must be at least 64MiB"),
        ("memory: 15MiB", "buffer.memory: memory must be at least 16MiB"),
        (
            "memory: 65MiB, disk: 64MiB",
            "buffer.memory: memory must not be more than buffer.disk, of which it is a part",
        ),
    ],
)
def test_buffers_that_are_too_small(buffer: str, wanted: str) -> None:
    assert refused(buffer=buffer) == wanted


def test_a_buffer_may_be_all_in_memory() -> None:
    assert config(buffer="memory: 64MiB, disk: 64MiB").buffer.memory == 64 * 2**20


# controlPlane, dashboards, alerts


@pytest.mark.parametrize(
    ("section", "text", "wanted"),
    [
        (
            "controlPlane",
            "types: [api, audi]",
            "types[1]: expected api, audit, authenticator, controllerManager or scheduler",
        ),
        (
            "controlPlane",
            "logGroup: 'a b'",
            'logGroup: expected a log group such as /aws/eks/CLUSTER/cluster, found "a b"',
        ),
        ("controlPlane", "logGroup: ", "logGroup: has no value"),
        ("dashboards", "url: 'ftp://h'", "url: expected an address such as https://opensearch.example:9200"),
        ("dashboards", "tenant: 'a b'", "tenant: expected the name of a tenant"),
        ("alerts", "channel: {slack: {url: 'https://x'}}", "channel.slack.url: a secret is never written in the file"),
        ("alerts", "channel: ", "channel: has no value"),
        ("alerts", "channel: {webhook: {url: 'https://x'}}", "channel.webhook.url: a secret is never written in"),
        ("alerts", "channel: {sns: {topicArn: t}}", "channel.sns.topicArn: expected a topic such as arn:aws:sns:"),
        ("alerts", "channel: {existing: [a b]}", "channel.existing[0]: expected the id of a channel"),
        ("alerts", "monitors: {warnings: {above: -1}}", "monitors.warnings.above: must be at least 0, found -1"),
        (
            "alerts",
            "monitors: {gaps: {period: 59s}}",
            "monitors.gaps.period: expected a duration of 1m to 1d, found 59s",
        ),
        ("alerts", "monitors: {errors: {share: 101}}", "monitors.errors.share: must be at most 100, found 101"),
        (
            "alerts",
            "monitors: {nodeSilence: {period: 1h}}",
            "monitors.nodeSilence.within: within must be longer than period, 1h",
        ),
    ],
)
def test_the_other_sections_are_checked(section: str, text: str, wanted: str) -> None:
    assert refused(**{section: text}).startswith(f"{section}.{wanted}")


def test_keys_without_effect_are_known() -> None:
    assert config(controlPlane="logGroup: /a, types: [api]").unused() == ()
    assert config(controlPlane="source: node, logGroup: /a, auditLog: /b").unused() == ("controlPlane.logGroup",)
    assert config(controlPlane="auditLog: /b").unused() == ("controlPlane.auditLog",)
    assert config().unused() == ()


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
    assert section_at(("logs", "routes", 3, "labels")) is None
    route = section_at(("logs", "routes", 3))
    assert route is not None
    assert "namespaces" in route.model_fields


def test_a_key_has_one_spelling() -> None:
    assert refused(logs="max_line: 1MiB") == 'logs.max_line: unknown key; did you mean "maxLine"?'
    assert all_refused(control_plane="")[0].startswith('control_plane: unknown key; did you mean "controlPlane"?')
