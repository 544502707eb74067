"""pipeline.yaml: its models, its strict loading with line numbers, and its references to secrets."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.config.loading import load, loads, read_text
    from sidecar.config.model import UNUSED, Config
    from sidecar.config.secret import SecretRef, resolve

__all__ = ["UNUSED", "Config", "SecretRef", "load", "loads", "read_text", "resolve"]

# Looking for plugins takes a tenth of the time that a command needs to start, and there are none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

_PLACES = {
    "UNUSED": "model",
    "Config": "model",
    "SecretRef": "secret",
    "load": "loading",
    "loads": "loading",
    "read_text": "loading",
    "resolve": "secret",
}


def __getattr__(name: str) -> Any:
    """What is named above, when it is first used: a Lambda function has no pydantic, and uses none of it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
