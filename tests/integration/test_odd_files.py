"""Files that are no good, and lines that make large requests; the other faults are rows of test_pod_logs."""

import gzip
import os
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from prometheus_client import CollectorRegistry

from sidecar.logs import tracking
from sidecar.logs.metrics import LogMetrics
from sidecar.logs.tracking import FileTracker
from tests.support.hostile_lines import Written
from tests.support.podlogs.pipelines import Rendered
from tests.support.podlogs.shipper import Shipper
from tests.support.process import Process
from tests.support.sink import Sink
from tests.support.waiting import free_port, wait_until

UID = "0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f0000"
POD = f"shop_web-x2x4z_{UID}"
LABELS = 40
LIMIT = 10 * 2**20
SHORT_LINES = 20_000
GZIP = 31
"""zlib's name for "with gzip's header"."""
UNPACKED_AT_ONCE = 256 * 1024
"""Bytes; less than twice what Fluent Bit unpacks at a time."""


def _rendered(folder: Path, sink: Sink) -> tuple[Rendered, int]:
    url, port = urllib3.util.parse_url(sink.url), free_port()
    return Rendered(folder, folder / "pods", (url.host or "", url.port or 0), port, {}), port


def _write_pod(pipeline: Rendered) -> None:
    labels = (f"example.com/label-{number:02d}-of-many={'v' * 63}" for number in range(LABELS))
    row = "\t".join((UID, "shop", "web-x2x4z", "Deployment", "web", "-", "-", *labels))
    Path(pipeline.layout.pods_table).write_text(f"# fluent-sidecar pods 1\t1\tnode-1\n{row}\n")


def _short(file: Written) -> None:
    """20 bytes each: metadata is 150 times as long."""
    for number in range(SHORT_LINES):
        file.add(b"a line of %010d" % number)


def _long(file: Written) -> None:
    """JSON of 1 MiB in letters that take the most bytes in JSON, and twice, because its fields are kept too."""
    for _ in range(12):
        fields = ",".join(f'"f{number}":"{"ж" * 8000}"' for number in range(65))
        file.add(f"{{{fields}}}".encode())


def _flooded(file: Written) -> None:
    """1 MiB, every other byte of which is none of a text."""
    for flaw in (b"\x01", b"\xff"):
        for _ in range(8):
            file.add(b'{"a":"' + (b"a" + flaw) * 500_000 + b'"}')


@pytest.mark.parametrize("write", [_short, _long, _flooded])
def test_no_request_is_larger_than_small_servers_take(
    tmp_path: Path,
    fluent_bit: Path,
    start_process: Callable[..., Process],
    write: Callable[[Written], None],
    record_property: Callable[[str, object], None],
) -> None:
    with Sink(tmp_path / "sink", ids=True, limit=LIMIT) as sink:
        pipeline, port = _rendered(tmp_path, sink)
        _write_pod(pipeline)
        file = Written(tmp_path / "pods" / POD / "app" / "0.log")
        write(file)
        file.save()  # all of it waits when Fluent Bit starts
        shipper = Shipper(fluent_bit, pipeline.file, port, start_process)
        wait_until(
            lambda: sink.counts().created >= len(file.owed), 30,
            lambda: f"{len(file.owed)} documents arrive: {sink.counts()}; {shipper.process.tail()}", interval=0.2,
        )  # fmt: skip
        counts = sink.counts()
    record_property("largest request", counts.largest)
    assert (counts.created, counts.conflicts, counts.refused) == (len(file.owed), 0, 0)
    assert set(counts.statuses) == {"200"}
    assert 2**20 < counts.largest < LIMIT * 0.75


def test_of_a_torn_gzip_file_all_lines_up_to_the_tear_arrive_and_then_it_is_given_up(
    tmp_path: Path, fluent_bit: Path, start_process: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "_BROKEN_SECONDS", 8.0)
    with Sink(tmp_path / "sink", ids=True, keep=True) as sink:
        pipeline, port = _rendered(tmp_path, sink)
        folder = tmp_path / "pods" / POD / "app"
        file = Written(folder / "0.log.20261122-100000")
        choose = random.Random(1)
        for _ in range(40_000):
            file.add(b"INFO order=%d status=200 path=/api/v1/orders method=GET" % choose.randrange(10**9))
        file.save()
        packed = gzip.compress(file.path.read_bytes())
        torn = file.path.with_name(f"{file.path.name}.gz")
        torn.write_bytes(packed[: len(packed) // 2])
        lines = zlib.decompressobj(GZIP).decompress(torn.read_bytes()).splitlines(keepends=True)[:-1]
        whole = [line.split(b" ", 3)[3].decode().rstrip("\n") for line in lines]
        os.utime(torn, (time.time() - 60,) * 2)
        file.path.unlink()
        registry = CollectorRegistry()
        began = time.monotonic()
        tracker = FileTracker(
            pipeline.config, LogMetrics(registry), reload=lambda: True, up_seconds=lambda: time.monotonic() - began
        )
        tracker.prepare()
        tracker.step()
        link = Path(pipeline.layout.backfill) / POD / "app" / torn.name
        assert link.readlink() == torn

        shipper = Shipper(fluent_bit, pipeline.file, port, start_process)

        def given_up() -> bool:
            tracker.step()
            return not link.is_symlink()

        wait_until(given_up, 40, lambda: f"it is given up; {shipper.process.tail()}", interval=0.3)

        def texts_if_all_there() -> list[str]:
            # Chunks overtake one another: what is on its way is waited for.
            texts = [document["log"] for document in sink.documents()]
            return texts if set(texts) == set(whole[: len(texts)]) else []

        texts = wait_until(texts_if_all_there, 20, lambda: "the lines that arrived are those of the file's beginning")
    assert len(texts) == len(set(texts)) > 10_000
    # What Fluent Bit has taken in and not unpacked when the file ends goes with it.
    assert 0 <= sum(len(line) for line in lines[len(texts) :]) < UNPACKED_AT_ONCE
    assert registry.get_sample_value("sidecar_log_backfilled_files_total") == 1
