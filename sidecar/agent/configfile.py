"""pipeline.yaml on disk, which may be replaced at any time: what it says now, and whether we can go on with it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sidecar.config import Config, loads, read_text
from sidecar.errors import ConfigError

_OF_THE_POD = {"paths": ("logs", "state", "run"), "agent": ("address", "port"), "fluentbit": ("port",)}
"""Keys of pipeline.yaml that its containers are made of, by section."""


@dataclass(frozen=True)
class Loaded:
    """A configuration, and the text that it was read from."""

    text: str
    config: Config

    @property
    def digest(self) -> str:
        """Of the text."""
        return digest(self.text)


def digest(text: str) -> str:
    """What tells one content of the file from another."""
    return hashlib.sha256(text.encode()).hexdigest()


class ConfigFile:
    """Looks at the file, which is a link into a ConfigMap's volume in a pod.

    Args:
        path: The file.
        text: What is known of it already; None where it could not be read.
    """

    def __init__(self, path: str, text: str | None = None) -> None:
        self._path = path
        self._known: str | None = text
        self._stamp: object = None
        self._waiting: str | None = None

    def poll(self) -> str | ConfigError | None:
        """What it says, if that has changed and two looks in a row saw the same; else None.

        An error, where it can't be read.
        """
        stamp = self._look()
        if stamp == self._stamp and self._waiting is None:
            return None
        self._stamp = stamp
        error = None
        try:
            text = read_text(self._path)
        except ConfigError as failure:
            text, error = f"\0{failure}", failure
        if error and self._known is None:
            self._known = text  # it is known that it can't be read
        if text == self._known:
            self._waiting = None
        elif text != self._waiting:
            self._waiting = text  # whoever writes it in place may not be done
        else:
            self._known, self._waiting = text, None
            return error or text
        return None

    def _look(self) -> object:
        """Changes with the file; it is followed through the links of a ConfigMap's volume."""
        try:
            found = Path(self._path).stat()
        except OSError as error:
            return error.errno
        return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def load_text(text: str, path: str) -> Loaded:
    """Check a text of the file.

    Raises:
        ConfigError: With all its problems.
    """
    return Loaded(text, loads(text, file=path))


def pinned(wanted: Config, present: Config) -> tuple[Config, tuple[str, ...]]:
    """What of a configuration can take effect in this pod: folders and ports stay, since they are the pod's.

    Returns:
        The configuration, and the keys that wait for a new pod.
    """
    update, waiting = {}, []
    for section, names in _OF_THE_POD.items():
        ours, theirs = getattr(present, section), getattr(wanted, section)
        values = {name: getattr(ours, name) for name in names}
        differing = [name for name in names if getattr(theirs, name) != values[name]]
        if differing:
            update[section] = theirs.model_copy(update=values)
            waiting += [f"{section}.{name}" for name in differing]
    return (wanted.model_copy(update=update) if update else wanted), tuple(waiting)


def same(one: Config, other: Config) -> bool:
    """Whether two configurations mean the same."""
    return one.model_dump_json(by_alias=True) == other.model_dump_json(by_alias=True)
