"""What `sidecar run` begins with: what pipeline.yaml says, or where that can't be, the last that worked."""

import logging
from dataclasses import dataclass

from sidecar.agent.configfile import Loaded, load_text
from sidecar.agent.laststate import STATE, LastState, last_good
from sidecar.config import UNUSED, Config, read_text
from sidecar.errors import SidecarError
from sidecar.render import render

log = logging.getLogger(__name__)

INSTEAD = "The last configuration that worked is in force."


@dataclass(frozen=True)
class First:
    """What to begin with.

    Attributes:
        loaded: The configuration.
        text: What the file says; None where it can't be read.
        problem: Why it isn't what the file says; empty where it is.
        kind: Of the problem: `invalid` or `rejected`.
    """

    loaded: Loaded
    text: str | None
    problem: str = ""
    kind: str = "invalid"


def usable(text: str, file: str) -> Loaded:
    """Check a text as far as that is possible without trying it.

    Raises:
        ConfigError: With all its problems.
        RenderError: Fluent Bit would not do what it says.
    """
    loaded = load_text(text, file)
    render(loaded.config)
    return loaded


def choose(file: str) -> First:
    """Read the file, or else the last one that worked.

    Raises:
        SidecarError: It can't be used, and there is no other.
    """
    text = None
    try:
        text = read_text(file)
        loaded = usable(text, file)
    except SidecarError as error:
        good = _good(last_good())
        if good is None:
            raise
        return First(good, text, f"{error}\n{INSTEAD}")
    state = LastState(loaded.config)
    why = state.rejected().get(loaded.digest)
    good = _good(state.good()) if why else None
    if why and good and good.text != text:
        return First(good, text, why, "rejected")
    return First(loaded, text)


def note_unused(config: Config) -> None:
    """Log which keys of the file have no effect."""
    for key in config.unused():
        log.warning("%s: %s", key, UNUSED)


def _good(text: str | None) -> Loaded | None:
    """None where it can't be used either: another version wrote it."""
    if text is None:
        return None
    try:
        return usable(text, STATE)
    except SidecarError:
        return None
