"""How far Fluent Bit has read each file, from the database of its tail input, without ever getting in its way.

A lock of ours at the wrong moment would end its start (it doesn't wait for one), and a file that we made beside the
database might be one that it can't write. So: where there is no write-ahead log, nobody writes, and no lock is taken;
where there is one, the database is read as it is at that moment, and nothing is made or repaired.

One moment remains: Fluent Bit ends, and removes its log, between our look and our opening. SQLite then makes one, as
ours. In a pod Fluent Bit is root without capabilities: it could not write that, and would never start again. SQLite
gives what it makes the mode of the database, so the database is made here, as one that its group may write.
"""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from sidecar.logs.disk import make_folder
from sidecar.logs.files import Position

_QUERY = "SELECT inode, offset, created FROM in_tail_files ORDER BY id"
_LOCK_SECONDS = 0.2
_SHARED, _GROUP = 0o660, 0o060
_BESIDE = ("-wal", "-shm")


def make_positions(database: Path) -> None:
    """Make an empty database that the group may write, which Fluent Bit takes for a new one; one that is there stays.

    Raises:
        OSError: It can't be made.
    """
    make_folder(database.parent)
    with suppress(FileExistsError):
        handle = os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _SHARED)
        os.fchmod(handle, _SHARED)
        os.close(handle)


def read_positions(database: Path) -> dict[int, Position] | None:
    """Positions by inode; None where they can't be had now: no database, a locked one, or one that is being made."""
    log = database.with_name(f"{database.name}-wal")
    how = "mode=ro&readonly_shm=1" if log.exists() else "immutable=1"
    try:
        if not database.stat().st_size:
            return None
        address = f"file:{quote(str(database))}?{how}"
        with closing(sqlite3.connect(address, uri=True, timeout=_LOCK_SECONDS, isolation_level=None)) as connection:
            return {
                inode: Position(offset, created)
                for inode, offset, created in connection.execute(_QUERY)
                if isinstance(inode, int) and isinstance(offset, int) and isinstance(created, int)
            }
    except (sqlite3.Error, OSError):
        return None
    finally:
        _share(database)


def _share(database: Path) -> None:
    """Let the group write what is ours beside a database that Fluent Bit made, with the mode that it gave it."""
    for suffix in _BESIDE:
        with suppress(OSError):
            path = database.with_name(database.name + suffix)
            found = path.stat()
            if found.st_uid == os.geteuid() and found.st_mode & _GROUP != _GROUP:
                path.chmod(_SHARED)


def remove_positions(database: Path) -> bool:
    """Put an empty database in its place: Fluent Bit begins every file anew when it next opens it.

    Returns:
        Whether there was one.

    Raises:
        OSError: It can't be removed.
    """
    there = database.exists() and database.stat().st_size > 0
    for suffix in ("", *_BESIDE):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    make_positions(database)
    return there
