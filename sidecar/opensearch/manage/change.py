"""One object that the server keeps, and what is done or to be done to it."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Action(Enum):
    """What a change does to an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RELEASE = "release"
    """It stays, for other clusters use it, as `effect` says; it isn't this one's any more."""
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """It can't be put: somebody else has the name, or something is in the way. `reason` says what, and what to do."""
    UNSUPPORTED = "unsupported"
    """The server lacks the plugin, or can't be asked for want of a permission. One such change stands for its kind."""
    WAITING = "waiting"
    """It is as it should be, and the server has yet to act on it by itself, as `effect` says."""
    LEFTOVER = "leftover"
    """The project made it, and this pipeline.yaml doesn't name it, but an earlier one. It is left."""

    @property
    def changes(self) -> bool:
        """Whether something is written."""
        return self in {Action.CREATE, Action.UPDATE, Action.DELETE, Action.RELEASE}

    @property
    def warns(self) -> bool:
        """Whether what is wanted will not be there."""
        return self in {Action.REFUSED, Action.UNSUPPORTED}


@dataclass(frozen=True)
class Change:
    """One object, and what is to be done.

    Attributes:
        kind: Title of its kind, such as `index template`.
        name: Its name; empty where the change stands for the whole kind.
        action: What is to be done.
        diff: Unified diff of its canonical JSON; empty where nothing changes. It holds no secret.
        effect: What this does to indices that exist, in a sentence; empty where there is nothing to say.
        reason: Why it is refused or unsupported, and what to do.
        warning: What keeps it from having its effect though it is or will be there; empty where nothing does.
        edited: Whether somebody changed it since the project put it.
    """

    kind: str
    name: str
    action: Action
    diff: str = ""
    effect: str = ""
    reason: str = ""
    warning: str = ""
    edited: bool = False

    def as_json(self) -> dict[str, Any]:
        """The change for scripts."""
        return {**asdict(self), "action": self.action.value}


@dataclass(frozen=True)
class Outcome:
    """A change that was carried out, or not.

    Attributes:
        change: What was to be done.
        error: Why it failed; empty where it was done, or nothing had to be.
        note: What else there is to know, such as that the server has only queued it.
        backup: File with what was there before; empty where nothing was written over.
    """

    change: Change
    error: str = ""
    note: str = ""
    backup: str = ""

    def as_json(self) -> dict[str, Any]:
        """The outcome for scripts: the change's keys, and those of its own."""
        return {**self.change.as_json(), "error": self.error, "note": self.note, "backup": self.backup}
