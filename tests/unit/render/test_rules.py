"""The rules that the Fluent Bit configuration obeys, one test each: without the rule there is a loss or a duplicate.

Where a rule had a forerunner that was worse, the test also says that the forerunner is gone.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.agent.node import CLOSED, Node
from sidecar.config import Config, loads
from sidecar.errors import ConfigError
from sidecar.opensearch import connect
from sidecar.render import render
from sidecar.render.controlplane import TEMPLATE
from sidecar.render.lua import ENTRY, SETTINGS
from sidecar.render.proof import matches
from tests.support.lua import LuaJit

URL = "url: 'https://opensearch.example:9243'"
AUTH = ", auth: {basic: {username: {env: U}, password: {env: P}}}"
ROUTES = (
    "routes: [{name: a, namespaces: [a], index: ra, retain: 2d}, {name: b, labels: {t: b}, index: rb, rotate: never}]"
)
LOGS = f"systemd: [kubelet.service], redact: [secrets], {ROUTES}"
TAGS = {"events", "logs", "fluent-sidecar.tick", "fluent-sidecar.systemd"}


def config(opensearch: str = URL, logs: str = LOGS, rest: str = "") -> Config:
    return loads(f"cluster: c\nopensearch: {{{opensearch}}}\nlogs: {{{logs}}}\n{rest}")


def fluent_bit(made: Config | None = None) -> dict[str, Any]:
    document = yaml.safe_load(render(made or config())["fluent-bit.yaml"])
    assert isinstance(document, dict)
    return document


def plugins(kind: str, made: Config | None = None) -> dict[str, dict[str, Any]]:
    """The inputs, filters or outputs by their alias, or name."""
    return {plugin.get("alias", plugin["name"]): plugin for plugin in fluent_bit(made)["pipeline"][kind]}


def outputs(made: Config | None = None) -> list[dict[str, Any]]:
    found = plugins("outputs", made)
    assert set(found) == {"events", "logs"}
    return list(found.values())


def readers() -> dict[str, dict[str, Any]]:
    """The inputs that read something from disk."""
    found = plugins("inputs")
    assert set(found) == {"events", "tick", "logs", "backfill", "systemd"}
    return {alias: plugin for alias, plugin in found.items() if alias != "tick"}


# 1. The output


def test_1_the_output_is_opensearch_and_not_es() -> None:
    # `es` checks the product, and knows neither `time_key` nor AWS as well.
    assert {output["name"] for output in outputs()} == {"opensearch"}


def test_1_no_document_types() -> None:
    assert {output["suppress_type_name"] for output in outputs()} == {True}


def test_1_the_whole_answer_of_a_bulk_request_is_read() -> None:
    assert {output["buffer_size"] for output in outputs()} == {False}


def test_no_request_is_waited_for_without_end() -> None:
    # A reload would wait too, and collect nothing meanwhile.
    assert {output["net.io_timeout"] for output in outputs()} == {30}


def test_1_a_retry_can_not_write_over_what_is_there() -> None:
    assert {output["write_operation"] for output in outputs()} == {"create"}


def test_1_one_worker() -> None:
    assert {output["workers"] for output in outputs()} == {1}


# 2. Ids


def test_2_the_id_is_the_records_own() -> None:
    for output in outputs():
        assert output["id_key"] == "id"
        # A hash of the content is the same for two identical lines.
        assert "generate_id" not in output


def test_2_the_filter_is_told_where_a_line_is() -> None:
    for alias in ("logs", "backfill"):
        assert (readers()[alias]["path_key"], readers()[alias]["offset_key"]) == ("path", "offset")


def filtered(tmp_path: Path, made: Config, *lines: tuple[str, str], pods: str = "") -> list[dict[str, Any]]:
    """What the rendered filter makes of lines, each of a path and a text, one file after another; in LuaJIT itself."""
    assert made.paths.state.startswith(str(tmp_path))
    for name, text in render(made).items():
        file = tmp_path / "rendered" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for folder in (Path(made.paths.state) / "fluent-bit/filter", Path(made.paths.run)):
        folder.mkdir(parents=True)
    if pods:
        (Path(made.paths.run) / "pods.tsv").write_text(pods)
    lua = LuaJit()
    lua.runtime.execute(f'assert(loadfile("{tmp_path}/rendered/{ENTRY}"))()'.encode())
    call = lua.runtime.globals()[b"logs"]
    found, offsets = [], dict.fromkeys((path for path, _ in lines), 0)
    for path, text in lines:
        _, _, record = call(b"logs", 0.0, lua.table({"path": path, "offset": offsets[path], "log": text}))
        found += _records(record)
        offsets[path] += len(text.encode()) + 1
    for _ in range(5):
        _, _, record = call(b"fluent-sidecar.tick", 0.0, lua.table({"message": "dummy"}))
        found += _records(record)
    return found


def _records(result: Any) -> list[dict[str, Any]]:
    if result is None:
        return []
    data = _python(result)
    return data if isinstance(data, list) else [data]


def _python(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if not hasattr(value, "items"):
        return value
    items = {_python(key): _python(item) for key, item in value.items()}
    return [items[key] for key in sorted(items)] if items and all(isinstance(key, int) for key in items) else items


TODAY = datetime.now(UTC).date()
TIME = f"{TODAY}T10:00:00.123456789Z"
LINE = f"{TIME} stdout F "


def here(tmp_path: Path, logs: str = "") -> Config:
    return config(logs=logs, rest=f"paths: {{logs: /pods, state: '{tmp_path}/state', run: '{tmp_path}/run'}}\n")


def test_2_the_id_is_the_place_of_the_line_and_not_the_name_of_its_file(tmp_path: Path) -> None:
    folder = "/pods/shop_web-1_11111111-2222-3333-4444-555555555555/app"
    documents = filtered(
        tmp_path,
        here(tmp_path),
        (f"{folder}/3.log", f"{LINE}same"),
        (f"{folder}/3.log", f"{LINE}same"),
        (f"{folder}/3.log.20261122-100000", f"{LINE}same"),
    )

    place = f"11111111-2222-3333-4444-555555555555/app/3/o/{TIME}"
    assert sorted(document["id"] for document in documents) == [f"{place}/0", f"{place}/0", f"{place}/{len(LINE) + 5}"]


# 3. Index and time


def test_3_the_index_is_the_records_own() -> None:
    for output in outputs():
        assert output["index"] == "$index"
        assert not [key for key in output if key.startswith("logstash")]


def test_3_the_index_follows_from_the_lines_own_time_and_its_route(tmp_path: Path) -> None:
    pods = "# fluent-sidecar pods 1\t1\tnode\nu1\tz\tp\tPod\tp\t-\t-\tt=b\n"
    lines = [(f"/pods/{name}/c/0.log", f"{LINE}x") for name in ("shop_p_u0", "a_p_u2", "z_p_u1")]
    ahead, late = (TODAY + timedelta(days=days) for days in (3, -20))
    lines += [("/pods/shop_p_u0/c/1.log", f"{day}T10:00:00Z stdout F x") for day in (ahead, late)]
    documents = filtered(tmp_path, here(tmp_path, ROUTES), *lines, pods=pods)

    dotted = str(TODAY).replace("-", ".")
    # The last line is older than its index would be kept: it is left out, and counted.
    assert [document["index"] for document in documents] == [
        f"eks-pod-logs-{dotted}", f"ra-{dotted}", "rb", "eks-pod-logs-skewed"
    ]  # fmt: skip


def test_3_how_old_a_line_may_be_is_how_old_its_index_gets() -> None:
    files = render(config())
    [condition] = json.loads(files["opensearch/policies/fluent-sidecar-ra.json"])["policy"]["states"][0]["transitions"]

    assert condition["conditions"] == {"min_index_age": "72h"}
    assert '["index"] = "ra",\n      ["rotate"] = "daily",\n      ["keep_days"] = 3,' in files[SETTINGS]
    assert '["index"] = "rb",\n      ["rotate"] = "never",\n    }' in files[SETTINGS]


def test_3_the_time_of_an_event_is_taken_out_of_the_record_and_put_back_once() -> None:
    [parser] = fluent_bit()["parsers"]

    assert parser["time_key"] == plugins("outputs")["events"]["time_key"] == "@timestamp"
    assert parser["time_keep"] is False
    assert parser["time_format"] == "%Y-%m-%dT%H:%M:%S.%LZ"


def test_3_the_time_of_a_line_is_in_the_record_to_the_nanosecond_and_the_output_adds_another(tmp_path: Path) -> None:
    # Fluent Bit would write it with three digits. A field that is there twice is a 400.
    [document] = filtered(tmp_path, here(tmp_path), ("/pods/a_b_c/d/0.log", f"{LINE}x"))

    assert document["@timestamp"] == TIME
    added = plugins("outputs")["logs"]["time_key"]
    assert added == "observedTimestamp"
    assert added not in document


# 4. Which files


def test_4_rotated_names_are_read_and_what_is_half_written_is_not() -> None:
    logs = readers()["logs"]

    assert logs["path"] == "/var/log/pods/*_*_*/*/*.log*"
    assert "*.tmp" in logs["exclude_path"].split(",")
    assert "*.tmp" in readers()["backfill"]["exclude_path"].split(",")
    assert "/var/log/containers" not in json.dumps(fluent_bit())


def test_4_gzipped_files_come_by_an_input_of_their_own_with_links_to_those_that_were_not_read() -> None:
    assert "*.gz" in readers()["logs"]["exclude_path"].split(",")
    backfill = readers()["backfill"]
    assert backfill["path"] == "/var/lib/fluent-sidecar/fluent-bit/backfill/*/*/*.log*"
    assert "*.gz" not in backfill["exclude_path"]
    assert backfill["tag"] == readers()["logs"]["tag"] == "logs"


def test_4_nothing_before_the_filter_joins_lines(tmp_path: Path) -> None:
    # What a parser of the input holds back, its position has passed: it dies with the process. The filter keeps a
    # journal.
    for alias in ("logs", "backfill"):
        assert not {"multiline", "multiline.parser", "parser", "docker_mode"} & readers()[alias].keys()
    assert [parser["format"] for parser in fluent_bit()["parsers"]] == ["json"]
    trace = ["java.lang.Exception: x", "\tat a.B.c(B.java:1)", "next"]
    documents = filtered(tmp_path, here(tmp_path), *[("/pods/a_b_c/d/0.log", f"{LINE}{text}") for text in trace])
    assert [document["log"] for document in documents] == ["java.lang.Exception: x\n\tat a.B.c(B.java:1)", "next"]


def test_4_events_are_read_from_the_journal_and_units_from_systemds() -> None:
    assert readers()["events"]["path"] == "/var/lib/fluent-sidecar/events/*.jsonl"
    assert readers()["systemd"]["path"] == "/var/log/journal"
    # With `and`, an entry would have to be of every unit.
    assert readers()["systemd"]["systemd_filter_type"] == "or"


def test_4_the_filters_clock_ticks_once_a_second() -> None:
    assert plugins("inputs")["tick"]["interval_sec"] == 1


# 5. Nothing in memory alone


def test_5_every_input_keeps_its_chunks_on_disk() -> None:
    # The tick's too: what the filter held back goes out with it.
    for alias, plugin in plugins("inputs").items():
        assert plugin["storage.type"] == "filesystem", alias
    assert fluent_bit()["service"]["storage.path"] == "/var/lib/fluent-sidecar/fluent-bit/chunks"
    assert fluent_bit()["service"]["storage.sync"] == "normal"


def test_5_every_reading_input_has_a_database_of_its_own_but_for_the_backfill() -> None:
    # A gzipped file can't be taken up in its middle: the backfill begins each at its start, and the sidecar takes the
    # links away that are done.
    found = {alias: plugin.get("db") for alias, plugin in readers().items()}
    positions = "/var/lib/fluent-sidecar/fluent-bit/positions"
    assert found == {
        "events": f"{positions}/events.db",
        "logs": f"{positions}/logs.db",
        "systemd": f"{positions}/systemd.db",
        "backfill": None,
    }


def test_5_a_file_is_read_from_its_beginning_and_found_soon() -> None:
    for alias in ("events", "logs", "backfill"):
        assert readers()[alias]["read_from_head"] is True
        assert readers()[alias]["refresh_interval"] <= 5
    assert readers()["systemd"]["read_from_tail"] is False


def test_5_a_rotated_file_is_read_to_its_end() -> None:
    for alias in ("logs", "backfill"):
        assert readers()[alias]["rotate_wait"] == 30


def test_5_a_long_line_does_not_end_the_reading_of_its_file() -> None:
    for alias in ("logs", "backfill"):
        assert readers()[alias]["truncate_long_lines"] is True
        assert readers()[alias]["buffer_max_size"] == "256k"
    # An event is larger than the API server takes objects, or it isn't one; the sidecar sends it.
    assert (readers()["events"]["skip_long_lines"], readers()["events"]["buffer_max_size"]) == (True, "4M")


def test_5_a_recycled_inode_is_not_taken_for_a_segment_that_was_read() -> None:
    assert readers()["events"]["db.compare_filename"] is True


def test_5_no_limit_of_memory_pauses_an_input() -> None:
    for alias, plugin in plugins("inputs").items():
        assert not [key for key in plugin if key.startswith("mem_buf_limit")], alias


# 6. Retries


def test_6_logs_are_tried_without_end_and_their_disk_is_capped() -> None:
    output = plugins("outputs", config(rest="buffer: {disk: 1GiB}\n"))["logs"]

    assert output["retry_limit"] == "no_limits"
    assert output["storage.total_limit_size"] == 2**30


def test_6_events_are_tried_for_some_time_because_the_sidecar_sends_what_is_missing() -> None:
    output = plugins("outputs", config(rest="events: {journal: 16MiB}\n"))["events"]

    assert output["retry_limit"] == 60
    assert output["storage.total_limit_size"] == 16 * 2**20


def test_6_after_an_outage_it_goes_on_within_half_a_minute() -> None:
    service = fluent_bit()["service"]
    assert (service["scheduler.base"], service["scheduler.cap"]) == (5, 30)


def test_6_what_is_in_memory_is_limited() -> None:
    service = fluent_bit(config(rest="buffer: {memory: 32MiB}\n"))["service"]
    # Chunks have 2 MiB.
    assert service["storage.max_chunks_up"] * 2 * 2**20 == service["storage.backlog.mem_limit"] == 32 * 2**20


def test_6_one_read_does_not_fill_a_request() -> None:
    # A chunk takes a whole read: 64 KiB of the shortest lines are some 1,600 documents.
    for alias in ("logs", "backfill"):
        assert readers()[alias]["buffer_chunk_size"] == "64k"
    assert readers()["events"]["buffer_chunk_size"] == "256k"


def test_6_the_buffer_can_be_watched() -> None:
    assert fluent_bit()["service"]["storage.metrics"] is True


def test_6_what_was_read_goes_out_within_a_second() -> None:
    assert fluent_bit()["service"]["flush"] == 1


def test_6_a_letter_takes_its_own_bytes_in_a_request() -> None:
    # As an escape it takes six, so that a request could pass what the server takes.
    assert fluent_bit()["service"]["json.escape_unicode"] is False


# 7. Reload


def test_7_a_reload_in_an_outage_ends() -> None:
    service = fluent_bit()["service"]

    assert service["hot_reload"] is True
    assert service["hot_reload.ensure_thread_safety"] is False
    assert service["grace"] == 1


def test_7_nobody_else_can_reload() -> None:
    service = fluent_bit(config(rest="fluentbit: {port: 3000}\n"))["service"]

    assert service["http_server"] is True
    assert (service["http_listen"], service["http_port"]) == ("127.0.0.1", 3000)


# 8. Filters


@pytest.mark.parametrize("count", [0, 1, 100])
def test_8_one_output_for_all_routes(count: int) -> None:
    routes = ", ".join(f"{{name: r{at}, namespaces: [n{at}], index: i{at}}}" for at in range(count))
    assert len(outputs(config(logs=f"routes: [{routes}]"))) == 2


def test_8_events_pass_no_lua() -> None:
    taking = [plugin["name"] for plugin in plugins("filters").values() if matches(plugin, "events")]
    assert taking == ["grep"]


def test_8_a_line_passes_lua_once_and_as_a_filter() -> None:
    for tag in TAGS - {"events"}:
        assert [plugin["name"] for plugin in plugins("filters").values() if matches(plugin, tag)] == ["lua"]
    assert not [plugin for plugin in plugins("inputs").values() if "processors" in plugin]
    assert not [plugin for plugin in plugins("outputs").values() if "processors" in plugin]


def test_8_no_kubernetes_filter_and_no_address_of_an_api() -> None:
    assert {plugin["name"] for plugin in plugins("filters").values()} == {"grep", "lua"}
    assert "kube_" not in json.dumps(fluent_bit())


def test_8_labels_and_workload_come_from_the_table_that_the_sidecar_writes(tmp_path: Path) -> None:
    pods = '# fluent-sidecar pods 1\t1\tnode-1\nc\ta\tb\tDeployment\tweb\t-\t-\tapp=web\tx/y=$%"z\n'
    [document] = filtered(tmp_path, here(tmp_path), ("/pods/a_b_c/d/7.log", f"{LINE}x"), pods=pods)

    assert document["workload"] == {"kind": "Deployment", "name": "web"}
    assert document["kubernetes"] == {
        "namespace_name": "a",
        "pod_name": "b",
        "pod_id": "c",
        "container_name": "d",
        "restart_count": 7,
        "host": "node-1",
        "labels": {"app": "web", "x/y": '$%"z'},
    }


def test_8_a_number_of_json_that_a_double_does_not_hold_stays_as_it_is(tmp_path: Path) -> None:
    line = '{"id": 9007199254740995, "count": 3, "none": {}}'
    [document] = filtered(tmp_path, here(tmp_path), ("/pods/a_b_c/d/0.log", f"{LINE}{line}"))

    assert document["log"] == line
    assert document["data"]["id"] == "9007199254740995"
    assert document["data"]["count"] == 3


def test_8_a_torn_event_is_dropped() -> None:
    assert plugins("filters")["grep"] == {"name": "grep", "match": "events", "regex": "id ^.+$"}


def test_8_without_logs_there_is_nothing_of_them() -> None:
    made = config(logs="enabled: false")

    assert set(plugins("inputs", made)) == set(plugins("outputs", made)) == {"events"}
    assert set(plugins("filters", made)) == {"grep"}
    assert not [name for name in render(made) if name.endswith(".lua")]


# 9. Compression


def test_9_no_compression_but_where_one_asks_for_it() -> None:
    assert not [output for output in outputs() if "compress" in output]
    assert {output["compress"] for output in outputs(config(f"{URL}, compress: true"))} == {"gzip"}


# 10. Proof


def test_10_every_tag_has_an_output() -> None:
    assert {plugin["tag"] for plugin in plugins("inputs").values()} == TAGS
    for tag in TAGS:
        assert sum(matches(output, tag) for output in outputs()) == 1, tag


def test_10_what_is_named_is_rendered() -> None:
    made = config()
    document = fluent_bit(made)
    assert {plugin.get("parser") for plugin in readers().values()} - {None} == {
        parser["name"] for parser in document["parsers"]
    }
    script = plugins("filters", made)["logs"]["script"]
    assert script.removeprefix("/run/fluent-sidecar/current/") in render(made)


# 11. Versions


@pytest.mark.parametrize(
    ("version", "there"), [("5.1.1", False), ("5.1.2", False), ("5.1.3", True), ("5.2", True), ("6.0.0", True)]
)
def test_11_a_property_that_the_version_lacks_is_not_there(version: str, *, there: bool) -> None:
    # Without it, 5.1.1 and 5.1.2 would not start.
    found = outputs(config(rest=f"fluentbit: {{version: '{version}'}}\n"))
    assert {output.get("drop_unrecoverable_records", False) for output in found} == {there}


# 12. User text


def test_12_user_text_is_data_in_the_filter(tmp_path: Path) -> None:
    logs = (
        r"""redact: [{name: r, pattern: '"\$\d+%\\', replace: '%1 $0 "\\ é'}], """
        r"""multiline: [m], multilineRules: [{name: m, continue: '^"%\$'}]"""
    )
    lines = [LINE + 'a "$12%\\ b', LINE + '"%$ c', f"{LINE}next"]
    document, *_ = filtered(tmp_path, here(tmp_path, logs), *[("/pods/a_b_c/d/0.log", line) for line in lines])
    assert document["log"] == 'a %1 $0 "\\ é b\n"%$ c'


def test_12_user_text_is_data_in_the_yaml() -> None:
    rest = "paths: {logs: '/l: %Y #\"é', state: \"/s '%H\", run: '/r|>&!@ x'}\n"
    document = fluent_bit(config(logs=r"systemd: ['a\x2db%@:.service']", rest=rest))
    inputs = {plugin["alias"]: plugin for plugin in document["pipeline"]["inputs"]}

    assert inputs["logs"]["path"] == '/l: %Y #"é/*_*_*/*/*.log*'
    assert inputs["events"]["db"] == "/s '%H/fluent-bit/positions/events.db"
    assert inputs["systemd"]["systemd_filter"] == [r"_SYSTEMD_UNIT=a\x2db%@:.service"]
    assert document["pipeline"]["filters"][1]["script"] == f"/r|>&!@ x/current/{ENTRY}"


def test_12_what_fluent_bit_would_expand_is_this_projects_own() -> None:
    document = fluent_bit(config(URL + AUTH))
    text = json.dumps(document)
    assert set(re.findall(r"\$\{(\w+)\}", text)) == {entry["name"] for entry in document["env"] if "uri" in entry}
    for at in ("/$x", "/a*", "/a?", "/a,b", "/[a]"):
        with pytest.raises(ConfigError, match=r"paths\.logs: expected an absolute path without"):
            config(rest=f"paths: {{logs: '{at}'}}\n")


# 13. Nothing before its template


def test_13_until_the_templates_are_there_it_points_at_a_closed_port(tmp_path: Path) -> None:
    made = here(tmp_path)
    assert {(output["host"], output["port"]) for output in outputs(made)} == {
        ("${OPENSEARCH_HOST}", "${OPENSEARCH_PORT}")
    }
    Node(made, connect(made).access).prepare()

    folder = tmp_path / "run/environment"
    assert {path.name: path.read_text() for path in folder.iterdir()} == CLOSED
    assert CLOSED == {"OPENSEARCH_HOST": "127.0.0.1", "OPENSEARCH_PORT": "1"}


def test_13_the_address_is_in_no_rendered_file() -> None:
    for name, text in render(config()).items():
        # The function in AWS has nothing else to take it from, and looks for its template itself.
        if name != TEMPLATE:
            assert "opensearch.example" not in text, name
            assert "9243" not in text, name


# 14. Credentials


def test_14_address_and_credentials_are_files_on_the_memory_volume() -> None:
    made = config(URL + AUTH, rest="paths: {run: /memory}\n")
    names = ["OPENSEARCH_HOST", "OPENSEARCH_PORT", "OPENSEARCH_USER", "OPENSEARCH_PASSWORD"]

    from_files = [entry for entry in fluent_bit(made)["env"] if "uri" in entry]
    assert from_files == [{"name": name, "uri": f"file:///memory/environment/{name}"} for name in names]
    for output in outputs(made):
        assert (output["http_user"], output["http_passwd"]) == ("${OPENSEARCH_USER}", "${OPENSEARCH_PASSWORD}")
