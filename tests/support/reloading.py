"""A node whose pipeline.yaml changes: sidecar, lines, and a Fluent Bit that is started again as by the kubelet."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.waiting import wait_until

_FOLDER = "shop_web-7d4b9c-x2x4z_0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f0000/app"
_BACK_OFF = (0.5, 10.0, 20.0)
"""Seconds after which the kubelet starts a container again, one time after the other."""
_TICK_SECONDS = 0.02

_OWN_OUTPUT = {"outputs": [{"name": "null", "match": "own"}]}
REFUSED: dict[str, Any] = {"inputs": [{"name": "dummy", "tag": "own", "no_such_property": "x"}], **_OWN_OUTPUT}
"""Fluent Bit halts the reload, and goes on with what it had."""
KILLS = {
    "regex": {"filters": [{"name": "grep", "match": "own", "regex": "log [*"}]},
    "multi-line parser": {
        "inputs": [{"name": "tail", "tag": "own", "path": "/none", "multiline.parser": "none"}],
        **_OWN_OUTPUT,
    },
    "CA": {"outputs": [{"name": "http", "match": "own", "host": "h", "tls": True, "tls.ca_file": "/none"}]},
    "script": {"filters": [{"name": "lua", "match": "own", "script": "/none.lua", "call": "f"}]},
    "value": {"inputs": [{"name": "tail", "tag": "own", "path": "/none", "refresh_interval": "abc"}], **_OWN_OUTPUT},
}
"""Fluent Bit ends when it is to start a plugin."""
NO_PARSER = {"inputs": [{"name": "tail", "tag": "own", "path": "/none", "parser": "none"}], **_OWN_OUTPUT}
"""Fluent Bit would start, and read lines without it."""


class Kept(threading.Thread):
    """Starts a process again when it ends, as the kubelet does.

    Attributes:
        process: Which one.
        ends: When it ended (monotonic), and how.
    """

    def __init__(self, process: Process) -> None:
        super().__init__(name="kubelet", daemon=True)
        self.process = process
        self.ends: list[tuple[float, int | None]] = []
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            if not self.process.running:
                self.ends.append((time.monotonic(), self.process.returncode))
                if self._over.wait(_BACK_OFF[min(len(self.ends), len(_BACK_OFF)) - 1]):
                    return
                self.process.start()

    def stop(self) -> None:
        self._over.set()
        self.join()


class Lines(threading.Thread):
    """A container that writes numbered lines: `line 17 of reload`.

    Args:
        pods: The folder that stands for /var/log/pods.
        rate: Lines a second.
        most: After which it ends.
    """

    def __init__(self, pods: Path, *, rate: int = 500, most: int = 10_000) -> None:
        super().__init__(name="lines", daemon=True)
        folder = pods / _FOLDER
        folder.mkdir(parents=True)
        self._file = (folder / "0.log").open("w", buffering=1)
        self._rate, self._most = rate, most
        self._over = threading.Event()
        self.written = 0
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        with self._file as file:
            while self.written < self._most and not self._over.wait(_TICK_SECONDS):
                due = min(int((time.monotonic() - began) * self._rate), self._most)
                moment = time.time_ns()
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 10**9))
                for number in range(self.written, due):
                    file.write(f"{stamp}.{moment % 10**9:09d}Z stdout F line {number} of reload\n")
                self.written = max(due, self.written)

    def stop(self) -> int:
        """End it; how many lines there are."""
        self._over.set()
        self.join()
        return self.written


class Node:
    """Everything on one node.

    Args:
        folder: For all that is written.
        url: OpenSearch.
        direct: The same, asked for documents while the other is away.
        kubeconfig: The API server.
        start_process: The fixture.
        program: fluent-bit.
        trial: Whether the sidecar finds a `fluent-bit` to try a configuration with.
    """

    def __init__(
        self,
        folder: Path,
        *,
        url: str,
        kubeconfig: Path,
        start_process: Callable[..., Process],
        program: Path,
        direct: str = "",
        trial: bool = False,
    ) -> None:
        self.folder = folder
        self._direct = direct or url
        self._program = program
        more = {"logs": {"metadata": "path"}, "dashboards": {}, "alerts": {}}
        self.pipeline = Pipeline(folder, url=url, kubeconfig=kubeconfig, start_process=start_process, more=more)
        self.content: dict[str, Any] = yaml.safe_load(self.pipeline.file.read_text())
        self._trial = trial
        self.kept: Kept | None = None
        self.lines: Lines | None = None
        self.sidecar: Process | None = None

    def start(self, **environment: str) -> None:
        """Start the sidecar, then Fluent Bit."""
        path = os.environ["PATH"] if self._trial else "/usr/bin:/bin"
        self.sidecar = self.pipeline.start_sidecar(
            "--log-format", "text", env={**os.environ, "PATH": path, **environment}
        )
        self.kept = Kept(self.pipeline.start_fluent_bit(self._program))

    def write_lines(self, **options: int) -> Lines:
        """Begin to write lines."""
        self.lines = Lines(self.folder / "pods", **options)
        return self.lines

    def change(self, **sections: Any) -> None:
        """Change sections of pipeline.yaml, as the kubelet replaces a file."""
        for name, values in sections.items():
            before = self.content.get(name, {})
            self.content[name] = {**before, **values} if isinstance(before, dict) else values
        self.write(yaml.safe_dump(self.content))

    def write(self, text: str) -> None:
        """Replace pipeline.yaml."""
        fresh = self.pipeline.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.pipeline.file)

    def metric(self, line: str) -> float:
        """The value of one series, such as `sidecar_config_valid`; 0 where it isn't there."""
        for text in (self.pipeline.get("/metrics") or "").splitlines():
            name, _, value = text.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0

    def changes(self, result: str) -> float:
        """How many changes came to this."""
        return self.metric(f'sidecar_config_changes_total{{result="{result}"}}')

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """Wait; how long it took."""
        began = time.monotonic()
        assert self.sidecar is not None
        tail = self.sidecar.tail
        wait_until(condition, seconds, lambda: f"{what}\n{tail(40)}", interval=0.1)
        return time.monotonic() - began

    def found(self) -> list[int]:
        """The numbers of the lines that OpenSearch has, each as often as it is there."""
        index = self.content["logs"]["index"]
        urllib3.request("POST", f"{self._direct}/{index}*/_refresh")
        query: dict[str, Any] = {"size": 10_000, "_source": ["log"], "sort": ["_doc"]}
        path, found = f"{index}*/_search?scroll=1m", []
        while True:
            answer = urllib3.request("POST", f"{self._direct}/{path}", json=query, timeout=60).json()
            hits = answer.get("hits", {}).get("hits", [])
            found += [int(hit["_source"]["log"].split()[1]) for hit in hits]
            if len(hits) < 10_000:
                urllib3.request("DELETE", f"{self._direct}/_search/scroll/{answer.get('_scroll_id', '_all')}")
                return found
            path, query = "_search/scroll", {"scroll": "1m", "scroll_id": answer["_scroll_id"]}

    def score(self, written: int, seconds: float = 60) -> tuple[int, int]:
        """How many lines are missing, and how many are there twice, once nothing more comes."""

        def missing() -> int:
            return written - len(set(self.found()))

        self.until(lambda: not missing(), seconds, f"{written} lines arrive")
        found = self.found()
        return written - len(set(found)), len(found) - len(set(found))

    def close(self) -> None:
        if self.kept:
            self.kept.stop()
        if self.lines:
            self.lines.stop()
        self.pipeline.clean()
