"""The rules that the Fluent Bit configuration obeys, each for a loss or a duplicate that happens without it."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.config import loads
from sidecar.render import render
from sidecar.render.fluentbit import as_variable

AUTH = ", auth: {basic: {username: {env: U}, password: {env: P}}}"


def rendered(opensearch: str = "url: 'https://h:9200'", rest: str = "") -> dict[str, Any]:
    files = render(loads(f"cluster: c\nopensearch: {{{opensearch}}}\n{rest}"))
    document = yaml.safe_load(files["fluent-bit.yaml"])
    assert isinstance(document, dict)
    return document


def output(opensearch: str = "url: 'https://h:9200'", rest: str = "") -> dict[str, Any]:
    [found] = rendered(opensearch, rest)["pipeline"]["outputs"]
    assert isinstance(found, dict)
    return found


def tail() -> dict[str, Any]:
    [found] = rendered()["pipeline"]["inputs"]
    assert isinstance(found, dict)
    return found


def test_the_output_is_opensearch_without_types() -> None:
    assert output()["name"] == "opensearch"
    assert output()["suppress_type_name"] is True


def test_the_whole_answer_of_a_bulk_request_is_read() -> None:
    assert output()["buffer_size"] is False


def test_a_retry_can_not_write_twice_nor_over() -> None:
    assert output()["write_operation"] == "create"
    assert output()["id_key"] == "id"
    assert "generate_id" not in output()


def test_one_worker() -> None:
    assert output()["workers"] == 1


def test_the_index_is_the_records_own() -> None:
    assert output()["index"] == "$index"
    assert not {"logstash_format", "logstash_prefix", "logstash_prefix_key"} & set(output())


def test_the_timestamp_is_taken_out_of_the_record_and_put_back_once() -> None:
    [parser] = rendered()["parsers"]

    assert parser["time_key"] == output()["time_key"] == "@timestamp"
    assert parser["time_keep"] is False
    assert parser["time_format"] == "%Y-%m-%dT%H:%M:%S.%LZ"


def test_positions_and_chunks_survive_a_restart() -> None:
    assert tail()["storage.type"] == "filesystem"
    assert tail()["db"] == "/var/lib/fluent-sidecar/fluent-bit/positions/events.db"
    assert rendered()["service"]["storage.path"] == "/var/lib/fluent-sidecar/fluent-bit/chunks"


def test_a_journal_is_read_from_its_beginning_and_soon() -> None:
    assert tail()["read_from_head"] is True
    assert tail()["refresh_interval"] == 1
    assert tail()["path"] == "/var/lib/fluent-sidecar/events/*.jsonl"


def test_a_recycled_inode_is_not_taken_for_a_file_that_was_read() -> None:
    assert tail()["db.compare_filename"] is True


def test_no_limit_of_memory_pauses_the_input() -> None:
    assert "mem_buf_limit" not in tail()


def test_an_event_of_the_largest_size_fits_and_a_longer_line_does_not_end_the_reading() -> None:
    assert tail()["buffer_max_size"] == "4M"
    assert tail()["skip_long_lines"] is True


def test_a_chunk_is_tried_for_some_time_then_the_sidecar_sends_it() -> None:
    # Not `no_limits`, as for logs: one event that OpenSearch refuses would be sent again for ever, and the sidecar
    # confirms every event and sends what is missing anyway.
    assert output()["retry_limit"] == 60
    assert rendered()["service"]["scheduler.base"] == 5
    assert rendered()["service"]["scheduler.cap"] == 30


def test_the_disk_is_capped() -> None:
    assert output(rest="events: {journal: 16MiB}")["storage.total_limit_size"] == 16 * 2**20


def test_a_reload_in_an_outage_ends() -> None:
    service = rendered()["service"]

    assert service["hot_reload"] is True
    assert service["hot_reload.ensure_thread_safety"] is False
    assert service["grace"] == 1


def test_nobody_else_can_reload() -> None:
    service = rendered(rest="fluentbit: {port: 3000}")["service"]

    assert service["http_server"] is True
    assert (service["http_listen"], service["http_port"]) == ("127.0.0.1", 3000)


def test_events_pass_no_lua_and_no_kubernetes_filter() -> None:
    assert [part["name"] for part in rendered()["pipeline"]["filters"]] == ["grep"]


def test_a_torn_line_is_dropped() -> None:
    [grep] = rendered()["pipeline"]["filters"]

    assert grep == {"name": "grep", "match": "events", "regex": "id ^.+$"}


def test_no_compression_by_default() -> None:
    assert "compress" not in output()


def test_address_and_credentials_are_files_on_the_memory_volume() -> None:
    document = rendered(f"url: 'https://h:9200'{AUTH}", "paths: {run: /memory}")

    names = ["OPENSEARCH_HOST", "OPENSEARCH_PORT", "OPENSEARCH_USER", "OPENSEARCH_PASSWORD"]
    from_files = [entry for entry in document["env"] if "uri" in entry]
    assert from_files == [{"name": name, "uri": f"file:///memory/environment/{name}"} for name in names]
    [found] = document["pipeline"]["outputs"]
    assert found["host"] == "${OPENSEARCH_HOST}"
    assert found["port"] == "${OPENSEARCH_PORT}"
    assert found["http_user"] == "${OPENSEARCH_USER}"
    assert found["http_passwd"] == "${OPENSEARCH_PASSWORD}"


@given(st.text("ab$${{}}", max_size=20) | st.text())
@example("${HOME}")
@example("a}b${HOME}")
@example("$${{}}${")
def test_a_password_comes_out_of_both_expansions_as_it_is(password: str) -> None:
    signs = {"DOLLAR": "$", "BRACE": "}"}
    text = as_variable(password)

    assert re.sub(r"\$\{(\w+)\}", lambda match: signs.get(match[1], "?"), text) == password
    if "${" in text:
        # Where anything is expanded, a `}` of its own would end it too early.
        assert "}" not in re.sub(r"\$\{\w+\}", "", text)


def test_no_credentials_where_there_are_none() -> None:
    assert not {"http_user", "http_passwd"} & set(output())
    assert [entry["name"] for entry in rendered()["env"]] == ["OPENSEARCH_HOST", "OPENSEARCH_PORT"]


def test_the_address_is_not_in_the_file() -> None:
    # Else it could not be closed until the templates are there.
    files = render(loads("cluster: c\nopensearch: {url: 'https://opensearch.example:9243'}"))

    assert "opensearch.example" not in files["fluent-bit.yaml"]
    assert "9243" not in files["fluent-bit.yaml"]


@pytest.mark.parametrize(
    ("opensearch", "wanted"),
    [
        ("url: 'http://h'", {"tls": False}),
        ("url: 'http://h', tls: {ca: /ca}", {"tls": False}),
        ("url: 'https://h'", {"tls": True, "tls.verify": True, "tls.verify_hostname": True}),
        ("url: 'https://h', tls: {verify: false}", {"tls": True, "tls.verify": False}),
        (
            "url: 'https://h', tls: {ca: /ca}",
            {"tls": True, "tls.verify": True, "tls.verify_hostname": True, "tls.ca_file": "/ca"},
        ),
    ],
)
def test_tls(opensearch: str, wanted: dict[str, Any]) -> None:
    found = {key: value for key, value in output(opensearch).items() if key.startswith("tls")}

    assert found == wanted


def test_a_path_in_the_address() -> None:
    assert output("url: 'https://h/a/b'")["path"] == "/a/b"
    assert "path" not in output("url: 'https://h/'")
