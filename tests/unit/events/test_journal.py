import errno
import os
import random
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from sidecar.errors import JournalError
from sidecar.events import marks
from sidecar.events.following import Position
from sidecar.events.journal import Journal
from sidecar.events.reader import Reader
from sidecar.events.segment import make_folder

CAP = 1_000_000


def line(number: int, filling: str = "") -> bytes:
    return orjson.dumps({"id": f"{number}", "index": "i", "x": filling}) + b"\n"


def drain(journal: Journal, reader: Reader | None = None) -> list[str]:
    """The ids of all whole lines, each batch done with."""
    reader, ids = reader or Reader(journal), []
    while documents := reader.next().documents:
        ids += [document.id for document in documents]
        reader.done()
    return ids


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))


def stored_position(folder: Path) -> str | None:
    path = folder / "position.json"
    return orjson.loads(path.read_bytes())["resourceVersion"] if path.exists() else None


def test_what_is_appended_is_in_the_segments_at_once_and_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    assert journal.append([line(1), line(2)], position=Position("2", 1.0))
    assert journal.append([line(3)])
    assert on_disk(tmp_path) == line(1) + line(2) + line(3)
    assert journal.size == len(on_disk(tmp_path))
    journal.close()


def test_the_position_moves_with_a_commit_and_not_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(1)], position=Position("41", 1.0))
    assert stored_position(tmp_path) is None
    journal.commit()
    assert journal.position == Position("41", 1.0)
    assert stored_position(tmp_path) == "41"
    journal.append([line(2)])
    journal.commit()
    assert stored_position(tmp_path) == "41", "lines without a version don't move it"
    journal.close()


def test_the_lines_are_synced_before_the_position_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, cap=CAP)
    order: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda _file: order.append(f"lines, position {stored_position(tmp_path)}"))
    monkeypatch.setattr(os, "fsync", lambda _file: order.append("position"))
    journal.append([line(1)], position=Position("5", 1.0))
    journal.commit()
    assert order == ["lines, position None", "position"]
    monkeypatch.undo()
    journal.close()


def test_after_a_sync_that_failed_no_position_moves_past_what_may_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(0)], position=Position("4", 1.0))
    journal.commit()
    journal.append([line(1)], position=Position("5", 1.0))
    spoiled = journal.segments()[0]
    monkeypatch.setattr(os, "fdatasync", failing(errno.EIO))
    with pytest.raises(JournalError, match=r"could not be made safe: Input/output error"):
        journal.commit()
    monkeypatch.undo()
    journal.commit()
    assert stored_position(tmp_path) == "4"
    assert not journal.is_open(spoiled), "what follows goes elsewhere"
    with pytest.raises(JournalError, match="read again"):
        journal.append([line(1)], position=Position("5", 1.0))
    drain(journal)
    assert journal.confirmed is None, "no mark is left of what may be lost"
    journal.append([line(1)], position=Position("5", 1.0))
    journal.commit()
    assert stored_position(tmp_path) == "5"
    journal.close()


def test_a_sync_that_fails_when_a_segment_is_full_is_not_forgotten_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, cap=CAP, segment_bytes=50)
    journal.append([line(1, "x" * 30)], position=Position("5", 1.0))
    monkeypatch.setattr(os, "fdatasync", failing(errno.EIO))
    with pytest.raises(JournalError, match="Input/output error"):
        journal.append([line(2, "x" * 30)], position=Position("6", 1.0))
    monkeypatch.undo()
    with pytest.raises(JournalError):
        journal.commit()
    journal.commit()
    assert journal.position is None
    with pytest.raises(JournalError, match="read again"):
        journal.append([line(1)])
    journal.append([line(1)], position=Position("5", 1.0))
    journal.commit()
    assert stored_position(tmp_path) == "5"
    journal.close()


def test_a_disk_that_fails_for_long_is_tried_again_and_loses_no_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(1)], position=Position("5", 1.0))
    monkeypatch.setattr(os, "fdatasync", failing(errno.EIO))
    monkeypatch.setattr(os, "open", failing(errno.EIO))
    for _ in range(3):
        with pytest.raises(JournalError):
            journal.commit()
    with pytest.raises(JournalError):
        journal.append([line(1)])
    with pytest.raises(JournalError):
        journal.append([line(1)])
    monkeypatch.undo()
    assert journal.position is None
    with suppress(JournalError):
        journal.commit()
    with suppress(JournalError):
        journal.append([])
    journal.append([line(1)], position=Position("5", 1.0))
    journal.commit()
    assert stored_position(tmp_path) == "5"
    journal.close()


def test_a_newer_version_that_came_while_a_commit_failed_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(1)], position=Position("5", 1.0))

    def meanwhile(_file: int) -> None:
        monkeypatch.undo()
        journal.append([line(2)], position=Position("6", 1.0))
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(JournalError):
        journal.commit()
    assert stored_position(tmp_path) is None
    journal.commit()
    assert stored_position(tmp_path) == "6"
    journal.close()


@pytest.mark.parametrize("name", ["fdatasync", "fsync", "unlink", "close"])
def test_close_raises_nothing_but_journal_errors_and_closes_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(1)], position=Position("5", 1.0))
    if name == "unlink":
        monkeypatch.setattr(Path, "unlink", lambda _path, **_options: failing(errno.EROFS)())
    elif name == "close":
        real = os.close
        monkeypatch.setattr(os, "close", lambda file: (real(file), failing(errno.EIO)()))
    else:
        monkeypatch.setattr(os, name, failing(errno.EIO))
    with pytest.raises(JournalError):
        journal.close()
    monkeypatch.undo()
    Journal(tmp_path, cap=CAP).close()


def lose(path: Path, how: str) -> None:
    if how == "removed":
        path.unlink()
    else:
        os.truncate(path, 5)


@pytest.mark.parametrize("how", ["removed", "cut"])
@pytest.mark.parametrize("notices", ["reader", "commit"])
def test_a_closed_segment_that_somebody_touches_is_noticed_once_and_never_gone_past(
    tmp_path: Path, how: str, notices: str
) -> None:
    journal = Journal(tmp_path, cap=CAP, segment_bytes=10)
    for number in range(1, 5):
        journal.append([line(number)], position=Position(str(number), 1.0))
    reader = Reader(journal)
    assert [document.id for document in reader.next().documents] == ["1"]
    lose(journal.segments()[1], how)
    reader.done()
    assert journal.confirmed == Position("1", 1.0)
    with pytest.raises(JournalError, match="was removed or cut before all of it was confirmed"):
        journal.commit() if notices == "commit" else reader.next()
    assert drain(journal, reader) == ["3", "4"], "the rest goes on"
    assert journal.confirmed == Position("1", 1.0), "not past what is lost"
    assert journal.size == len(on_disk(tmp_path))
    with pytest.raises(JournalError, match="read again"):
        journal.append([line(5)], position=Position("5", 1.0))
    journal.append([line(2), line(5)], position=Position("5", 1.0))
    assert drain(journal, reader) == ["2", "5"]
    assert journal.confirmed == Position("5", 1.0)
    journal.close()


def test_a_segment_of_an_earlier_run_that_is_removed_is_noticed_too(tmp_path: Path) -> None:
    old = tmp_path / f"{1:016d}.jsonl"
    old.write_bytes(line(1))
    journal = Journal(tmp_path, cap=CAP)
    old.unlink()
    with pytest.raises(JournalError, match=r"0001\.jsonl was removed or cut"):
        journal.commit()
    journal.commit()
    assert journal.size == 0
    journal.close()


def test_lines_lost_while_an_append_waits_for_room_are_not_gone_past(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=1000, segment_bytes=10)
    journal.append([line(1, "x" * 400)], position=Position("1", 1.0))
    journal.append([line(2, "x" * 400)], position=Position("2", 1.0))
    asked: list[int] = []

    def stop() -> bool:
        if not asked:
            journal.segments()[0].unlink()
        asked.append(1)
        return False

    noticing = threading.Timer(0.1, _quietly, [journal.check])
    noticing.start()
    with pytest.raises(JournalError, match="read again"):
        journal.append([line(3, "x" * 400)], position=Position("3", 1.0), stop=stop)
    noticing.join()
    journal.close()


def _quietly(action: Callable[[], None]) -> None:
    with suppress(JournalError):
        action()


def test_names_of_the_far_future_are_read_and_deleted_and_not_gone_on_from(tmp_path: Path) -> None:
    foreign = tmp_path / "9999999999999999.jsonl"
    foreign.write_bytes(line(1))
    for number in (2, 3):
        journal = Journal(tmp_path, cap=CAP)
        own = [path for path in journal.segments() if path != foreign]
        assert all(int(path.stem) <= time.time_ns() // 1000 + 2 for path in own)
        journal.append([line(number)], position=Position(str(number), 1.0))
        if number == 2:
            journal.close()
    reader = Reader(journal)
    confirmed = []
    ids: list[str] = []
    while documents := reader.next().documents:
        ids += [document.id for document in documents]
        reader.done()
        confirmed.append(journal.confirmed)
    assert ids == ["2", "1", "3"]
    assert confirmed == [None, None, Position("3", 1.0)], "a foreign file is before none of our own"
    assert not foreign.exists()
    journal.close()


@pytest.mark.parametrize("clock", [0, 10**15, 10**18, 10**19, 2**63])
def test_a_name_never_has_more_than_16_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: int) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: clock)
    for _ in range(2):
        journal = Journal(tmp_path, cap=CAP, segment_bytes=30)
        for number in range(4):
            journal.append([line(number)])
        assert len(list(tmp_path.glob("*.jsonl"))) == len(journal.segments())
        journal.close()
    assert len(drain(Journal(tmp_path, cap=CAP))) == 8


def failing(code: int) -> Callable[..., int]:
    def fail(*_arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


def test_the_position_survives_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([], position=Position("77", 1.0))
    journal.close()
    again = Journal(tmp_path, cap=CAP)
    assert again.position == journal.position
    again.close()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"5", b'"x"', b"null", b'{"resourceVersion":"1"}', b'{"resourceVersion":"1","time":"x"}']
)
def test_a_damaged_position_is_none_and_no_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "position.json").write_bytes(text)
    journal = Journal(tmp_path, cap=CAP)
    assert journal.position is None
    journal.append([], position=Position("3", 1.0))
    journal.close()
    assert stored_position(tmp_path) == "3"


def test_a_full_segment_is_closed_and_the_next_one_was_there_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP, segment_bytes=100)
    first, second = journal.segments()
    journal.append([line(1, "x" * 60)])
    assert journal.is_open(first)
    assert journal.is_open(second)
    journal.append([line(2, "x" * 60)])
    assert not journal.is_open(first)
    assert second.read_bytes() == line(2, "x" * 60)
    assert len(journal.segments()) == 3
    assert first.read_bytes() == line(1, "x" * 60), "lines are never torn between two segments"
    journal.close()


def test_an_append_longer_than_a_segment_goes_whole_into_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP, segment_bytes=100)
    journal.append([line(number, "x" * 60) for number in range(9)])
    assert [path.stat().st_size > 0 for path in journal.segments()] == [True, False]
    journal.close()


@pytest.mark.parametrize("clock", [10**18 - 86_000 * 10**9, 10**18 - 10**9, 10**18])
def test_names_never_repeat_and_always_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: int) -> None:
    names: list[str] = []
    for start in (10**18, clock):
        monkeypatch.setattr(time, "time_ns", lambda start=start: start)
        journal = Journal(tmp_path, cap=CAP, segment_bytes=30)
        for number in range(4):
            journal.append([line(number)])
        names += [path.name for path in journal.segments() if path.name not in names]
        journal.close()
    assert names == sorted(set(names))
    assert len(names) == 9, "5 of the first, and 4 new ones: the empty next one is taken away by close"


def test_two_runs_with_an_empty_folder_between_use_other_names(tmp_path: Path) -> None:
    seen: set[str] = set()
    for _ in range(3):
        journal = Journal(tmp_path, cap=CAP)
        names = {path.name for path in journal.segments()}
        assert not names & seen
        seen |= names
        journal.close()
        assert journal.segments() == []


def test_close_removes_empty_segments_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(1)])
    journal.close()
    assert on_disk(tmp_path) == line(1)
    assert len(journal.segments()) == 1


def test_after_close_nothing_can_be_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(1)])
    journal.close()
    with pytest.raises(JournalError):
        journal.append([line(2)])
    assert on_disk(tmp_path) == line(1)


def test_files_and_folder_are_shared_with_the_group_alone(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        journal = Journal(tmp_path / "a" / "events", cap=CAP)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "events").stat().st_mode) == 0o2770
    assert {stat.S_IMODE(path.stat().st_mode) for path in journal.segments()} == {0o640}
    journal.close()


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_folder_that_can_not_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"journal: .*file/events: Not a directory \(check space, owner and mode"):
        Journal(tmp_path / "file" / "events", cap=CAP)


# --- the cap


def test_a_full_journal_waits_until_asked_to_stop_and_appends_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=800)
    while journal.size + len(line(1, "x" * 50)) <= 800:
        journal.append([line(1, "x" * 50)])
    before, asked = on_disk(tmp_path), iter([False, True])
    assert not journal.append([line(2, "x" * 50)], position=Position("9", 1.0), stop=lambda: next(asked))
    assert next(asked, None) is None, "asked again and again"
    assert on_disk(tmp_path) == before
    journal.commit()
    assert stored_position(tmp_path) is None, "what was not appended moves no position"
    journal.close()


def test_deleting_a_segment_frees_room_for_who_waits(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=800)
    while journal.size + len(line(1, "x" * 50)) <= 800:
        journal.append([line(1, "x" * 50)])
    appended: list[bool] = []
    thread = threading.Thread(target=lambda: appended.append(journal.append([line(2, "x" * 50)])))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    journal.delete(journal.segments()[0])
    thread.join(2)
    assert appended == [True]
    assert journal.size == len(on_disk(tmp_path)) <= 800
    journal.close()


def test_a_single_append_above_the_cap_is_taken_by_an_empty_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=100)
    assert journal.append([line(1, "x" * 500)], stop=lambda: True)
    journal.close()


def test_a_full_journal_whose_open_segment_is_all_there_is_gets_free_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=1000)
    journal.append([line(1, "x" * 800)])
    reader = Reader(journal)
    appended = threading.Thread(target=journal.append, args=([line(2, "x" * 800)],))
    appended.start()
    ids: list[str] = []
    end = time.monotonic() + 3
    while len(ids) < 2 and time.monotonic() < end:
        ids += drain(journal, reader)
        time.sleep(0.01)
    appended.join(1)
    assert ids == ["1", "2"]
    journal.close()


def test_segments_of_an_earlier_run_count_for_the_cap(tmp_path: Path) -> None:
    (tmp_path / f"{1:016d}.jsonl").write_bytes(b"x" * 900)
    journal = Journal(tmp_path, cap=1000)
    assert journal.size == 900
    assert not journal.append([line(1, "x" * 200)], stop=lambda: True)
    journal.close()


def test_a_segment_that_somebody_else_deleted_stops_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=8000, segment_bytes=10)
    for number in range(4):
        journal.append([line(number)])
    reader = Reader(journal)
    reader.next()
    journal.segments()[0].unlink()
    reader.done()
    assert drain(journal, reader) == ["1", "2", "3"]
    assert journal.size == len(on_disk(tmp_path))
    journal.close()


# --- failing disks


class FullDisk:
    """`os.write` on a disk with this much room."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, file: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self._write(file, data[: self.room])
        self.room -= done
        return done


def test_writes_that_take_only_a_part_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, write = Journal(tmp_path, cap=CAP), os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:3]))
    journal.append([line(1), line(2)])
    assert on_disk(tmp_path) == line(1) + line(2)
    assert journal.size == len(line(1) * 2)
    journal.close()


@pytest.mark.parametrize("room", [0, 1, len(line(2)) - 1, len(line(2)), len(line(2)) + 1])
def test_a_torn_line_stays_and_what_follows_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([line(1)], position=Position("1", 1.0))
    disk = FullDisk(room)
    monkeypatch.setattr(os, "write", disk)
    with pytest.raises(JournalError, match="No space left"):
        journal.append([line(2), line(3)], position=Position("3", 1.0))
    journal.commit()
    assert stored_position(tmp_path) == "1", "the position is never ahead of the lines"
    first = journal.segments()[0]
    torn = first.read_bytes()
    assert torn == line(1) + (line(2) + line(3))[:room]
    disk.room = 10_000
    journal.append([line(2), line(3)], position=Position("3", 1.0))
    journal.commit()
    assert first.read_bytes().startswith(torn)
    assert journal.is_open(first) is (room == 0), "a segment that isn't torn goes on"
    assert list(dict.fromkeys(drain(journal))) == ["1", "2", "3"]
    assert stored_position(tmp_path) == "3"
    journal.close()


def test_a_disk_that_stays_full_makes_no_heap_of_segments_and_loses_no_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, cap=CAP, segment_bytes=60)
    journal.append([line(1, "x" * 30)])
    monkeypatch.setattr(os, "write", FullDisk(0))
    for _ in range(20):
        with pytest.raises(JournalError):
            journal.append([line(2, "x" * 30)])
    monkeypatch.undo()
    assert len(journal.segments()) <= 3
    assert journal.size == len(line(1, "x" * 30))
    monkeypatch.setattr(os, "open", failing(errno.ENOSPC))
    journal.append([line(2, "x" * 30)])
    for _ in range(20):
        with pytest.raises(JournalError):
            journal.append([line(3, "x" * 30)])
    monkeypatch.undo()
    assert journal.size == len(on_disk(tmp_path))
    journal.append([line(3, "x" * 30)])
    assert drain(journal) == ["1", "2", "3"]
    journal.close()


def test_a_crash_at_any_byte_loses_no_whole_line_and_rewrites_nothing(tmp_path: Path) -> None:
    whole = [line(number, "äö" * number) for number in range(4)]
    data = b"".join(whole)
    for cut in range(len(data) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        old = folder / f"{5:016d}.jsonl"
        old.write_bytes(data[:cut])
        node, kept = old.stat().st_ino, data[:cut].count(b"\n")
        journal = Journal(folder, cap=CAP)
        journal.append([line(9)])
        assert old.read_bytes() == data[:cut]
        assert old.stat().st_ino == node
        reader = Reader(journal)
        expected = [str(number) for number in range(kept)]
        if kept:
            assert [document.id for document in reader.next().documents] == expected
            assert old.read_bytes() == data[:cut], "not done: not deleted"
            reader.done()
        assert drain(journal, reader) == ["9"]
        assert not old.exists()
        journal.close()


# --- several threads


def test_appending_committing_reading_and_deleting_at_once_loses_and_repeats_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=40_000, segment_bytes=2000)
    over = threading.Event()
    chance = random.Random(1)

    def write(writer: int) -> None:
        for number in range(150):
            lines = [line(writer * 1000 + number * 3 + part, "x" * chance.randrange(150)) for part in range(3)]
            assert journal.append(lines, position=Position(str(number), 1.0))

    def commit() -> None:
        while not over.is_set():
            journal.commit()

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    committer = threading.Thread(target=commit)
    for thread in (*writers, committer):
        thread.start()
    ids: list[str] = []
    reader, end = Reader(journal, lines=17), time.monotonic() + 8
    while len(ids) < 1350 and time.monotonic() < end:
        ids += drain(journal, reader)
    over.set()
    for thread in (*writers, committer):
        thread.join(5)
    assert sorted(ids, key=int) == [str(writer * 1000 + number) for writer in range(3) for number in range(450)]
    for writer in range(3):
        own = [int(key) for key in ids if int(key) // 1000 == writer]
        assert own == sorted(own), "in the order of each writer"
    assert journal.size == len(on_disk(tmp_path))
    journal.close()


def test_who_waits_for_lines_is_woken_by_an_append(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    assert not journal.wait_for_lines(0.01)
    threading.Timer(0.02, journal.append, [[line(1)]]).start()
    began = time.monotonic()
    assert journal.wait_for_lines(5)
    assert time.monotonic() - began < 2
    assert not journal.wait_for_lines(0), "each append wakes once"
    journal.append([], position=Position("1", 1.0))
    assert not journal.wait_for_lines(0), "a position alone is nothing to read"
    journal.close()


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "1.jsonl", f"{1:016d}.jsonl.gz"):
        (tmp_path / name).write_text("x")
    journal = Journal(tmp_path, cap=CAP)
    assert len(journal.segments()) == 2
    assert journal.size == 0
    journal.close()
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "1.jsonl", f"{1:016d}.jsonl.gz", "lock"}


def test_a_second_sidecar_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    with pytest.raises(JournalError, match="another sidecar uses"):
        Journal(tmp_path, cap=CAP)
    journal.close()
    Journal(tmp_path, cap=CAP).close()


def test_a_folder_that_is_renamed_is_noticed_and_its_lock_taken_anew(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    journal = Journal(folder, cap=CAP)
    journal.append([b"{}\n"], position=Position("1", 1.0))
    folder.rename(tmp_path / "away")
    folder.mkdir()
    with pytest.raises(JournalError, match="was removed while it was written to"):
        journal.commit()
    assert journal.position is None, "not past what is lost"
    with pytest.raises(JournalError, match="is read again"):
        journal.append([b"{}\n"])
    journal.append([b'{"again":1}\n'], position=Position("1", 1.0))
    journal.commit()
    assert b"".join(segment.read_bytes() for segment in journal.segments()) == b'{"again":1}\n'
    with pytest.raises(JournalError, match="another sidecar uses"):
        Journal(folder, cap=CAP)
    journal.close()


def test_a_segment_that_is_removed_while_it_is_written_to_is_noticed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    journal.append([b"{}\n"], position=Position("1", 1.0))
    journal.commit()
    for segment in journal.segments():
        segment.unlink()
    journal.append([b'{"lost":1}\n'], position=Position("2", 1.0))
    with pytest.raises(JournalError, match="was removed while it was written to"):
        journal.commit()
    assert journal.position is not None
    assert journal.position.resource_version == "1", "not past what is lost"
    with pytest.raises(JournalError, match="is read again"):
        journal.append([b"{}\n"], position=Position("3", 1.0))
    assert journal.append([b'{"again":1}\n'], position=Position("3", 1.0))
    journal.commit()
    assert b"".join(segment.read_bytes() for segment in journal.segments()) == b'{"again":1}\n'
    journal.close()


def test_position_is_a_value() -> None:
    assert Position("1", 2.0) == Position("1", 2.0)


def test_a_position_is_confirmed_once_all_before_it_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path, cap=CAP)
    reader = Reader(journal, lines=2)
    journal.append([line(1)], position=Position("1", 1.0))
    journal.append([line(2), line(3)], position=Position("3", 3.0))
    assert reader.next().documents
    reader.done()
    assert journal.confirmed == Position("1", 1.0), "the second line is confirmed, the third not yet"
    assert reader.next().documents
    reader.done()
    assert journal.confirmed == Position("3", 3.0)
    journal.append([], position=Position("9", 9.0))
    assert not reader.next().documents
    reader.done()
    assert journal.confirmed == Position("9", 9.0), "nothing is waiting"
    journal.close()


def test_positions_are_confirmed_over_many_segments_and_many_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "_MOST", 16)
    journal = Journal(tmp_path, cap=CAP, segment_bytes=200)
    for number in range(200):
        journal.append([line(number)], position=Position(str(number), 0.0))
    reader, confirmed = Reader(journal, lines=7), []
    while documents := reader.next().documents:
        last = int(documents[-1].id)
        reader.done()
        if journal.confirmed:
            confirmed.append(int(journal.confirmed.resource_version))
            assert confirmed[-1] <= last
    assert confirmed == sorted(confirmed)
    assert confirmed[-1] == 199
    assert len(set(confirmed)) > 4
    journal.close()
