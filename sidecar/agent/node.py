"""What Fluent Bit needs on the node: its folders, its rendered configuration, and its variables as files.

Until the index templates are in place the variables point at a closed local port: chunks wait on disk, and no document
arrives before its template. `open` lets them go.
"""

import hashlib
import json
import logging
import shutil
import time
from pathlib import Path

from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.output import cannot_write, switch_link, write_file, write_tree
from sidecar.config import Config, resolve
from sidecar.errors import RenderError, SidecarError
from sidecar.events.segment import make_folder
from sidecar.render import MANIFEST, render
from sidecar.render.fluentbit import HOST, PASSWORD, PORT, USER, as_variable, variables
from sidecar.render.layout import Layout

log = logging.getLogger(__name__)

CLOSED = {HOST: "127.0.0.1", PORT: "1"}
"""Where nothing listens: connections are refused at once, and chunks wait."""
_OPENED = "opened"
_START_SECONDS = 2.0


class Node:
    """The files of one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._files = render(config)
        self._layout = Layout.of(config)
        self._fluent_bit = FluentBit(config.fluentbit.port)

    def prepare(self) -> None:
        """Make the folders, write the configuration, and point Fluent Bit at a closed port unless it was let go before.

        Raises:
            RenderError: Something can't be written.
            SecretError: A credential can't be read.
        """
        self._credentials()  # One that can't be read is told before anything is written.
        name = hashlib.sha256(self._files[MANIFEST].encode()).hexdigest()[:12]
        folder = Path(self._layout.rendered)
        try:
            for path in (*self._layout.state_folders, self._layout.rendered, self._layout.environment):
                make_folder(Path(path))
            write_tree(folder / name, self._files)
            current = Path(self._layout.current)
            before = current.readlink().name if current.is_symlink() else name
            switch_link(current, f"{folder.name}/{name}")
            for old in folder.iterdir():
                if old.name not in {name, before}:
                    shutil.rmtree(old)
            if not self._was_opened():
                self._write(CLOSED)
        except OSError as error:
            raise self._cannot_write(error) from error

    def open(self, *, starting: bool = True) -> None:
        """Point Fluent Bit at OpenSearch, and reload it if it is running.

        Args:
            starting: Whether it may be just about to start.

        Raises:
            SidecarError: It is running and does not reload.
            RenderError: Something can't be written.
            SecretError: A credential can't be read.
        """
        if self._was_opened():
            return
        try:
            self._write(self._address())
            running = self._runs(starting=starting)
            if running and not self._fluent_bit.reload():
                raise SidecarError(
                    "Fluent Bit does not reload", hint="its log says why; the sidecar sends events meanwhile"
                )
            # Not before the reload: a crash in between asks for it again.
            write_file(self._marker, self._mark())
        except OSError as error:
            raise self._cannot_write(error) from error
        log.info("Fluent Bit sends to %s%s", self._config.opensearch.url, "" if running else ", once it is started")

    def _runs(self, *, starting: bool) -> bool:
        if starting and not self._fluent_bit.is_running():
            # One that is just starting may have read the closed port already, and listens a moment later.
            time.sleep(_START_SECONDS)
        return self._fluent_bit.is_running()

    @property
    def _marker(self) -> Path:
        return Path(self._layout.environment) / _OPENED

    def _was_opened(self) -> bool:
        try:
            return self._marker.read_bytes() == self._mark().encode()
        except OSError:
            return False

    def _mark(self) -> str:
        """Of everything that Fluent Bit takes from these files; a digest, because a password is in it."""
        text = json.dumps({**self._credentials(), **self._address(), "files": self._files[MANIFEST]})
        return hashlib.sha256(text.encode()).hexdigest()

    def _address(self) -> dict[str, str]:
        opensearch = self._config.opensearch
        return {HOST: opensearch.endpoint.hostname or "", PORT: str(opensearch.port)}

    def _credentials(self) -> dict[str, str]:
        basic = self._config.opensearch.auth.basic
        if not basic:
            return {}
        return {
            USER: resolve(basic.username, name="opensearch.auth.basic.username"),
            PASSWORD: resolve(basic.password, name="opensearch.auth.basic.password"),
        }

    def _write(self, address: dict[str, str]) -> None:
        # Gone before the values change: a marker of earlier ones must not speak for these.
        self._marker.unlink(missing_ok=True)
        values = {**self._credentials(), **address}
        for name in variables(self._config):
            write_file(Path(self._layout.environment) / name, as_variable(values[name]))

    def _cannot_write(self, error: OSError) -> RenderError:
        hint = "check space, owner and mode of paths.state and paths.run"
        return cannot_write(error, Path(self._layout.environment), hint=hint)
