"""The copy for a trial start keeps what is to be tried, and reaches nothing else."""

import copy
import json
from itertools import count

from sidecar.config import loads
from sidecar.render.fluentbit import Json, fluent_bit
from sidecar.render.lua import ENTRY
from sidecar.render.proof import lowered, matches
from sidecar.render.trial import NOWHERE, harmless

CONFIG = loads(
    "cluster: c\nopensearch: {url: 'https://opensearch.example:9243', tls: {ca: /etc/ca.crt},"
    " auth: {basic: {username: {env: U}, password: {env: P}}}}\npaths: {logs: /pods, state: /state, run: /run/x}\n"
    "logs: {systemd: [kubelet.service]}\n"
)
EXTRA = loads(
    "cluster: c\nopensearch: {url: 'http://h'}\nfluentbit:\n  extra:\n"
    "    inputs:\n"
    "      - {Name: Forward, Tag: mine.a, Listen: 0.0.0.0, Port: 24224}\n"
    "      - {name: exec, tag: mine.b, command: rm -rf /}\n"
    "      - {name: tail, tag: mine.c, PATH: /var/log/app.log, DB: /var/lib/app.db, skip_empty_lines: true}\n"
    "      - {name: forward, tag: mine.d, unix_path: /run/forward.sock}\n"
    "    filters: [{Name: grep, Match: mine.*, regex: a b}]\n"
    "    outputs:\n"
    "      - {name: prometheus_exporter, match: mine.*, port: 9100}\n"
    "      - {name: http, match: mine.*, host: collector.example}\n"
    "      - {name: file, match: mine.*, path: /data}\n"
)


def tried(content: Json) -> Json:
    return harmless(content, "/scratch", count(40000))


def test_it_names_no_place_of_the_real_one() -> None:
    text = json.dumps(tried(fluent_bit(CONFIG)))
    for place in ("/pods", "/state", "/run/x", "/var/log", "opensearch.example", "9243", "2020"):
        assert place not in text


def test_it_keeps_plugins_and_their_options() -> None:
    content = fluent_bit(CONFIG)
    trial = tried(content)
    for kind in ("inputs", "filters", "outputs"):
        for plugin, other in zip(content["pipeline"][kind], trial["pipeline"][kind], strict=True):
            assert plugin.keys() == other.keys()
            changed = {key for key in plugin if plugin[key] != other[key]}
            assert changed <= {"path", "exclude_path", "db", "host", "port", "script"}
    assert trial["pipeline"]["outputs"][0]["tls.ca_file"] == "/etc/ca.crt"
    assert {entry["name"] for entry in content["env"]} == {entry["name"] for entry in trial["env"]}
    assert not any("uri" in entry for entry in trial["env"])


def test_the_filter_is_tried_with_its_own_files() -> None:
    [script] = [plugin["script"] for plugin in tried(fluent_bit(CONFIG))["pipeline"]["filters"] if "script" in plugin]
    assert script == f"/scratch/{ENTRY}"


def test_no_two_inputs_share_a_database() -> None:
    databases = [plugin["db"] for plugin in tried(fluent_bit(CONFIG))["pipeline"]["inputs"] if "db" in plugin]
    assert len(databases) == len(set(databases)) == 3


def test_the_original_stays_as_it_is() -> None:
    for content in (fluent_bit(CONFIG), fluent_bit(EXTRA)):
        before = copy.deepcopy(content)
        tried(content)
        assert content == before


def test_plugins_of_the_users_own_neither_read_nor_run_nor_listen_where_the_real_ones_do() -> None:
    forward, program, tail, socket = tried(fluent_bit(EXTRA))["pipeline"]["inputs"][-4:]

    assert (forward["listen"], forward["port"]) == ("127.0.0.1", 40001)
    assert program["command"] == "true"
    assert tail["path"].startswith("/scratch/input/")
    assert tail["db"].startswith("/scratch/")
    assert tail["skip_empty_lines"] is True
    assert socket["unix_path"].startswith("/scratch/")
    assert socket["port"] == 40002


def test_plugins_of_the_users_own_get_no_records() -> None:
    pipeline = tried(fluent_bit(EXTRA))["pipeline"]
    for plugin in pipeline["inputs"][-4:]:
        assert plugin["tag"] == NOWHERE
    for plugin in (*pipeline["filters"], *pipeline["outputs"]):
        assert not matches(plugin, NOWHERE)


def test_outputs_of_the_users_own_reach_nobody() -> None:
    exporter, http, file = tried(fluent_bit(EXTRA))["pipeline"]["outputs"][-3:]

    assert (exporter["host"], exporter["port"]) == ("127.0.0.1", 40003)
    assert (http["host"], http["port"]) == ("127.0.0.1", 1)
    assert file == lowered(fluent_bit(EXTRA)["pipeline"]["outputs"][-1])
