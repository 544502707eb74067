"""`sidecar plan` and `sidecar apply`: seconds and requests, on a server without anything, and again."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sidecar.dev.opensearch import open_opensearch
from tests.support.bench.report import print_head, print_row, sizes
from tests.support.waiting import unique_name

COMMANDS = (
    ("plan", ["plan"]),
    ("apply", ["apply"]),
    ("apply again", ["apply"]),
    ("plan after it", ["plan"]),
    ("apply --delete", ["apply", "--delete", "--yes"]),
)


def run() -> None:
    """Sizes: BENCH_ROUTES."""
    with (
        tempfile.TemporaryDirectory() as place,
        open_opensearch(os.environ.get("OPENSEARCH_URL"), progress=lambda *_: None) as part,
    ):
        print(part.description)
        print_head("routes", "command", "objects", "requests", "seconds", "with Python's start")
        for routes in sizes("BENCH_ROUTES", "0,1000"):
            file = Path(place) / "pipeline.yaml"
            file.write_text(_pipeline(part.url, routes))
            for name, words in COMMANDS:
                began = time.perf_counter()
                told = _told([*words, "-c", str(file), "--output", "json"])
                whole = time.perf_counter() - began
                objects = ", ".join(f"{count} {what}" for what, count in told["summary"].items())
                print_row(str(routes), name, objects, str(told["requests"]), f"{told['seconds']:.2f}", f"{whole:.2f}")


def _told(words: list[str]) -> Any:
    done = subprocess.run([sys.executable, "-m", "sidecar", *words], check=True, capture_output=True)
    return json.loads(done.stdout)


def _pipeline(url: str, routes: int) -> str:
    """With indices of its own: others may use the server."""
    name = unique_name("bench")
    lines = [
        f"cluster: bench\nopensearch: {{url: '{url}'}}",
        f"events: {{index: {name}-e}}\ncontrolPlane: {{index: {name}-c}}\nlogs:\n  index: {name}-l",
        *(["  routes:"] if routes else []),
        *(f"    - {{name: team-{at}, namespaces: [team-{at}], index: {name}-team{at}}}" for at in range(routes)),
    ]
    return "\n".join(lines) + "\n"
