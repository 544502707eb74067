"""A kind of object that the server keeps: what is wanted, what is there, and how the one becomes the other.

The engine (`plan`, `apply`) knows no kind; a kind knows no plan. To add one: subclass `Kind`, name it in `kinds`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.manage.server import Server

Json = dict[str, Any]

_FORBIDDEN = 403


@dataclass(frozen=True)
class Present:
    """An object as the server has it.

    Attributes:
        body: What it is, in the form in which `wanted` has its bodies as far as the server lets know; goes through
            `canonical` and, if it is overwritten, `kept`. Not in the repr: it may hold a secret.
        ours: Whether the project made it: has its mark.
        edited: Whether somebody changed it since; None where that can't be told, which counts as yes for the backup.
        handle: What the kind needs to change it, such as an id of the server's own, or sequence numbers.
    """

    body: Json = field(repr=False)
    ours: bool
    edited: bool | None = None
    handle: Any = None


@dataclass(frozen=True)
class Item:
    """An object to put: its name, its wanted body, and what is there already."""

    name: str
    body: Json = field(repr=False)
    before: Present | None = None


@dataclass(frozen=True)
class Result:
    """What became of one object."""

    name: str
    error: OpenSearchError | None = None
    note: str = ""


class Kind(ABC):
    """See the module. One instance serves one plan or apply: it may remember what `present` found."""

    title: str
    """In the singular, such as `index template`."""
    brief: bool = False
    """Whether what is created is too much to be shown; what is changed always is."""

    @property
    @abstractmethod
    def wanted(self) -> Mapping[str, Json]:
        """The bodies by name, rendered from pipeline.yaml, in the order in which they are put."""

    @abstractmethod
    def present(self) -> Mapping[str, Present]:
        """What the server has, by name: of the names wanted whosever it is, and all else that is ours. Few requests.

        Raises:
            OpenSearchError: It can't be told, for example for want of a permission (`RefusedError`, 403): the kind is
                reported as refused as a whole, and the others go on.
        """

    @abstractmethod
    def canonical(self, body: Json) -> Json:
        """A body in the form in which what is wanted and what the server makes of it are equal.

        Pure. It is shown to users, so a secret is not in it: a digest of one tells that it changed.
        """

    @abstractmethod
    def put(self, item: Item) -> str:
        """Create or replace one object, by sequence numbers where the server has them.

        Returns:
            What there is to know about it, such as that it is only queued; mostly empty.

        Raises:
            OpenSearchError: It was not taken.
        """

    @abstractmethod
    def delete(self, name: str, before: Present) -> None:
        """Delete an object that is ours; one that is gone already is no error.

        Raises:
            OpenSearchError: It was not deleted.
        """

    def unsupported(self, server: Server) -> str:
        """Why this server can't have the kind, and what that means; empty where it can. Asked before all else."""
        return ""

    def obstacle(self, name: str) -> str:
        """What is in the way of a wanted object, in words; empty where nothing is. Asked after `present`."""
        return ""

    def warning(self, name: str) -> str:
        """What keeps a wanted object from having its effect, though it can be put; empty where nothing does."""
        return ""

    def waiting(self, name: str) -> str:
        """What the server has yet to do for an object that is as it should be; empty for nothing."""
        return ""

    def nudge(self, name: str) -> str:
        """Ask the server for what `waiting` told of; returns what there is to know, as `put` does."""
        return ""

    def needed(self, name: str, before: Present) -> str:
        """Who else needs something of ours that this cluster gives up, or never had, in words; empty for nobody."""
        return ""

    def release(self, name: str, before: Present) -> None:  # noqa: B027 - most carry no mark
        """Take this cluster's mark from what stays for others.

        Raises:
            OpenSearchError: It was not taken from it.
        """

    def loss(self, name: str, before: Present) -> str:
        """What deleting an object means for indices that exist, in a sentence; empty for nothing."""
        return ""

    def effect(self, name: str, before: Present | None) -> str:
        """What creating (`before` is None) or updating it does to indices that exist, in a sentence; or nothing."""
        return ""

    def kept(self, before: Present) -> Json:
        """What a backup holds of an object that is overwritten, without secrets."""
        return before.body

    def put_all(self, items: Sequence[Item]) -> Iterator[Result]:
        """Put several, and tell of each once it is done; for kinds whose server takes many at once to replace.

        What would fail for the others too - a permission that is missing, a server that is away - is tried once.
        """
        hopeless: OpenSearchError | None = None
        for item in items:
            if hopeless:
                yield Result(item.name, hopeless)
                continue
            try:
                yield Result(item.name, note=self.put(item))
            except OpenSearchError as error:
                if isinstance(error, OpenSearchUnavailable) or getattr(error, "status", 0) == _FORBIDDEN:
                    hopeless = error
                yield Result(item.name, error)
