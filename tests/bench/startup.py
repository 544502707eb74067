"""From the call of `sidecar render-config` to its end: for the smallest file, and for a thousand routes."""

import statistics
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

RUNS, LARGE_RUNS, ROUTES = 15, 5, 1000
SMALLEST = "cluster: c\nopensearch: {url: https://opensearch.example}\n"


def run() -> None:
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        smallest, large = folder / "pipeline.yaml", folder / "routes.yaml"
        smallest.write_text(SMALLEST)
        large.write_text(_with_routes())
        fresh = (str(folder / f"out-{number}") for number in count())
        # In turn, so that other work on the machine meets all.
        for number in range(RUNS):
            commands = {"python -c pass": ["-c", "pass"], "sidecar render-config": _render(smallest, next(fresh))}
            if number < LARGE_RUNS:
                commands[f"{ROUTES:,} routes"] = _render(large, next(fresh))
                commands[f"{ROUTES:,} routes, to be printed"] = [*_render(large), "--stdout", "fluent-bit.yaml"]
            for name, arguments in commands.items():
                times.setdefault(name, []).append(_seconds(arguments))
    for name, seconds in times.items():
        middle, least, most = statistics.median(seconds), min(seconds), max(seconds)
        print(
            f"{name:<26} median {middle * 1000:4.0f} ms, {least * 1000:.0f}-{most * 1000:.0f} ms, {len(seconds)} runs"
        )


def _with_routes() -> str:
    """Routes with an index, a retention and labels of their own, and a wildcard each."""
    routes = (
        f"    - {{name: team-{at}, namespaces: [team-{at}, 'team-{at}-x*'], labels: {{tier: backend}},"
        f" index: team{at}-logs, retain: {20 + at % 50}d}}\n"
        for at in range(ROUTES)
    )
    return f"{SMALLEST}logs:\n  routes:\n{''.join(routes)}"


def _render(file: Path, folder: str = "") -> list[str]:
    """Into a new folder each time: to take one away and make it again would measure the disk."""
    return ["-m", "sidecar", "render-config", "-c", str(file), *(["-o", folder] if folder else [])]


def _seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began
