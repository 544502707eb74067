"""What a look at one link found."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from sidecar.errors import SidecarError


class State(Enum):
    """How a link is."""

    OK = "ok"
    WARN = "warn"
    """It works, and something about it will be missed or trouble later; or it can't be told."""
    FAIL = "fail"
    SKIP = "skip"
    """Not looked at: what it needs is not there."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was looked at.
        state: How it is.
        text: What was found.
        hint: What to do about it; empty where nothing has to be done.
    """

    name: str
    state: State
    text: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "state": self.state.value}


def ok(name: str, text: str) -> Finding:
    """It is well."""
    return Finding(name, State.OK, text)


def warn(name: str, text: str, hint: str) -> Finding:
    """It is to be looked at."""
    return Finding(name, State.WARN, text, hint)


def fail(name: str, text: str, hint: str) -> Finding:
    """It doesn't work."""
    return Finding(name, State.FAIL, text, hint)


def skip(name: str, text: str, hint: str = "") -> Finding:
    """It was not looked at."""
    return Finding(name, State.SKIP, text, hint)


def failed(name: str, error: SidecarError) -> Finding:
    """An error of the project says itself what happened and what to do."""
    return fail(name, error.what, error.hint or "look at the log of the other side, and try again")
