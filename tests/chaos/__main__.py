"""Run the rows of the chaos suite: all, or those that are named. Prints a Markdown table."""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.support.chaos.rig import Parts
from tests.support.chaos.rows import FULL, ROWS, SHORT, Result, Row, Scale, measure, own_server
from tests.support.parts import Missing, find_fluent_bit
from tests.support.parts import Parts as RealParts

_HEAD = ("row", "seconds", "owed", "found", "missing", "twice", "in a gap", "gap documents")
_USAGE = 2
_BROKEN = "BROKE OFF"


def main(words: list[str]) -> int:
    """Run rows, and say what came of them.

    Args:
        words: Names of rows; `--short` for the lengths of the tests.

    Returns:
        0 where each that could be run is as it must be; 1 where one isn't; 2 for a row that there is not.
    """
    scale = SHORT if "--short" in words else FULL
    names = [word for word in words if word != "--short"] or list(ROWS)
    if unknown := [name for name in names if name not in ROWS]:
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return _USAGE
    real = RealParts()
    results: dict[str, Result | str] = {}
    try:
        program, version = find_fluent_bit()
        url = real.opensearch.get()
        print(f"Fluent Bit {version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n", flush=True)
        print(_line(*_HEAD), _line(*["---"] * len(_HEAD)), sep="\n", flush=True)
        for name in names:
            results[name] = _run(ROWS[name], scale, url, program)
            print(_row(name, results[name]), flush=True)
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")
    finally:
        real.close()
    print()
    for name, result in results.items():
        if isinstance(result, Result):
            print(f"{name}: {result.details() if result.wrong else result}")
    return int(any(_failed(result) for result in results.values()))


def _failed(result: Result | str) -> bool:
    return bool(result.wrong) if isinstance(result, Result) else result.startswith(_BROKEN)


def _run(row: Row, scale: Scale, url: str, program: Path) -> Result | str:
    """What came of a row; where it broke off, why. Each has an API server of its own, so that none lists another's."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        try:
            server = own_server(stack, folder / "apiserver")
            return measure(row, scale, folder / "row", Parts(url, server, program))
        except Missing as missing:
            return f"NOT RUN: {missing.part} ({missing.why})"
        except Exception as error:  # noqa: BLE001 - the other rows are to be run all the same
            return f"{_BROKEN}: {type(error).__name__}: {error}"


def _row(name: str, result: Result | str) -> str:
    if isinstance(result, str):
        return _line(name, result.splitlines()[0], *[""] * (len(_HEAD) - 2)) + "".join(
            f"\n    {line}" for line in result.splitlines()[1:]
        )
    score = result.score
    gaps = f"{len(score.gaps)}" + "".join(f" ({gap.end - gap.start:.0f} s, {gap.cause})" for gap in score.gaps)
    in_gap = f"{score.in_gap:,} ({score.lost:,} lost)" if score.in_gap else "0"
    return _line(
        name, f"{result.seconds:.0f}", f"{score.owed:,}", f"{score.found:,}", f"{len(score.missing):,}",
        f"{len(score.twice):,}", in_gap, gaps,
    )  # fmt: skip


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
