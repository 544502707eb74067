"""What a generator is told: which containers log, how fast, what, and how their files are rotated."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

MIX: dict[str, float] = {"plain": 72.0, "json": 27.0, "long": 0.02, "trace": 0.98}
"""By records: of the lines 66 % are plain, 26 % JSON and 8 % in stack traces; 230 bytes each on average."""


@dataclass
class Log:
    """A container's log: `<namespace>_<pod>_<uid>/<container>/<restart>.log`.

    Attributes:
        key: What its lines are marked with; unique in a spec, letters and digits.
        begins: Seconds after the generator's start.
        lives: Seconds that it writes; None: as long as the generator.
        removed: Seconds after its end until its pod's folder is removed; None: it stays.
        unfinished: Its last line has no line break: containerd tags it P, and no F ever follows.
    """

    key: str
    namespace: str = "shop"
    pod: str = "web-7d4b9c-x2x4z"
    uid: str = "0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f0000"
    container: str = "app"
    restart: int = 0
    begins: float = 0
    lives: float | None = None
    removed: float | None = None
    unfinished: bool = False

    @property
    def folder(self) -> str:
        return f"{self.namespace}_{self.pod}_{self.uid}/{self.container}"

    @property
    def path(self) -> str:
        """Below the folder of all pods."""
        return f"{self.folder}/{self.restart}.log"

    @property
    def container_id(self) -> str:
        """64 hexadecimal digits, as in the names below /var/log/containers."""
        return (self.key.encode().hex() + f"{self.restart:02x}" + self.uid.replace("-", "") * 2)[:64]


@dataclass
class Spec:
    """Everything that one generator does; the same spec writes the same texts.

    Attributes:
        root: Folder that stands for /var/log/pods; beside it, `containers` is made for /var/log/containers.
        logs: The containers.
        truth: Folder for what was written: `truth.json`, and the offsets of all records.
        seed: Of kinds and texts.
        rate: Bytes a second of all logs together; 0: as fast as possible.
        seconds: How long; 0: until `size` is written or SIGTERM comes.
        size: Bytes of all logs together; 0: no end.
        mix: Weights of the kinds: plain, json, poison, long, trace, copies (`copies` lines of one text in one
            nanosecond), copies_ms (the same within one millisecond), mebi (1 MiB), huge (1.5 MiB).
        at: Kinds of records with certain numbers, in every log, whatever `mix` says.
        copies: Lines in such a group.
        short_every: Seconds after which a trace of each container stops for `short` seconds between two of its lines;
            0: never. The container's other stream goes on meanwhile.
        long_every: The same with `long` seconds, which is longer than the pipeline waits.
        rotate_size: Bytes from which a file is rotated; 0: never by size.
        rotate_every: Seconds after which every file is rotated; 0: never by time.
        check_every: Seconds between two looks at the files; the kubelet's are 10.
        keep: Files of a container, the one being written included.
        compress: Whether rotated files but the newest are gzipped.
        split: Whether a rotation may fall between the parts of a line, which are then in two files; stack traces are
            never spared that.
    """

    root: str
    truth: str
    logs: list[Log]
    seed: int = 1
    rate: float = 0
    seconds: float = 0
    size: int = 0
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))
    at: dict[str, str] = field(default_factory=dict)
    copies: int = 100
    short_every: float = 0
    long_every: float = 0
    short: tuple[float, float] = (0.1, 0.6)
    long: float = 6.5
    rotate_size: int = 0
    rotate_every: float = 0
    check_every: float = 0.25
    keep: int = 5
    compress: bool = True
    split: bool = False

    def save(self, file: Path) -> None:
        file.write_bytes(orjson.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> Self:
        content: dict[str, Any] = orjson.loads(file.read_bytes())
        logs = [Log(**log) for log in content.pop("logs")]
        content["short"] = tuple(content["short"])
        return cls(logs=logs, **content)


def logs(count: int, **options: Any) -> list[Log]:
    """`count` containers in pods of their own."""
    return [
        Log(
            key=f"c{number}",
            pod=f"web-7d4b9c6f5-x{number:03d}z",
            uid=f"0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f{number:04x}",
            **options,
        )
        for number in range(count)
    ]
