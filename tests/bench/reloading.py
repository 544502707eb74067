"""A changed pipeline.yaml: seconds until it is in force, and seconds without collection where it kills Fluent Bit."""

import os
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sidecar.agent.fluentbit import FluentBit
from tests.support.bench.report import size
from tests.support.parts import Missing, Parts, find_fluent_bit
from tests.support.process import Process
from tests.support.reloading import KILLS, Node

_CHANGES = size("RELOAD_CHANGES", 5)
_LINES = {"rate": 500, "most": 10**6}


class Port(threading.Thread):
    """Watches Fluent Bit's port; `closed` are the spans, in seconds, in which nobody listened."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._fluent_bit = FluentBit(port)
        self._over = threading.Event()
        self.closed: list[float] = []
        self.start()

    def run(self) -> None:
        since = None
        while not self._over.wait(0.01):
            now = time.monotonic()
            if not self._fluent_bit.is_running():
                since = now if since is None else since
            elif since is not None:
                self.closed.append(now - since)
                since = None

    def stop(self) -> list[float]:
        self._over.set()
        self.join()
        return self.closed


def run() -> None:
    """Good changes and then bad ones, under 500 lines a second."""
    parts = Parts()
    try:
        program, version = find_fluent_bit()
        opensearch, kubeconfig = parts.opensearch.get(), parts.kubeconfig.get()
        print(f"Fluent Bit {version}; load {os.getloadavg()[0]:.1f}\n")
        with tempfile.TemporaryDirectory(prefix="bench-reload-") as folder, ExitStack() as stack:

            def start(command: list[Any], *, name: str, env: dict[str, str] | None = None) -> Process:
                return stack.enter_context(Process(command, log=Path(folder) / f"{name}.log", name=name, env=env))

            node = Node(Path(folder), url=opensearch, kubeconfig=kubeconfig, start_process=start, program=program)
            stack.callback(node.close)
            node.start()
            lines = node.write_lines(**_LINES)
            node.until(node.found, 60, "the first lines arrive")
            before = _memory(node)
            _good(node)
            _bad(node)
            written = lines.stop()
            missing, twice = node.score(written, 120)
            print(f"memory of the sidecar: {before} MiB before, {_memory(node)} MiB after all")
            print(f"lines written {written}, missing {missing}, twice {twice}")
    except Missing as missing_part:
        print(f"NOT RUN: {missing_part.part} ({missing_part.why})")
    finally:
        parts.close()


def _memory(node: Node) -> int:
    assert node.sidecar
    status = Path(f"/proc/{node.sidecar.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def _good(node: Node) -> None:
    for at in range(1, _CHANGES + 1):
        port = Port(node.content["fluentbit"]["port"])
        node.change(events={"journal": f"{at}GiB"})
        seconds = node.until(lambda: node.changes("applied") == at, 60, "it is in force")  # noqa: B023 - asked at once
        closed = port.stop()
        print(f"changed journal: in force after {seconds:.1f} s, port closed for {sum(closed):.2f} s", flush=True)


def _bad(node: Node) -> None:
    for at, (name, extra) in enumerate(KILLS.items(), 1):
        assert node.kept
        node.kept.ends.clear()  # as for the kubelet after ten quiet minutes
        port = Port(node.content["fluentbit"]["port"])
        node.change(fluentbit={"extra": extra})
        seconds = node.until(lambda: node.changes("rejected") == at, 60, name)  # noqa: B023 - asked at once
        node.until(FluentBit(node.content["fluentbit"]["port"]).is_running, 60, "Fluent Bit is back")
        time.sleep(1)  # a second end would show
        closed = max(port.stop(), default=0.0)
        print(f"{name}: rolled back after {seconds:.1f} s, without collection for {closed:.2f} s", flush=True)
