"""A crash at any byte of the journal: Fluent Bit and the sidecar both take every whole line, and nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from sidecar.agent import node
from sidecar.agent.node import Node
from sidecar.events.following import Position
from sidecar.events.journal import Journal
from sidecar.events.reader import Reader
from sidecar.opensearch import connect
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.sink import Sink
from tests.support.waiting import wait_until

Json = dict[str, Any]
CAP = 10**9
MESSAGES = (
    "Started container web",
    'ä € 🚀 "quoted" \\ \n\t\x01 {"a": 1} \u2028',
    "Back-off restarting failed container",
)


def event(cut: int, number: int) -> Json:
    """The Event of a line of the segment that is cut at `cut`."""
    return {
        "@timestamp": "2026-05-04T10:00:05.123Z",
        "id": f"cut{cut:04d}.{number}",
        "index": "k-2026.05.04",
        "message": MESSAGES[number],
        "count": 2,
        "metadata": {"resourceVersion": str(number)},
    }


def segment(cut: int) -> bytes:
    """All lines of the segment that is cut at `cut`, uncut."""
    return b"".join(orjson.dumps(event(cut, number)) + b"\n" for number in range(len(MESSAGES)))


CUTS = range(len(segment(0)) + 1)


@pytest.fixture
def sink(tmp_path: Path, start_process: Callable[..., Process]) -> Iterator[Sink]:
    with Sink(tmp_path / "sink", start_process, ids=True, keep=True) as made:
        yield made


@pytest.fixture
def pipeline(
    tmp_path: Path, sink: Sink, start_process: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    """Rendered, and pointed at the sink."""
    monkeypatch.setattr(node, "_START_SECONDS", 0.0)
    made = Pipeline(tmp_path, url=sink.url, kubeconfig=tmp_path / "none", start_process=start_process)
    files = Node(made.config, connect(made.config).access)
    files.prepare()
    files.open()
    return made


def crash_everywhere(folder: Path) -> tuple[dict[Path, bytes], list[Json], list[Json]]:
    """A segment for every place at which a crash may have ended it.

    Returns:
        The bytes of each; the Events of their whole lines, in order; and those that were torn or not yet written.
    """
    written: dict[Path, bytes] = {}
    whole: list[Json] = []
    lost: list[Json] = []
    for cut in CUTS:
        path = folder / f"{cut + 1:016d}.jsonl"
        written[path] = segment(cut)[:cut]
        path.write_bytes(written[path])
        for number in range(len(MESSAGES)):
            (whole if number < written[path].count(b"\n") else lost).append(event(cut, number))
    return written, whole, lost


def read_all(journal: Journal) -> tuple[list[Json], int]:
    """What the sidecar finds in the journal, in order, and the lines that it can't read."""
    reader = Reader(journal)
    found: list[Json] = []
    unreadable = 0
    while (batch := reader.next()).documents or batch.unreadable:
        found += [orjson.loads(document.source) for document in batch.documents]
        unreadable += batch.unreadable
        reader.done()
    return found, unreadable


def by_id(documents: list[Json]) -> list[Json]:
    return sorted(documents, key=lambda document: str(document["id"]))


def test_whole_lines_arrive_once_and_torn_ones_never(
    pipeline: Pipeline, sink: Sink, fluent_bit: Path, record_property: Callable[[str, object], None]
) -> None:
    lines = segment(0).splitlines()
    assert [150 <= len(line) <= 300 for line in lines] == [True] * 3
    assert len(segment(0)) > len(segment(0).decode())
    shipper = pipeline.start_fluent_bit(fluent_bit)
    wait_until(lambda: "[output:opensearch" in shipper.output(), 10, lambda: f"it runs; {shipper.tail()}")
    folder = Path(pipeline.layout.journal)
    written, whole, lost = crash_everywhere(folder)

    def arrived(owed: list[Json]) -> None:
        wait_until(
            lambda: sink.counts().created >= len(owed), 30,
            lambda: f"{len(owed)} arrive: {sink.counts()}; {shipper.tail()}",
        )  # fmt: skip
        counts = sink.counts()
        assert (counts.created, counts.conflicts, counts.anonymous, counts.refused) == (len(owed), 0, 0, 0)
        assert by_id(list(sink.documents())) == by_id(owed)

    arrived(whole)

    # The sidecar comes up again, and what was lost comes again, because the position was not moved past it.
    journal = Journal(folder, cap=CAP)
    again = [orjson.dumps(document) + b"\n" for document in lost]
    assert journal.append(again, position=Position("9", 1.0))
    journal.commit()
    arrived(whole + lost)
    shipper.terminate(10)  # what it held back, if it did, would go out now
    arrived(whole + lost)
    record_property("torn", f"{len(CUTS)} cuts, {len(whole)} whole lines and {len(lost)} lost ones arrived once")

    assert {path: path.read_bytes() for path in written} == written, "nobody writes to a torn segment"
    others = [path for path in journal.segments() if path not in written]
    assert b"".join(path.read_bytes() for path in others) == b"".join(again)
    assert read_all(journal) == (whole + lost, 0)
    assert not written.keys() & set(journal.segments()), "what is done with is deleted, torn or not"
    journal.close()
