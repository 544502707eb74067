"""From the call of `sidecar render-config` to its end, against the interpreter alone."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 15


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text("cluster: c\nopensearch: {url: https://opensearch.example}\n")
        command = ["-m", "sidecar", "render-config", "-c", str(file), "-o", f"{folder}/out"]
        times: dict[str, list[float]] = {"python -c pass": [], "sidecar render-config": []}
        for _ in range(RUNS):  # in turn, so that other work on the machine meets both
            times["python -c pass"].append(_seconds(["-c", "pass"]))
            times["sidecar render-config"].append(_seconds(command))
    for name, seconds in times.items():
        middle, least, most = statistics.median(seconds), min(seconds), max(seconds)
        print(f"{name:<22} median {middle * 1000:4.0f} ms, {least * 1000:.0f}-{most * 1000:.0f} ms, {RUNS} runs")


def _seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began
