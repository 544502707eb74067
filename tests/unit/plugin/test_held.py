"""The journal of what is held: torn, unwritable, emptied, compacted."""

from pathlib import Path

import pytest

from tests.unit.plugin.node import TRACES, check, mixed, node_of
from tests.unit.plugin.plugin import POD, Filter, cri, install


def test_a_journal_torn_anywhere_gives_no_wrong_line() -> None:
    file = mixed()
    with node_of([file]) as node:
        node.read(0, 13, None, forgets=False)
        journal = node.folder / "state/held.journal"
        whole = journal.read_bytes()
        stored = {name: set(texts) for name, texts in node.stored.items()}
        for size in range(0, len(whole), 29):
            journal.write_bytes(whole[:size])
            node.stored = {name: set(texts) for name, texts in stored.items()}
            # What the journal has lost can't be known; what it has must be right, and a later start must not read more.
            for _ in range(2):
                node.restart()
            node.restart(rewinds=True)
            node.finish()
            check(node)


def test_a_torn_line_is_not_taken_up(tmp_path: Path) -> None:
    script = install(tmp_path)
    path = tmp_path / "0.log"
    Filter(script).line(path, 0, cri("one two three", 0, flag="P"))
    journal = tmp_path / "state/held.journal"
    whole = journal.read_bytes()
    for size in range(len(whole) - 1):
        journal.write_bytes(whole[:size])
        # What is written after it makes a line of it.
        Filter(script).line(tmp_path / "1.log", 0, cri("of another", 0, flag="P"))
        assert [found["log"] for found in Filter(script).tick(40)] == ["of another"]
    journal.write_bytes(whole)
    assert [found["log"] for found in Filter(script).tick(40)] == ["one two three"]


def test_lines_go_out_where_no_journal_can_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = install(tmp_path)
    state = tmp_path / "state"
    state.rmdir()
    reader = Filter(script)
    found = reader.lines(POD + "/app/0.log", [cri(text) for text in [*TRACES[0], "plain"]])
    assert [each["log"] for each in found] == ["\n".join(TRACES[0]), "plain"]
    state.mkdir()
    reader.tick()
    assert "not_journaled\t-\t5" in (state / "counters.tsv").read_text()
    assert "can't write" in capfd.readouterr().err


def test_a_zero_byte_survives_the_journal(tmp_path: Path) -> None:
    script = install(tmp_path)
    raw = cri(b"a\0b\xffc", 0, flag="P")
    Filter(script).line(tmp_path / "0.log", 0, raw)
    assert (tmp_path / "state/held.journal").read_bytes().count(raw) == 1
    restarted = Filter(script)
    (tmp_path / "0.log").write_bytes(raw + b"\n" + cri("d", 1) + b"\n")
    found = restarted.line(tmp_path / "0.log", len(raw) + 1, cri("d", 1))
    assert [each["id"].rpartition("/")[2] for each in found] == ["0"]


def test_the_journal_is_emptied_when_nothing_is_held(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path))
    reader.lines(tmp_path / "0.log", [cri(text) for text in [*TRACES[0], "plain"]])
    journal = tmp_path / "state/held.journal"
    assert journal.stat().st_size > 0
    reader.tick()
    assert journal.stat().st_size == 0


def test_a_compaction_that_was_interrupted_harms_nothing(tmp_path: Path) -> None:
    script = install(tmp_path, compact_bytes=1)
    path = tmp_path / "0.log"
    raws = [cri(text) for text in TRACES[0]]
    path.write_bytes(b"".join(raw + b"\n" for raw in raws))
    reader = Filter(script)
    reader.lines(path, raws[:3])
    (tmp_path / "state/held.journal.tmp").write_bytes(b"L\thalf")
    restarted = Filter(script)
    restarted.tick()
    again = Filter(script)
    rest = sum(len(raw) + 1 for raw in raws[:3])
    again.line(path, rest, raws[3])
    assert [each["log"] for each in again.tick(10)] == ["\n".join(TRACES[0])]
