"""Which log files were read to their ends: a pure account of what each look at the folder shows.

The kubelet renames `0.log` to `0.log.<time>`, later packs that into `0.log.<time>.gz`, and removes the oldest. Fluent
Bit reads plain files, rotated ones too, and notes how far. What it had not read when a file was packed is read from the
gzip file, through a link; what is not there any more is lost, and counted.

A position is only believed if it can't be that of an earlier file with the same inode.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

MOST_LINKS = 64
"""Gzip files that Fluent Bit is given at a time: each takes buffers of its own."""
LEAVING_SECONDS = 40.0
"""How long Fluent Bit may go on reading a file that was removed: its rotate_wait, and a margin."""


@dataclass(frozen=True)
class Sight:
    """What a look at the folder shows.

    Attributes:
        plain: Path -> inode and size.
        packed: Path that a gzip file had before it was packed -> size of what is in it.
    """

    plain: Mapping[str, tuple[int, int]]
    packed: Mapping[str, int]


@dataclass(frozen=True)
class Position:
    """How far Fluent Bit has read a file, and when it first noted that (Unix seconds)."""

    offset: int
    created: float


@dataclass
class Plain:
    """A plain file.

    `read` is how far it was read since positions were last rewound, `ever` before that too. `stale` is the position of
    an earlier file with this inode, until another one is seen. `still` says that nothing changed between two looks.
    """

    inode: int
    size: int
    read: int = 0
    ever: int = 0
    stale: int | None = None
    still: bool = False


@dataclass
class Packed:
    """A gzip file that was not read completely before it was packed; `inode` is the plain file's, while it is known."""

    size: int
    read: int = 0
    ever: int = 0
    inode: int | None = None


@dataclass(frozen=True)
class Lost:
    """Bytes of a file that went before they were read; `path` is that of the plain file."""

    path: str
    bytes: int


@dataclass
class Account:
    """All that is known. Times are Unix seconds.

    Attributes:
        plain: Plain files, by path.
        packed: Gzip files that are to be read, by the path of the plain file.
        done: Rotated files that were read completely, and when that was seen.
        looked: When the folder was last looked at; 0 for never.
    """

    plain: dict[str, Plain] = field(default_factory=dict)
    packed: dict[str, Packed] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    looked: float = 0.0


def is_rotated(path: str) -> bool:
    """Whether a plain file has been rotated, so that nothing is appended any more."""
    return not path.endswith(".log")


class Tracker:
    """Decides; feed it with every look at the folder."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account or Account()
        self._positions: Mapping[int, Position] | None = None
        self._leaving: dict[str, tuple[Plain, float]] = {}
        self._links: list[str] = []
        self._again: set[str] = set()

    @property
    def links(self) -> list[str]:
        """The gzip files that Fluent Bit is to be given now, by the paths of their plain files."""
        return list(self._links)

    def step(
        self,
        sight: Sight,
        positions: Mapping[int, Position] | None,
        *,
        now: float,
        filled: Collection[str] = (),
        broken: Mapping[str, int] | None = None,
    ) -> list[Lost]:
        """Take in a look at the folder.

        Args:
            sight: What is there.
            positions: By inode, asked for *before* the look, so that none can be beyond the size that it saw; None
                where they can't be had.
            now: The time.
            filled: Links that Fluent Bit has read to their ends.
            broken: Links that will never be read to their ends, and how many bytes of each can be.

        Returns:
            What is lost since the last time.
        """
        account = self.account
        before, account.plain = account.plain, {}
        moved = {entry.inode: path for path, entry in before.items() if _is_other(sight, path, entry)}
        for path, there in sight.plain.items():
            account.plain[path] = self._plain(path, there, before, moved, positions)
        lost = [Lost(path, entry.size - entry.ever) for path, entry in before.items() if _shrunk(sight, path, entry)]
        for path, entry in account.plain.items():
            if path in before and before[path].size != entry.size:
                # The runtime goes on writing to a renamed file until it is told to open a new one.
                account.done.pop(path, None)
            if is_rotated(path) and entry.still and entry.read >= entry.size:
                account.done.setdefault(path, now)
        self._leave({path: before[path] for path in moved.values()}, sight, positions, now)
        lost += self._pack(sight, positions, now, filled, broken or {})
        lost += self._left(sight, positions, now)
        for path in [path for path in account.done if path not in sight.plain and path not in sight.packed]:
            del account.done[path]
        self._again &= sight.packed.keys() | sight.plain.keys()
        self._choose_links()
        self._positions = positions if positions is not None else self._positions
        account.looked = now
        return [loss for loss in lost if loss.bytes > 0]

    def rewind(self, since: float) -> None:
        """Fluent Bit reads every plain file again: believe no position, and nothing that was done after a time."""
        account = self.account
        self._again |= {path for path, time in account.done.items() if time >= since}
        account.done = {path: time for path, time in account.done.items() if time < since}
        for entry in account.plain.values():
            entry.read, entry.stale, entry.still = 0, None, False
        for packed in account.packed.values():
            packed.read = 0
        self._positions = None
        self._links = []

    def _plain(
        self,
        path: str,
        there: tuple[int, int],
        before: Mapping[str, Plain],
        moved: dict[int, str],
        positions: Mapping[int, Position] | None,
    ) -> Plain:
        """The entry of a file that is seen: its own, under this name or from before its rotation, or a new one."""
        inode, size = there
        known = before.get(path)
        still = known is not None and known.inode == inode and known.size == size
        if known is None or known.inode != inode:
            source = moved.get(inode)
            # Only a rotation renames. Any other file with this inode is a new one, which got it from a removed one.
            renamed = source is not None and not is_rotated(source) and path.startswith(f"{source}.")
            known = before[moved.pop(inode)] if renamed else None
        if known is None or size < known.size:
            entry = Plain(inode, size, stale=self._stale(inode, positions))
        else:
            entry = Plain(inode, size, known.read, known.ever, known.stale, still)
        position = (positions or {}).get(inode)
        if position is not None and position.offset != entry.stale:
            entry.stale = None
            if position.offset <= size:
                # Also backwards: Fluent Bit begins anew where it finds that the file is another one.
                entry.read = position.offset
                entry.ever = max(entry.ever, entry.read)
        return entry

    def _stale(self, inode: int, positions: Mapping[int, Position] | None) -> int | None:
        """The position of an inode, if it was noted before there was the file that has it now."""
        position = (positions or {}).get(inode)
        if position is None or not self.account.looked:
            return None
        if self._positions is not None:
            earlier = self._positions.get(inode)
            return position.offset if earlier == position else None
        return position.offset if position.created < self.account.looked else None

    def _leave(
        self, gone: Mapping[str, Plain], sight: Sight, positions: Mapping[int, Position] | None, now: float
    ) -> None:
        taken = {inode for inode, _ in sight.plain.values()}
        for path, entry in gone.items():
            if entry.inode not in taken:
                _advance(entry, positions)
            if path not in self.account.done:
                self._leaving[path] = (entry, now)

    def _pack(
        self,
        sight: Sight,
        positions: Mapping[int, Position] | None,
        now: float,
        filled: Collection[str],
        broken: Mapping[str, int],
    ) -> list[Lost]:
        """Follow the gzip files."""
        account = self.account
        lost = []
        taken = {inode for inode, _ in sight.plain.values()}
        for path, size in sight.packed.items():
            # While the plain file is there, it is read; the kubelet is about to remove it.
            if path in sight.plain or path in account.done:
                continue
            if path not in account.packed:
                entry, _ = self._leaving.pop(path, (Plain(-1, size), now))
                ever = size if path in self._again else entry.ever
                account.packed[path] = Packed(size, entry.read, ever, entry.inode)
            packed = account.packed[path]
            # Fluent Bit may still have the plain file open, and read on.
            if packed.inode in taken:
                packed.inode = None
            position = (positions or {}).get(packed.inode) if packed.inode is not None else None
            if position is not None and packed.read < position.offset <= size:
                packed.read = position.offset
                packed.ever = max(packed.ever, packed.read)
            if path in filled or packed.read >= size:
                account.done[path] = now
            elif path in broken:
                account.done[path] = now
                lost.append(Lost(path, size - max(packed.ever, broken[path])))
        for path in [path for path in account.packed if path in account.done or path not in sight.packed]:
            packed = account.packed.pop(path)
            if path not in account.done and path not in sight.plain:
                lost.append(Lost(path, packed.size - packed.ever))
        return lost

    def _left(self, sight: Sight, positions: Mapping[int, Position] | None, now: float) -> list[Lost]:
        """Files that are gone without a gzip file in their place, once Fluent Bit is through with them."""
        lost = []
        taken = {inode for inode, _ in sight.plain.values()}
        for path, (entry, since) in list(self._leaving.items()):
            if entry.inode not in taken:
                _advance(entry, positions)
            closed = positions is not None and entry.inode not in positions
            if entry.ever >= entry.size or closed or entry.inode in taken or now - since > LEAVING_SECONDS:
                del self._leaving[path]
                lost.append(Lost(path, entry.size - entry.ever))
        return lost

    def _choose_links(self) -> None:
        """Keep what is being read, and fill up with the oldest: they are the next that the kubelet removes."""
        packed = self.account.packed
        kept = [path for path in self._links if path in packed]
        more = sorted(packed.keys() - set(kept), key=lambda path: (path.rpartition(".log.")[2], path))
        self._links = [*kept, *more[: MOST_LINKS - len(kept)]]


def container_of(path: str) -> str:
    """`<namespace>/<pod>/<container>` of a log file."""
    folder, container, *_ = path.split("/")
    namespace, pod, *_ = [*folder.split("_"), ""]
    return f"{namespace}/{pod}/{container}"


def containers_of(paths: Iterable[str]) -> set[str]:
    """The containers that log files are of."""
    return {container_of(path) for path in paths}


def _is_other(sight: Sight, path: str, entry: Plain) -> bool:
    there = sight.plain.get(path)
    return there is None or there[0] != entry.inode


def _shrunk(sight: Sight, path: str, entry: Plain) -> bool:
    there = sight.plain.get(path)
    return there is not None and there[0] == entry.inode and there[1] < entry.size


def _advance(entry: Plain, positions: Mapping[int, Position] | None) -> None:
    """Take in the position of a file that isn't there any more."""
    position = (positions or {}).get(entry.inode)
    if position is not None and position.offset != entry.stale:
        entry.stale = None
        # It may have grown after the last look at it.
        entry.ever = max(entry.ever, position.offset)
        entry.read = max(entry.read, min(position.offset, entry.size))
