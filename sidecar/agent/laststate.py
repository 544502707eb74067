"""What a sidecar leaves for the next one: the last configuration that worked, and one that did not.

The one that worked is kept on the node's disk. The one that did not is remembered as long as the pod lives: in a new
pod, with other volumes or another image, it may well work, and is tried again.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from sidecar.agent.output import write_file
from sidecar.config import Config
from sidecar.config.node import Paths
from sidecar.errors import SidecarError
from sidecar.events.segment import make_folder
from sidecar.render.layout import Layout
from sidecar.render.layout import last_good as last_good_file

STATE = "SIDECAR_STATE"
"""Variable of the environment with `paths.state`, for a pipeline.yaml that can't be read."""
LAYOUT_VERSION = 1
"""Of what is below `paths.state`. Raised when an older sidecar would misread it."""


def last_good(environment: Mapping[str, str] = os.environ) -> str | None:
    """The text of the last configuration that worked; None where there is none."""
    return _read(Path(last_good_file(environment.get(STATE) or Paths().state)))


class LastState:
    """Reads and writes it below the folders of a configuration."""

    def __init__(self, config: Config) -> None:
        layout = Layout.of(config)
        self._good = Path(layout.last_good)
        self._bad = Path(layout.rejected)
        self._version = Path(layout.version)

    def check_version(self) -> None:
        """See that this version understands what is below `paths.state`; where nobody has noted it, it does.

        Raises:
            SidecarError: It was written by a newer version, or can't be read.
        """
        try:
            known = self._version.read_text(errors="replace").strip() if self._version.exists() else ""
        except OSError as error:
            raise self._failed(error) from error
        if known and known != str(LAYOUT_VERSION):
            raise SidecarError(
                f"{self._version} says {known[:20]!r}: this version knows layout {LAYOUT_VERSION} of paths.state",
                hint="run the version that wrote it, or a newer one; or set another paths.state, and what waits there "
                "stays unsent",
            )

    def note_version(self) -> None:
        """Note how it is laid out.

        Raises:
            SidecarError: It can't be written.
        """
        try:
            if not self._version.exists():
                make_folder(self._version.parent)
                write_file(self._version, f"{LAYOUT_VERSION}\n")
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> SidecarError:
        hint = "check space, owner and mode of paths.state"
        return SidecarError(f"{error.filename or self._version}: {error.strerror}", hint=hint)

    def good(self) -> str | None:
        """The text of the last configuration that worked."""
        return _read(self._good)

    def keep_good(self, text: str) -> None:
        """Remember a configuration that works.

        Raises:
            OSError: It can't be written.
        """
        if _read(self._good) != text:
            make_folder(self._good.parent)
            write_file(self._good, text)

    def rejected(self) -> dict[str, str]:
        """What was wrong with configurations, by their digests: of the last one."""
        try:
            found = json.loads(_read(self._bad) or "{}")
        except ValueError:
            return {}
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def keep_rejected(self, digest: str, reason: str) -> None:
        """Remember one that does not work.

        Raises:
            OSError: It can't be written.
        """
        write_file(self._bad, json.dumps({digest: reason}))


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
