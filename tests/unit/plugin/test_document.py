"""From a record to its document: ids, indices, metadata, and what is left out, each counted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.plugin.plugin import LOGS, POD, SYSTEMD, TICK, UID, Filter, cri, install

PATH = f"/var/log/pods/{POD}/app/3.log"
NAME = "shop/web-1/app"
TODAY = datetime.now(UTC)


def counters(folder: Path) -> dict[tuple[str, str], int]:
    lines = (folder / "state/counters.tsv").read_text().splitlines()
    assert lines[0].startswith("# fluent-sidecar counters 1\t")
    return {(name, key): int(value) for name, key, value in (line.split("\t") for line in lines[1:])}


def day(days: int, clock: str = "T10:00:00.123456789Z") -> str:
    return (TODAY + timedelta(days=days)).date().isoformat() + clock


def raw(time: str, text: str = "x", stream: str = "stdout") -> bytes:
    return f"{time} {stream} F {text}".encode()


def table(folder: Path, *rows: str, generation: int = 1, node: str = "node-1") -> None:
    (folder / "pods.tmp").write_text(
        "".join(f"{row}\n" for row in (f"# fluent-sidecar pods 1\t{generation}\t{node}", *rows))
    )
    (folder / "pods.tmp").rename(folder / "pods.tsv")


def row(
    uid: str = UID, *labels: str, workload: str = "Deployment\tweb", exclude: str = "-", multiline: str = "-"
) -> str:
    return "\t".join([uid, "shop", "web-1", workload, exclude, multiline, *labels])


def test_a_line_is_a_document(tmp_path: Path) -> None:
    table(tmp_path, row(UID, "app=web", "part=a=b"))
    reader = Filter(install(tmp_path, enrich=True))
    time = day(0)

    found = reader.line(PATH, 70, raw(time, '{"level":"warning","n":1}', "stderr"))

    assert found == [
        {
            "@timestamp": time,
            "id": f"{UID}/app/3/e/{time}/70",
            "index": f"logs-{time[:10].replace('-', '.')}",
            "cluster": "c1",
            "log": '{"level":"warning","n":1}',
            "stream": "stderr",
            "level": "warn",
            "data": {"level": "warning", "n": 1},
            "kubernetes": {
                "namespace_name": "shop",
                "pod_name": "web-1",
                "pod_id": UID,
                "container_name": "app",
                "restart_count": 3,
                "host": "node-1",
                "labels": {"app": "web", "part": "a=b"},
            },
            "workload": {"kind": "Deployment", "name": "web"},
        }
    ]


@pytest.mark.parametrize(
    ("offset", "number"), [(2**31, "2147483648"), (2**40 + 1, "1099511627777"), (10**13, "1" + "0" * 13)]
)
def test_an_offset_is_written_in_full(tmp_path: Path, offset: int, number: str) -> None:
    found = Filter(install(tmp_path)).line(PATH, offset, raw(day(0)))

    assert [each["id"].rpartition("/")[2] for each in found] == [number]


@pytest.mark.parametrize(
    ("rotate", "days", "index"),
    [
        ("daily", 0, "logs-%Y.%m.%d"),
        ("daily", 1, "logs-%Y.%m.%d"),
        ("daily", -3, "logs-%Y.%m.%d"),
        ("monthly", 0, "logs-%Y.%m"),
        ("never", 0, "logs"),
        ("never", 900, "logs"),
        ("daily", 2, "logs-skewed"),
        ("monthly", 400, "logs-skewed"),
    ],
)
def test_the_index_follows_from_the_lines_own_date(tmp_path: Path, rotate: str, days: int, index: str) -> None:
    reader = Filter(install(tmp_path, families=[{"index": "logs", "rotate": rotate, "keep_days": 14}]))

    found = reader.line(PATH, 0, raw(day(days)))

    assert [each["index"] for each in found] == [(TODAY + timedelta(days=days)).strftime(index)]


@pytest.mark.parametrize(("days", "count"), [(-14, 1), (-15, 0), (-9000, 0)])
def test_what_is_too_old_is_left_out_and_counted(tmp_path: Path, days: int, count: int) -> None:
    reader = Filter(install(tmp_path, families=[{"index": "logs", "rotate": "daily", "keep_days": 14}]))

    assert len(reader.line(PATH, 0, raw(day(days)))) == count
    reader.tick()
    if not count:
        assert counters(tmp_path) == {("old", NAME): 1}


def test_a_time_zone_counts_for_the_date(tmp_path: Path) -> None:
    time = day(0, "T01:00:00.5+05:30")

    (found,) = Filter(install(tmp_path)).line(PATH, 0, raw(time))

    assert found["@timestamp"] == time
    assert found["index"] == f"logs-{day(-1)[:10].replace('-', '.')}"


ODD = [
    b"",
    b"x",
    b"no line of a runtime",
    b"2026-11-22T10:00:00Z stdout",
    b"2026-11-22T10:00:00Z stdout ",
    b"2026-11-22T10:00:00Z stdout X text",
    b"2026-11-22T10:00:00Z stdxxx F text",
    b"abcd-Z stdout F text",
    b"2026-11-22T10:00:002026-11-22T10:00:00.1Z stdout F torn, and begun again",
    b"2026-11-22T10:00:00.1 stdout F no zone",
    b"\0\0\0\0",
    b'{"log":"docker\\n","stream":"stdout","time":"2026-11-22T10:00:00Z"}',
]


@pytest.mark.parametrize("line", ODD)
def test_an_odd_line_goes_out_as_it_is(tmp_path: Path, line: bytes) -> None:
    reader = Filter(install(tmp_path))

    found, again = reader.line(PATH, 0, line), Filter(tmp_path / "lua/logs.lua").line(PATH, 0, line)

    assert [each["index"] for each in found] == ["logs-undated"]
    assert found[0]["log"] == (line.decode() if line.strip(b"\0") or not line else "\ufffd")
    assert found[0]["id"] == again[0]["id"]
    reader.tick()
    assert counters(tmp_path)["malformed", NAME] == 1


def test_an_odd_line_is_cut_too(tmp_path: Path) -> None:
    (found,) = Filter(install(tmp_path, max_line=4096)).line(PATH, 0, b"x" * 9000)

    assert (len(found["log"]), found["truncated"]) == (4096, True)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"2026-11-22T10:00:00Z stdout F ", ""),
        (b"2026-11-22T10:00:00Z stdout F", ""),
        (b"2026-11-22T10:00:00Z stderr F:tag:more text", "text"),
        (b"2026-11-22T10:00:00Z stderr F  two", " two"),
    ],
)
def test_texts(tmp_path: Path, line: bytes, text: str) -> None:
    assert [each["log"] for each in Filter(install(tmp_path)).line(PATH, 0, line)] == [text]


def test_a_line_full_of_control_characters_is_made_readable(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path))

    assert reader.line(PATH, 0, cri(b"\0" * 9 + b"a\t"))[0]["log"] == "\ufffda\t"
    assert reader.line(PATH, 99, cri("\x1b[31mred\x1b[0m, and enough text beside it"))[0]["log"].startswith("\x1b[31m")


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_line_is_cut_at_its_limit(tmp_path: Path, parts: int) -> None:
    reader = Filter(install(tmp_path, max_line=4096))
    size = 9000 // parts
    lines = [cri("x" * size, number, flag="F" if number == parts - 1 else "P") for number in range(parts)]

    found = reader.lines(PATH, lines)

    assert [(len(each["log"]), each["truncated"]) for each in found] == [(4096, True)]
    reader.tick()
    assert counters(tmp_path)["truncated", NAME] == 1


def test_a_container_has_a_limit_for_a_minute(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path, limit=1000))
    lines = [cri("x" * 400, second) for second in (0, 1, 2, 59, 60, 61)]

    assert len(reader.lines(PATH, lines)) == 4
    reader.tick()
    assert counters(tmp_path)["limited", NAME] == 2


def test_a_late_record_does_not_begin_the_minute_again(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path, limit=1000))
    lines = [cri("x" * 600, second) for second in (60, 59, 61, 58, 62)]

    assert len(reader.lines(PATH, lines)) == 1


def test_what_is_no_json_is_counted(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path))

    (found,) = reader.line(PATH, 0, cri("{not json} ERROR {}"))

    assert (found.get("data"), found["level"]) == (None, "error")
    reader.tick()
    assert counters(tmp_path)["not_json", "-"] == 1


def test_options_may_be_off(tmp_path: Path) -> None:
    (found,) = Filter(install(tmp_path, json=False, level=False)).line(PATH, 0, cri('{"level":"info"}'))

    assert not {"data", "level"} & found.keys()


def test_redaction_comes_before_everything_that_reads_the_text(tmp_path: Path) -> None:
    rule = {"pattern": "s3cret%d", "replace": "***", "lead": 0}
    reader = Filter(install(tmp_path, redact=[{"needle": "s3cret", "fold": False, "rules": [rule]}]))

    (found,) = reader.line(PATH, 0, cri('{"a":"s3cret1","b":"s3cret","c":"s3cret2"}'))
    (odd,) = reader.line(PATH, 99, b"odd s3cret1")

    assert found["data"] == {"a": "***", "b": "s3cret", "c": "***"}
    assert json.loads(found["log"]) == found["data"]
    assert odd["log"] == "odd ***"
    reader.tick()
    assert counters(tmp_path)["redacted", "-"] == 2


# Pods


def test_a_new_table_holds_from_the_next_tick(tmp_path: Path) -> None:
    table(tmp_path, row(UID, "app=old"))
    reader = Filter(install(tmp_path, enrich=True))
    assert reader.line(PATH, 0, cri("a"))[0]["kubernetes"]["labels"] == {"app": "old"}

    table(tmp_path, row(UID, "app=new"), generation=2)
    reader.tick()

    assert reader.line(PATH, 99, cri("b"))[0]["kubernetes"]["labels"] == {"app": "new"}


def test_an_unknown_pod_is_looked_up_and_counted(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path, enrich=True))
    (found,) = reader.line(PATH, 0, cri("a"))
    assert "workload" not in found

    table(tmp_path, row())
    reader.tick()

    assert reader.line(PATH, 99, cri("b"))[0]["workload"] == {"kind": "Deployment", "name": "web"}
    reader.tick()
    assert counters(tmp_path) == {("unenriched", NAME): 1}


@pytest.mark.parametrize(
    ("given_row", "more", "out"),
    [
        (row(exclude="*"), {}, False),
        (row(exclude="app"), {}, False),
        (row(exclude="side,app"), {}, False),
        (row(exclude="side"), {}, True),
        (row(UID, "a=1"), {"exclude_labels": {"a": "1"}}, False),
        (row(UID, "a=2"), {"exclude_labels": {"a": "1"}}, True),
        (row(UID, "a=1", "b=2"), {"exclude_labels": {"a": "0", "b": "2"}}, False),
        (row(UID, "a=1", "b=2"), {"include_labels": {"a": "1", "b": "2"}}, True),
        (row(UID, "a=1"), {"include_labels": {"a": "1", "b": "2"}}, False),
        (row(UID), {"include_labels": {"a": "1"}}, False),
        (row("other"), {"include_labels": {"a": "1"}}, True),
    ],
)
def test_what_is_left_out(tmp_path: Path, given_row: str, more: dict[str, Any], out: bool) -> None:
    table(tmp_path, given_row)
    reader = Filter(install(tmp_path, enrich=True, **more))

    assert bool(reader.line(PATH, 0, cri("a"))) == out
    assert bool(reader.line(PATH, 99, b"odd")) == out


FAMILIES = [{"index": name, "rotate": "never"} for name in ("logs", "one", "two")]


@pytest.mark.parametrize(
    ("routes", "index"),
    [
        ([], "logs"),
        ([("^shop$", {}, 2), ("^shop$", {}, 3)], "one"),
        ([("^sh$", {}, 2), ("^s.*$", {}, 3)], "two"),
        ([("^.*$", {"a": "2"}, 2), ("^.*$", {"a": "1"}, 3)], "two"),
        ([("^.*$", {"a": "1", "b": "1"}, 2)], "logs"),
    ],
)
def test_the_first_route_that_matches_holds(tmp_path: Path, routes: list[Any], index: str) -> None:
    table(tmp_path, row(UID, "a=1"))
    named = [{"namespace": namespace, "labels": labels, "family": family} for namespace, labels, family in routes]

    (found,) = Filter(install(tmp_path, enrich=True, families=FAMILIES, routes=named)).line(PATH, 0, cri("a"))

    assert found["index"] == index


@pytest.mark.parametrize(("names", "count"), [("-", 1), ("none", 3), ("python", 3), ("python,java", 1)])
def test_a_pod_chooses_its_rules(tmp_path: Path, names: str, count: int) -> None:
    table(tmp_path, row(multiline=names))
    reader = Filter(install(tmp_path, enrich=True))

    found = reader.lines(PATH, [cri("java.lang.Error: x"), cri("\tat a.B.c(B.java:1)"), cri("\t... 7 more")])

    assert len([*found, *reader.tick(40)]) == count


def test_half_a_table_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "pods.tsv").write_text(f"something else\n{row(UID, 'a=1')}\n\n")

    (found,) = Filter(install(tmp_path, enrich=True)).line(PATH, 0, cri("a"))

    assert "labels" not in found["kubernetes"]


# systemd


def test_an_entry_of_the_journal_is_a_document(tmp_path: Path) -> None:
    now = TODAY.replace(microsecond=250_000)
    entry = {
        "MESSAGE": "E1122 10:00:00.1 1 a.go:1] x",
        "PRIORITY": "6",
        "_SYSTEMD_UNIT": "kubelet.service",
        "_PID": "7",
        "_BOOT_ID": "b",
        "_HOSTNAME": "node-1",
    }

    (found,) = Filter(install(tmp_path)).call(SYSTEMD, entry, now.timestamp())

    assert found["@timestamp"] == now.strftime("%Y-%m-%dT%H:%M:%S.250000Z")
    assert (found["level"], found["systemd"]) == ("info", {"unit": "kubelet.service", "pid": 7})
    assert found["index"] == now.strftime("logs-%Y.%m.%d")
    assert found["id"].startswith(f"systemd/b/{int(now.timestamp())}250000/7/")


# Whatever comes


BYTES = st.binary(max_size=80)
HALF = st.builds(
    lambda text, stream, flag: cri(text, 0, stream, flag),
    BYTES,
    st.sampled_from(["stdout", "stderr", "x"]),
    st.sampled_from("FPX"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(BYTES | HALF, max_size=30), redacts=st.booleans())
def test_no_bytes_are_lost_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], redacts: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    rule = {"pattern": "a", "replace": "b", "lead": 0}
    more = {"redact": [{"needle": "a", "fold": True, "rules": [rule]}]} if redacts else {}
    reader = Filter(install(folder, **more))

    found = [*reader.lines(PATH, lines), *reader.tick(80)]

    parts = sum(b" P " in line for line in lines)
    assert len(lines) - parts - len(found) <= sum("\n" in str(each["log"]) for each in found) * len(lines)
    assert len({each["id"] for each in found}) == len(found)
    if (folder / "state/counters.tsv").exists():
        assert ("failed", "-") not in counters(folder)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"path": PATH},
        {"path": PATH, "offset": 0},
        {"path": PATH, "log": "x"},
        {"offset": 0, "log": "x"},
        {"path": 7, "offset": "x", "log": 7},
        {"path": PATH, "offset": 0, "log": {}},
    ],
)
def test_a_record_without_its_fields_goes_out_and_is_counted(tmp_path: Path, record: dict[str, Any]) -> None:
    reader = Filter(install(tmp_path))

    assert len(reader.call(LOGS, record)) == 1
    reader.tick()
    assert counters(tmp_path)["failed", "-"] == 1


@pytest.mark.parametrize("record", [{}, {"MESSAGE": 7}, {"MESSAGE": {"a": "b"}}, {"MESSAGE": ["a", "b"], "_PID": "x"}])
def test_an_odd_entry_of_the_journal(tmp_path: Path, record: dict[str, Any]) -> None:
    assert len(Filter(install(tmp_path)).call(SYSTEMD, record, TODAY.timestamp())) == 1


def test_a_tick_needs_nothing(tmp_path: Path) -> None:
    assert Filter(install(tmp_path)).call(TICK, {}) == []


# The backfill


def test_a_gzipped_file_is_done_when_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "3.log.20261122-100000.gz"
    lines = [cri("a"), cri("java.lang.Error: x"), cri("\tat a.B.c(B.java:1)")]
    size = sum(len(line) + 1 for line in lines)
    path.write_bytes(b"\x1f\x8b" + size.to_bytes(4, "little"))
    reader = Filter(install(tmp_path))

    reader.lines(path, lines)
    reader.tick()
    assert not (tmp_path / "state/counters.tsv").exists() or ("done", str(path)) not in counters(tmp_path)
    reader.tick(10)

    assert counters(tmp_path)["done", str(path)] == size
    assert (tmp_path / "state/held.journal").read_bytes() == b""
