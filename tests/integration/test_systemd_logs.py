"""Entries of systemd's journal through the real Fluent Bit to the real OpenSearch."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
import urllib3

from tests.support.journal import BOOT, Entry, write_journal
from tests.support.podlogs.pipelines import Rendered
from tests.support.podlogs.shipper import Shipper
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.waiting import free_port, unique_name, wait_until

LEVELS = ("fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug")
MANY = 3000


@pytest.fixture
def now() -> int:
    """Microseconds since 1970, not a whole millisecond."""
    return int(time.time()) * 10**6 - 60 * 10**6 + 1


class Node:
    """A node whose journal is read, and nothing else."""

    def __init__(self, folder: Path, url: str, program: Path, start: Callable[..., Process], **logs: Any) -> None:
        address = urllib3.util.parse_url(url)
        self.journal = folder / "journal"
        self.index = unique_name("logs")
        self._port, self._program, self._start = free_port(), program, start
        self._url = url
        more = {
            "logs": {"index": self.index, "systemd": ["kubelet.service", "containerd.service"], **logs},
            "events": {"index": f"events-of-{self.index}"},
        }
        self.pipeline = Rendered(
            folder, folder / "pods", (address.host or "", address.port or 80), self._port, more, self._patch
        )
        self._answers = Answers(url, self.index)

    def _patch(self, content: dict[str, Any]) -> None:
        systemd = next(each for each in content["pipeline"]["inputs"] if each["name"] == "systemd")
        systemd["path"] = str(self.journal)

    def __enter__(self) -> Self:
        self.pipeline.apply(self._url)
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.__exit__(None, None, None)

    def start(self) -> Shipper:
        shipper = Shipper(self._program, self.pipeline.file, self._port, self._start)
        shipper.wait_for_start()
        return shipper

    def documents(self, count: int, shipper: Shipper) -> list[dict[str, Any]]:
        wait_until(
            lambda: self._answers.count() >= count, 20,
            lambda: f"{count} documents, not {self._answers.count()}; {shipper.process.tail()}", interval=0.2,
        )  # fmt: skip
        return [{**hit["_source"], "_id": hit["_id"]} for hit in self._answers.documents()]


def test_entries_become_documents_with_unit_severity_and_time_to_the_microsecond(
    tmp_path: Path, opensearch_url: str, fluent_bit: Path, start_process: Callable[..., Process], now: int
) -> None:
    odd = (
        Entry(now + 100, b"two\nlines", more=(("SYSLOG_IDENTIFIER", b"kubelet"),)),
        Entry(now + 101, b"nul \x00 escape \x1b[31m", more=(("_CMDLINE", bytes(range(256))),)),
        Entry(now + 102, b"not \xff\xfe UTF-8 \xed\xa0\x80 at all \xc3\xbc"),
        Entry(now + 103, b"long " + b"x" * 60_000),
        Entry(now + 104, None),
        Entry(now + 105, b""),
        Entry(now + 106, b"twice", more=(("MESSAGE", b"again"), ("PRIORITY", b"3"), ("SYSLOG_IDENTIFIER", b"a"))),
        Entry(now + 107, b"token AKIAIOSFODNN7EXAMPLE"),
        Entry(now + 108, b"E1122 10:00:00.000000 1 x.go:1] klog", priority=None),
        Entry(now + 109, b"as before", priority=99, pid=2**22),
        Entry(now + 110, b"the same"),
        Entry(now + 110, b"the same", pid=715),
        Entry(now + 999_999 - (now % 10**6), b"the last microsecond of a second"),
    )
    entries = [
        *(Entry(now + number, b"severity %d" % number, priority=number) for number in range(8)),
        *odd,
        *(Entry(now + 1000 + number, b"not wanted", unit="cron.service") for number in range(5)),
        *(Entry(now + 2000 + number, b"from containerd", unit="containerd.service") for number in range(5)),
        Entry(now - 400 * 24 * 3600 * 10**6, b"too old"),
    ]
    with Node(tmp_path, opensearch_url, fluent_bit, start_process, redact=["secrets"]) as node:
        write_journal(node.journal, entries)
        shipper = node.start()
        documents = node.documents(8 + len(odd) + 5, shipper)

    assert len({document["id"] for document in documents}) == len(documents) == 8 + len(odd) + 5
    by_time = {document["@timestamp"]: document for document in documents}

    def at(entry: Entry) -> dict[str, Any]:
        seconds, micros = divmod(entry.micros, 10**6)
        return by_time[time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"]

    first = at(entries[0])
    assert first["id"] == first["_id"]
    assert first["id"].startswith(f"systemd/{BOOT}/{now}/714/")
    assert first["kubernetes"] == {"host": "node-1"}
    assert first["systemd"] == {"unit": "kubelet.service", "pid": 714}
    assert [at(entry)["level"] for entry in entries[:8]] == list(LEVELS)
    assert [at(entry)["log"] for entry in odd[:3]] == [
        "two\nlines",
        "nul \x00 escape \x1b[31m",
        "not \ufffd UTF-8 \ufffd at all \u00fc",
    ]
    assert at(odd[0])["systemd"]["identifier"] == "kubelet"
    assert at(odd[3])["log"] == "long " + "x" * 60_000
    assert (at(odd[4])["log"], at(odd[5])["log"]) == ("", "")
    assert set(at(odd[6])["log"].split("\n")) == {"twice", "again"}
    assert "AKIAIOSFODNN7EXAMPLE" not in at(odd[7])["log"]
    assert at(odd[8])["level"] == "error"
    assert at(odd[12])["log"] == "the last microsecond of a second"
    assert sum(document["log"] == "the same" for document in documents) == 2
    assert "[error] [output" not in shipper.process.output()


def test_reading_all_of_it_again_makes_the_same_ids(
    tmp_path: Path, opensearch_url: str, fluent_bit: Path, start_process: Callable[..., Process], now: int
) -> None:
    with Node(tmp_path, opensearch_url, fluent_bit, start_process) as node:
        write_journal(node.journal, [Entry(now + number, b"entry %d" % (number % 50)) for number in range(MANY)])
        shipper = node.start()
        before = {document["id"] for document in node.documents(MANY, shipper)}
        assert shipper.process.terminate(10) == 0

        Path(f"{node.pipeline.layout.positions}/systemd.db").unlink()
        shipper = node.start()
        wait_until(
            lambda: shipper.metric("fluentbit_output_proc_records_total", 'name="logs"') >= MANY, 20,
            lambda: f"all are sent again; {shipper.process.tail()}", interval=0.2,
        )  # fmt: skip

        again = node.documents(MANY, shipper)
        assert len(again) == MANY == len(before)
        assert {document["id"] for document in again} == before
        assert shipper.metric("fluentbit_output_errors_total", 'name="logs"') == 0
