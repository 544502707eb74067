"""pipeline.yaml: its models, its strict loading with line numbers, and its references to secrets."""

import os

# Looking for plugins takes a tenth of the time that a command needs to start, and there are none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from sidecar.config.load import load, loads, read_text
from sidecar.config.model import UNUSED, Config
from sidecar.config.secret import SecretRef, resolve

__all__ = ["UNUSED", "Config", "SecretRef", "load", "loads", "read_text", "resolve"]
