"""How far Fluent Bit has read each file, from the database of its tail input, without ever getting in its way.

A lock of ours at the wrong moment would end its start (it doesn't wait for one), and a file that we made beside the
database might be one that it can't write. So: where there is no write-ahead log, nobody writes, and no lock is taken;
where there is one, the database is read as it is at that moment, and nothing is made or repaired.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sidecar.logs.files import Position

_QUERY = "SELECT inode, offset, created FROM in_tail_files ORDER BY id"
_LOCK_SECONDS = 0.2


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


def remove_positions(database: Path) -> bool:
    """Remove the database: Fluent Bit begins every file anew when it next opens it. Whether there was one.

    Raises:
        OSError: It can't be removed.
    """
    there = database.exists()
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    return there
