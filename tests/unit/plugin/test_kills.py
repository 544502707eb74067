"""A process that ends at any place of one file, and files that look alike."""

import pytest

from tests.unit.plugin.node import TRACES, Line, Written, check, mixed, node_of


@pytest.mark.parametrize("ticks", [0, 1])
@pytest.mark.parametrize("forgets", [False, True])
def test_a_process_may_end_at_any_line(ticks: int, forgets: bool) -> None:
    file = mixed()
    for position in range(len(file.lines)):
        for dies in {0, 1, 2, 3, 5, len(file.lines) - position}:
            with node_of([file]) as node:
                node.read(0, position, None, forgets=False)
                for _ in range(ticks):
                    node.tick()
                node.read(0, len(file.lines), dies or None, forgets=forgets)
                node.finish()
                check(node)


@pytest.mark.parametrize("buffers", [1, 2, 3])
def test_a_process_may_end_after_every_buffer(buffers: int) -> None:
    file = mixed()
    with node_of([file]) as node:
        for _ in file.lines:
            node.read(0, buffers, None, forgets=False)
            node.restart()
        node.finish()
        check(node)


def test_two_files_of_one_path_and_length_are_told_apart() -> None:
    old, new = (
        Written([Line(start + 0.001 * number, "stdout", "F", text) for number, text in enumerate(trace)])
        for start, letter in ((0.0, "a"), (2.0, "b"))
        for trace in [[f"java.io.IOException: {letter}", f"\tat {letter}.B", f"\tat {letter}.C", f"plain {letter}"]]
    )
    with node_of([old, new]) as node:
        node.read(0, 2, None, forgets=False)
        node.names[1] = node.names[0]
        node.tick()
        node.tick()
        for count in (2, 1):
            node.read(1, count, None, forgets=False)
            node.read(0, count, None, forgets=False)
        node.finish()
        check(node)


def test_a_trace_that_a_rotated_away_file_ends_with_goes_out() -> None:
    file = Written([Line(0.001 * number, "stdout", "F", text) for number, text in enumerate(TRACES[0])])
    with node_of([file]) as node:
        node.read(0, 9, None, forgets=False)
        node.path(0).unlink()
        for _ in range(40):
            node.tick()
        check(node)
        assert "flushed_by_timer\t-\t1" in (node.folder / "state/counters.tsv").read_text()


@pytest.mark.parametrize("restarts", [False, True])
def test_a_trace_waits_for_bytes_that_are_unread(restarts: bool) -> None:
    file = Written([Line(0.001 * number, "stdout", "F", text) for number, text in enumerate(TRACES[0])])
    with node_of([file]) as node:
        node.read(0, 2, None, forgets=False)
        if restarts:
            node.restart()
        for _ in range(500):
            node.tick()
        assert node.stored == {}
        node.finish()
        check(node)


def test_a_line_of_a_file_that_is_gone_takes_up_nothing_of_another() -> None:
    old = Written([Line(0.001 * number, "stdout", "F", f"plain {number}") for number in range(9)])
    new = Written([Line(2 + 0.001 * number, "stdout", "F", text) for number, text in enumerate(TRACES[0])])
    with node_of([old, new]) as node:
        node.tick()
        node.tick()
        node.read(0, 2, None, forgets=False)
        node.read(1, 2, None, forgets=False)
        node.restart()
        node.names[0] = node.path(0)
        node.path(0).unlink()
        node.read(0, 9, None, forgets=False)
        node.finish()
        check(node)


def test_a_file_that_is_gone_goes_on_while_it_is_read() -> None:
    file = Written([Line(0.001 * number, "stdout", "F", text) for number, text in enumerate(TRACES[0])])
    with node_of([file]) as node:
        node.read(0, 2, None, forgets=False)
        node.restart()
        node.names[0] = node.path(0)
        node.path(0).unlink()
        node.read(0, 9, None, forgets=False)
        node.finish()
        check(node)


@pytest.mark.parametrize("restarts", [False, True])
def test_what_is_read_again_from_a_gzipped_file_is_not_cut(restarts: bool) -> None:
    file = Written([Line(0.001 * number, "stdout", "F", text) for number, text in enumerate([*TRACES[0], "plain"])])
    with node_of([file]) as node:
        node.read(0, 2, None, forgets=False)
        if restarts:
            node.restart()
        node.path(0).unlink()
        (node.logs / "0.log.20261122-100000.gz").touch()
        for _ in range(60):
            node.tick()
        assert node.stored == {}
        node.backfill(0)
        for _ in range(200):
            node.tick()
        check(node)
        assert "flushed_by_timer" not in (node.folder / "state/counters.tsv").read_text()
