from pathlib import Path

import orjson
import pytest

from sidecar.errors import JournalError
from sidecar.events import reader as reader_module
from sidecar.events.journal import Journal
from sidecar.events.reader import Reader, parse_line


def line(number: int, filling: str = "") -> bytes:
    return orjson.dumps({"id": f"{number}", "index": "i", "x": filling}) + b"\n"


def ids(reader: Reader) -> list[str]:
    return [document.id for document in reader.next().documents]


def test_batches_are_as_long_as_asked_for_and_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6)
    journal.append([line(number) for number in range(5)])
    reader, found = Reader(journal, lines=2), []
    for _ in range(4):
        found.append(ids(reader))
        reader.done()
    assert found == [["0", "1"], ["2", "3"], ["4"], []]
    journal.close()


def test_a_document_has_the_line_as_it_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6)
    journal.append([line(1, "ä\r\u2028")])
    (document,) = Reader(journal).next().documents
    assert (document.index, document.id, document.source) == ("i", "1", line(1, "ä\r\u2028"))
    journal.close()


def test_what_is_not_done_comes_again_also_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6)
    journal.append([line(number) for number in range(4)])
    reader = Reader(journal, lines=2)
    assert ids(reader) == ids(reader) == ["0", "1"]
    reader.done()
    assert ids(reader) == ["2", "3"]
    journal.close()
    again = Journal(tmp_path, cap=10**6)
    assert ids(Reader(again)) == ["0", "1", "2", "3"], "a segment is kept until all of it is done"
    again.close()


def test_done_counts_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6)
    journal.append([line(number) for number in range(3)])
    reader = Reader(journal, lines=1)
    assert ids(reader) == ["0"]
    reader.done()
    reader.done()
    assert ids(reader) == ["1"]
    journal.close()


def test_only_whole_confirmed_closed_segments_are_deleted(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6, segment_bytes=1)
    for number in range(3):
        journal.append([line(number)])
    first, second, third, ahead = journal.segments()
    reader = Reader(journal)
    assert ids(reader) == ["0"]
    reader.done()
    assert first.exists(), "looking into the next one tells that this is over"
    assert ids(reader) == ["1"]
    assert not first.exists()
    assert second.exists()
    reader.done()
    assert ids(reader) == ["2"]
    reader.done()
    assert ids(reader) == []
    assert not second.exists()
    assert third.exists(), "it is open"
    assert ahead.exists()
    journal.close()


def test_lines_appended_and_segments_closed_while_reading_are_seen(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6, segment_bytes=40)
    reader, found = Reader(journal), []
    for number in range(6):
        assert ids(reader) == []
        journal.append([line(number)])
        found += ids(reader)
        reader.done()
    assert found == [str(number) for number in range(6)]
    assert len(journal.segments()) <= 3
    journal.close()


def test_a_line_that_is_still_being_written_waits_for_its_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6)
    reader, segment = Reader(journal), journal.segments()[0]
    half = line(1, "ä" * 9)
    for end in range(1, len(half)):
        segment.write_bytes(half[:end])
        batch = reader.next()
        assert (batch.documents, batch.unreadable) == ([], 0)
        reader.done()
    segment.write_bytes(half)
    assert ids(reader) == ["1"]
    journal.close()


@pytest.mark.parametrize("length", [10, 63, 64, 65, 200, 1000])
def test_lines_longer_than_the_buffer_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(reader_module, "_READ_BYTES", 64)
    journal = Journal(tmp_path, cap=10**6)
    lines = [line(number, "x" * length) for number in range(3)]
    journal.append(lines)
    reader, sources = Reader(journal), []
    while documents := reader.next().documents:
        sources += [document.source for document in documents]
        reader.done()
    assert sources == lines
    journal.close()


GARBAGE = [b"\n", b"\0\0\0\n", b"{\n", b"[1]\n", b'"id"\n', b"5\n", b'{"id":"1"}\n', b'{"id":1,"index":"i"}\n',
           b'{"id":"1","index":null}\n', b"\xff\xfe\n", b"null\n"]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_line_that_is_no_document_is_none(garbage: bytes) -> None:
    assert parse_line(garbage) is None


def test_unreadable_lines_are_counted_and_hide_nothing(tmp_path: Path) -> None:
    old = tmp_path / f"{1:016d}.jsonl"
    old.write_bytes(b"".join(garbage + line(number) for number, garbage in enumerate(GARBAGE)))
    journal = Journal(tmp_path, cap=10**6)
    reader = Reader(journal)
    batch = reader.next()
    assert batch.unreadable == len(GARBAGE)
    assert [document.id for document in batch.documents] == [str(number) for number in range(len(GARBAGE))]
    journal.close()


def test_a_segment_of_nothing_but_garbage_is_gone_past_and_deleted(tmp_path: Path) -> None:
    old = tmp_path / f"{1:016d}.jsonl"
    old.write_bytes(b"{\n" * 3)
    journal = Journal(tmp_path, cap=10**6)
    journal.append([line(1)])
    reader = Reader(journal, lines=2)
    counts = []
    for _ in range(3):
        batch = reader.next()
        counts.append((batch.unreadable, len(batch.documents)))
        reader.done()
    assert counts == [(2, 0), (1, 0), (0, 1)]
    assert not old.exists()
    journal.close()


def test_a_carriage_return_in_garbage_moves_no_boundary(tmp_path: Path) -> None:
    (tmp_path / f"{1:016d}.jsonl").write_bytes(b"{\r\r\n" + line(1))
    journal = Journal(tmp_path, cap=10**6)
    reader = Reader(journal)
    assert ids(reader) == ["1"]
    reader.done()
    assert ids(reader) == []
    journal.close()


def test_a_segment_that_can_not_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / f"{1:016d}.jsonl").mkdir()
    journal = Journal(tmp_path, cap=10**6)
    with pytest.raises(JournalError, match=r"0001\.jsonl: Is a directory \(check owner"):
        Reader(journal).next()
    journal.close()


def test_an_empty_journal_gives_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=10**6)
    batch = Reader(journal).next()
    assert (batch.documents, batch.unreadable) == ([], 0)
    journal.close()


@pytest.mark.parametrize(
    "line",
    [
        b'{"index":"","id":"1"}',
        b'{"index":"i","id":""}',
        b'{"index":"I","id":"1"}',
        b'{"index":"_all","id":"1"}',
        b'{"index":"i","id":"' + b"x" * 513 + b'"}',
        b'{"index":1,"id":"1"}',
    ],
)
def test_a_line_that_opensearch_could_never_take_is_no_document(line: bytes) -> None:
    assert parse_line(line) is None
