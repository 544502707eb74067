"""Pod logs through everything that goes wrong on a node: nothing missing, nothing twice, nothing damaged."""

from array import array
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.podlogs.lines import Texts
from tests.support.podlogs.rows import ROWS, TRIED, Result
from tests.support.podlogs.score import Count, Score
from tests.support.podlogs.spec import Log, Spec
from tests.support.podlogs.truth import LogTruth, Truth
from tests.support.podlogs.writer import Writer


@pytest.mark.timeout(240)
@pytest.mark.parametrize("log_row", TRIED)
def test_nothing_is_missing_twice_or_damaged(
    log_row: str, log_results: dict[str, Future[Result]], record_property: Callable[[str, object], None]
) -> None:
    name = log_row
    result = log_results[name].result()
    record_property(name, str(result))
    assert result.truth.lines > 500, "too little was written to show anything"
    if ROWS[name].lossy:
        assert result.score.missing > 0
        assert (result.score.twice, result.score.damaged) == (0, 0), result.score.details()
        assert result.notes["counted bytes"] == result.notes["unread bytes"]
    else:
        assert result.score.perfect, result.score.details()
    for what in ROWS[name].reached:
        assert all(result.notes[what]), f"{what}: {result.notes[what]}; the row did not do what it says"


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A container with 200 records, stack traces among them."""
    log = Log("c0")
    made = Writer(log, Spec(str(tmp_path), "", [log], mix={"plain": 5, "json": 3, "long": 1, "trace": 1}))
    while len(made.kinds) < 200:
        made.write(1)
    made.finish()
    return made


def _texts(writer: Writer) -> list[str]:
    """What a perfect pipeline makes of a container's only file."""
    texts: list[str] = []
    open_parts: dict[str, str] = {}
    for line in writer.path.read_text().splitlines():
        _, stream, tag, text = line.split(" ", 3)
        whole = open_parts.pop(stream, "") + text
        if tag == "P":
            open_parts[stream] = whole
        elif whole.startswith(("~", "{", "Traceback", "panic")):
            texts.append(whole)
        else:
            texts[-1] += f"\n{whole}"
    return texts


def _score(writer: Writer, texts: list[str]) -> Score:
    return Count(Truth.of([writer])).add_all(texts).score()


def test_the_score_of_a_perfect_pipeline_is_perfect(writer: Writer) -> None:
    score = _score(writer, _texts(writer))
    assert score.perfect, score.details()
    assert score.traces == score.whole > 5
    assert score.sent == score.found > 200


def test_the_score_sees_what_is_missing_twice_cut_merged_and_in_pieces(writer: Writer) -> None:
    texts = _texts(writer)
    plain = next(text for text in texts if text.startswith("~") and "\n" not in text)
    at = texts.index(plain)
    without, trace = texts[:at] + texts[at + 1 :], next(text for text in texts if "\n" in text)
    head, _, tail = trace.rpartition("\n")
    rest = [text for text in texts if text != trace]

    missing, twice = _score(writer, without), _score(writer, [*texts, plain])
    cut = _score(writer, [*without, plain[:-30]])
    halves = _score(writer, [*without, plain[:40], plain[40:]])
    merged = _score(writer, [*without[1:], plain + without[0]])
    pieces, short = _score(writer, [*rest, head, tail]), _score(writer, [*rest, head])
    unknown = _score(writer, [*texts, "~c0#99999# x #end99999"])

    assert (missing.missing, missing.twice, missing.damaged) == (1, 0, 0)
    assert (twice.missing, twice.twice, twice.damaged) == (0, 1, 0)
    assert (cut.missing, cut.cut) == (0, 1)
    assert (halves.cut, halves.unmarked) == (1, 1)
    assert (merged.missing, merged.merged) == (0, 1)
    assert (pieces.missing, pieces.traces - pieces.whole) == (0, 1)
    assert (short.missing, short.traces - short.whole) == (1, 1)
    assert unknown.unknown == 1
    assert not any(score.perfect for score in (missing, twice, cut, halves, merged, pieces, short, unknown))


def test_the_score_judges_times_by_the_line_that_begins_a_record() -> None:
    path = Log("c0").path
    namespace, pod, uid = path.split("/")[0].split("_")
    trace = [line.decode() for line in Texts("c0", 1).trace(1).lines]
    assert trace[0].startswith("Traceback"), "a Python trace, whose first line has no mark"
    whole = LogTruth(
        "c0",
        path,
        "pt",
        {1: 1},
        1,
        [("0.log", 0)],
        array("Q", [0, 9]),
        array("Q", [0, 10**9]),
        0,
        0,
        0,
        "oo",
        frozenset(),
    )
    origin = {"namespace_name": namespace, "pod_name": pod, "pod_id": uid, "container_name": "app", "restart_count": 0}

    def wrong(log: LogTruth, text: list[str], second: int) -> int:
        document = {"@timestamp": f"1970-01-01T00:00:0{second}Z", "stream": "stdout", "kubernetes": origin}
        count = Count(Truth({"c0": log}, 0, 0, 0))
        count.add_document({**document, "log": "\n".join(text)})
        return count.score().wrong

    divided = replace(whole, divided=frozenset({1}))
    assert [wrong(log, trace, 1) for log in (whole, divided)] == [0, 0]
    assert [wrong(log, trace, 2) for log in (whole, divided)] == [1, 1]
    assert [wrong(log, trace[1:], 2) for log in (whole, divided)] == [1, 0]
