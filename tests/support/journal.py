"""Files of systemd's journal without systemd: entries in the export format, packed by systemd-journal-remote."""

import shutil
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.parts import not_run

_PACKERS = ("/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote")
BOOT = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Entry:
    """An entry.

    Attributes:
        micros: When it was written, in microseconds since 1970.
        message: None: it has none.
        more: Further fields, or others than the usual; a name may come more than once.
    """

    micros: int
    message: bytes | None
    unit: str = "kubelet.service"
    pid: int = 714
    priority: int | None = 6
    more: tuple[tuple[str, bytes], ...] = field(default=())

    def export(self) -> bytes:
        """The entry in the journal's export format."""
        fields = [
            ("_BOOT_ID", BOOT.encode()),
            ("_HOSTNAME", b"node-1"),
            ("_PID", b"%d" % self.pid),
            ("_SYSTEMD_UNIT", self.unit.encode()),
            *((("PRIORITY", b"%d" % self.priority),) if self.priority is not None else ()),
            *((("MESSAGE", self.message),) if self.message is not None else ()),
            *self.more,
        ]
        times = b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n" % (self.micros, self.micros % 10**12)
        # Any value may be given with its length.
        packed = (name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n" for name, value in fields)
        return times + b"".join(packed) + b"\n"


def write_journal(folder: Path, entries: Iterable[Entry], name: str = "system.journal") -> None:
    """Write a journal file; skips the test where the program for it isn't there."""
    packer = next((path for path in _PACKERS if shutil.which(path)), None)
    if packer is None:
        not_run("systemd-journal-remote", "not installed")
    folder.mkdir(parents=True, exist_ok=True)
    export = folder.parent / f"{name}.export"
    export.write_bytes(b"".join(entry.export() for entry in entries))
    command = [packer, f"--output={folder / name}", str(export)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
