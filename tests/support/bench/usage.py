"""What processes and the machine have used, as Linux counts it."""

import os
import re
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_BUSY = (0, 1, 2, 5, 6, 7)
"""user, nice, system, irq, softirq, steal: all of /proc/stat's but idle and iowait."""


def cpu_seconds(*pids: int) -> float:
    """CPU seconds of the processes since their starts, the kernel's for them included."""
    return sum(_cpu(pid) for pid in pids)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def machine_cpu_seconds() -> float:
    """CPU seconds of everything on the machine since it was started."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    return sum(int(fields[place]) for place in _BUSY) / _TICKS


def resident_mib(pid: int) -> float:
    """Memory that the process has now."""
    return _status(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """The most memory that it had."""
    return _status(pid, "VmHWM")


def _status(pid: int, key: str) -> float:
    found = re.search(rf"{key}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found, f"no {key} of process {pid}: has it ended?"
    return int(found[1]) / 1024
