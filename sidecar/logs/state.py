"""What survives a restart of the sidecar: which log files were read, and in which run of the machine."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from sidecar.logs.disk import replace_file
from sidecar.logs.files import Account, Packed, Plain

log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_VERSION = 1


def boot_id(path: Path = _BOOT_ID) -> str:
    """What names this run of the machine; empty where it can't be told."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def save(path: Path, account: Account, boot: str) -> None:
    """Write the account down.

    Raises:
        OSError: It can't be written.
    """
    content = {
        "version": _VERSION,
        "boot": boot,
        "looked": account.looked,
        "plain": {path: [entry.inode, entry.size, entry.read, entry.ever] for path, entry in account.plain.items()},
        "packed": {path: [entry.size, entry.read, entry.ever] for path, entry in account.packed.items()},
        "done": account.done,
    }
    replace_file(path, orjson.dumps(content).decode(), sync=True)


def load(path: Path, is_wanted: Callable[[str], bool]) -> tuple[Account, str]:
    """The account and the run of the machine that were written down; an empty account where there is none to be read.

    What is no longer wanted is left out: nobody reads it, and it isn't lost.
    """
    try:
        content = orjson.loads(path.read_bytes())
        if content["version"] != _VERSION:
            log.warning("%s is of another version, so that rotated log files are read again", path)
            return Account(), ""
        return _account(content, is_wanted), str(content["boot"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s can't be read, so that rotated log files are read again: %s", path, error)
    return Account(), ""


def _account(content: dict[str, Any], is_wanted: Callable[[str], bool]) -> Account:
    plain = {
        path: Plain(int(inode), int(size), int(read), int(ever))
        for path, (inode, size, read, ever) in content["plain"].items()
        if is_wanted(path)
    }
    packed = {
        path: Packed(int(size), int(read), int(ever))
        for path, (size, read, ever) in content["packed"].items()
        if is_wanted(path)
    }
    done = {path: float(time) for path, time in content["done"].items() if is_wanted(path)}
    return Account(plain, packed, done, float(content["looked"]))
