"""Events through everything that goes wrong: nothing missing, nothing twice, gaps told. `make chaos` runs more rows."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.apiserver import ApiServer
from tests.support.chaos.bulk import combine, split
from tests.support.chaos.load import Ledger
from tests.support.chaos.rig import Parts
from tests.support.chaos.rows import ROWS, SHORT, Result, measure, own_server
from tests.support.chaos.score import Score, score
from tests.support.parts import Missing, not_run

AT_A_TIME = 8
"""Rows that run side by side: mostly they wait."""
# The longest first.
TRIED = [
    "leader-cut-off", "sidecar-stop", "both-kill", "node-gone", "lease-deleted", "disk-full", "opensearch-429",
    "compacted",
]  # fmt: skip


def _rows(request: pytest.FixtureRequest) -> list[str]:
    """The rows that were selected."""
    selected = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    return [name for name in TRIED if name in selected]


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest,
    fluent_bit: Path,
    opensearch_url: str,
    api_server: ApiServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[Result]]]:
    """Every row that was selected, begun at once."""

    def run(name: str, folder: Path) -> Result:
        with ExitStack() as stack:
            server = own_server(stack, folder / "apiserver") if ROWS[name].own_server else api_server
            return measure(ROWS[name], SHORT, folder / "row", Parts(opensearch_url, server, fluent_bit))

    os.umask(0o027)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        begun = {name: pool.submit(run, name, tmp_path_factory.mktemp(name)) for name in _rows(request)}
        yield begun
        for future in begun.values():
            future.cancel()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", TRIED)
def test_nothing_is_missing_or_twice_and_gaps_are_told(
    name: str, results: dict[str, Future[Result]], record_property: Callable[[str, object], None]
) -> None:
    try:
        result = results[name].result()
    except Missing as missing:
        not_run(missing.part, missing.why)
    record_property(name, str(result))
    assert not result.wrong, result.details()


@pytest.fixture
def ledger() -> Ledger:
    """Three Events: one with versions at 10, 20 and 30 seconds, one with 12 and 40, one with 15."""
    made = Ledger()
    for uid, times in {"a": (10, 20, 30), "b": (12, 40), "c": (15,)}.items():
        for version, at in enumerate(times):
            made.add({"metadata": {"uid": uid, "resourceVersion": str(version)}}, at - 0.1, at)
    return made


def _documents(*ids: str, namespace: str = "x") -> list[dict[str, object]]:
    return [{"kind": "Event", "id": id_, "metadata": {"namespace": namespace}} for id_ in ids]


def _gap(start: int, end: int) -> dict[str, object]:
    times = {"from": f"1970-01-01T00:00:{start:02}.000Z", "to": f"1970-01-01T00:00:{end:02}.000Z"}
    return {"kind": "EventGap", "id": f"gap.{start}.{end}", "gap": {**times, "cause": "history"}}


def _score(ledger: Ledger, *documents: dict[str, object]) -> Score:
    return score(ledger, documents, "x")


ALL = ("a.0", "a.1", "a.2", "b.0", "b.1", "c.0")


def test_the_score_of_what_is_all_there_is_perfect(ledger: Ledger) -> None:
    found = _score(ledger, *_documents(*ALL), *_documents("z.1", namespace="another"))
    assert (found.owed, found.found, found.perfect, found.gaps) == (6, 6, True, ())


def test_the_score_sees_what_is_missing_twice_and_unknown(ledger: Ledger) -> None:
    found = _score(ledger, *_documents(*ALL[1:], "b.0", "z.1"))
    assert (found.missing, found.twice, found.unknown) == (("a.0",), ("b.0",), ("z.1",))
    assert not found.perfect


def test_a_gap_excuses_what_was_replaced_within_it_and_nothing_else(ledger: Ledger) -> None:
    found = _score(ledger, _gap(11, 35))
    # a.1 is the only one that was written and replaced in between; b.0 and c.0 were the last of theirs at its end.
    assert found.in_gap == found.lost == 1
    assert found.missing == ("a.0", "a.2", "b.0", "b.1", "c.0")


def test_a_gap_that_is_told_twice_is_seen(ledger: Ledger) -> None:
    found = _score(ledger, *_documents(*ALL), _gap(11, 35), _gap(11, 35))
    assert found.twice == ("gap.11.35",)


def test_a_bulk_request_of_which_half_comes_through_is_answered_in_order() -> None:
    body = b"".join(b'{"create":{"_index":"i","_id":"%d"}}\n{"n":%d}\n' % (n, n) for n in range(3))
    turns = iter((True, False, True))
    parts = split(body, lambda: next(turns))
    answer = {"took": 3, "errors": False, "items": [{"create": {"_id": "0"}}, {"create": {"_id": "2"}}]}

    whole = combine(parts, answer, 429)

    assert parts.body.count(b"\n") == 4
    assert [item["create"]["_id"] for item in whole["items"]] == ["0", "1", "2"]
    assert whole["errors"] is True
    assert whole["items"][1]["create"]["status"] == 429
    with pytest.raises(ValueError, match="1 answers to 2 items"):
        combine(parts, {"items": [{}]}, 429)
