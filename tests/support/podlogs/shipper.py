"""A Fluent Bit under test: what it costs, what it counts, and how it is hurt."""

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import urllib3

from tests.support.process import Process
from tests.support.waiting import wait_until

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a process has used since its start.

    Attributes:
        cpu: Seconds, of the process and the kernel for it.
        memory: The most that it had, in MiB.
    """

    cpu: float
    memory: float


class Shipper:
    """One Fluent Bit, which may be killed and started again.

    Args:
        program: fluent-bit.
        file: Its configuration.
        port: Of its HTTP server.
        start: As `Process`.
    """

    def __init__(self, program: Path, file: Path, port: int, start: Callable[..., Process]) -> None:
        self._port = port
        self.process = start([program, "-c", file], name="fluent-bit")

    def cost(self) -> Cost:
        folder = Path(f"/proc/{self.process.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        peak = re.search(r"VmHWM:\s+(\d+)", (folder / "status").read_text())
        assert peak
        return Cost((int(fields[11]) + int(fields[12])) / _TICKS, int(peak[1]) / 1024)

    def metric(self, name: str, label: str = "") -> float:
        """The sum of a metric over its label sets that have `label` in them; 0 while it doesn't answer."""
        text = self._get("/api/v2/metrics/prometheus") or ""
        lines = (line for line in text.splitlines() if line.startswith(f"{name}{{") and label in line)
        return sum(float(line.split("}", 1)[1].split()[0]) for line in lines)

    def waits(self) -> bool:
        """Whether chunks are waiting to be sent, as far as it says."""
        text = self._get("/api/v1/storage") or ""
        found = re.search(r'"total_chunks": ?(\d+)', text)
        return bool(found and int(found[1]))

    def wait_for_start(self) -> None:
        wait_until(lambda: self._get("/api/v1/uptime"), 20, lambda: f"it answers; {self.process.tail()}")

    def kill(self, pause: float = 0.5) -> None:
        """A crash, and a start after `pause` seconds."""
        self.process.kill()
        time.sleep(pause)
        self.process.start()

    def reload(self, seconds: float = 20) -> float:
        """SIGHUP; returns after how many seconds the reload was done."""
        before = self._reloads()
        began = time.monotonic()
        self.process.send(signal.SIGHUP)
        wait_until(lambda: self._reloads() > before, seconds, lambda: f"it reloads; {self.process.tail()}")
        return time.monotonic() - began

    def _reloads(self) -> int:
        found = re.search(r'"hot_reload_count": ?(\d+)', self._get("/api/v2/reload") or "")
        return int(found[1]) if found else -1

    def _get(self, path: str) -> str | None:
        try:
            answer = urllib3.request("GET", f"http://127.0.0.1:{self._port}{path}", retries=False, timeout=5)
        except urllib3.exceptions.HTTPError:
            return None
        return answer.data.decode() if answer.status == 200 else None
