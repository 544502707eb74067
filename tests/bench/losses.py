"""Pod logs through everything that goes wrong on a node: what is missing, twice or damaged afterwards."""

import os
import tempfile
from pathlib import Path

from tests.support.parts import Missing, Parts, find_fluent_bit
from tests.support.podlogs.rows import FULL, ROWS, measure


def run() -> None:
    """All rows at full length; only those named in ROWS, with the bare minimum where BARE=1 is in the environment."""
    wanted = os.environ.get("ROWS", "").split(",") if os.environ.get("ROWS") else list(ROWS)
    rendered = os.environ.get("BARE", "0") == "0"
    parts = Parts()
    try:
        program, version = find_fluent_bit()
        print(f"Fluent Bit {version}; {'rendered' if rendered else 'bare minimum'}; load {os.getloadavg()[0]:.1f}\n")
        for name in wanted:
            row = ROWS[name]
            opensearch = parts.opensearch.get() if row.indexed else ""
            with tempfile.TemporaryDirectory(prefix="bench-losses-") as folder:
                result = measure(row, FULL, Path(folder) / "row", program, rendered=rendered, opensearch=opensearch)
            print(f"{row.name}: {result}; load {os.getloadavg()[0]:.1f}", flush=True)
            if not result.score.perfect:
                print("\n".join(f"    {line}" for line in result.score.details().splitlines()[1:]), flush=True)
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")
    finally:
        parts.close()
