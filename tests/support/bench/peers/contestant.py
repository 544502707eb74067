"""One that ships: its processes, which may be killed and started again, and what they have used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.bench.usage import cpu_seconds, peak_mib
from tests.support.process import Process


@dataclass(frozen=True)
class Usage:
    """What the processes of one have used.

    Attributes:
        cpu: Seconds, over all their starts.
        memory: MiB at most, the sum over the processes that run side by side.
    """

    cpu: float
    memory: float


class Contestant:
    """A shipper under test.

    Args:
        name: In tables.
        index: What the names of its indices begin with.
        processes: All that it consists of, running, in the order of their start.

    Attributes:
        ends: How often a process ended by itself.
    """

    def __init__(self, name: str, index: str, processes: Sequence[Process]) -> None:
        self.name = name
        self.index = index
        self.ends = 0
        self._processes = processes
        self._cpu: dict[int, float] = {}
        self._peaks: dict[str, float] = {}

    def look(self) -> None:
        """Note what is used so far; and as a kubelet would, start what has ended by itself."""
        for process in self._processes:
            if process.running:
                self._note(process)
            else:
                self.ends += 1
                process.start()

    def kill(self) -> None:
        """A crash of all at once."""
        self.look()
        for process in self._processes:
            process.kill()

    def start(self) -> None:
        """Start again what was killed."""
        for process in self._processes:
            process.start()

    @property
    def usage(self) -> Usage:
        """As of the latest look."""
        return Usage(sum(self._cpu.values()), sum(self._peaks.values()))

    def tail(self) -> str:
        """The ends of its logs."""
        return "\n".join(process.tail(10) for process in self._processes)

    def _note(self, process: Process) -> None:
        try:
            self._cpu[process.pid] = cpu_seconds(process.pid)
            self._peaks[process.name] = max(self._peaks.get(process.name, 0.0), peak_mib(process.pid))
        except (OSError, AssertionError):
            pass  # it has just ended: the next look sees to it


def document_id(source: dict[str, Any]) -> str | None:
    """`<uid>.<resourceVersion>` of an Event's document, whoever has written it; None for a document of another kind.

    The Collector's has the Event below `object`, beside the kind of the change.
    """
    metadata = (source.get("object") or source).get("metadata") or {}
    return f"{metadata['uid']}.{metadata['resourceVersion']}" if "resourceVersion" in metadata else None
