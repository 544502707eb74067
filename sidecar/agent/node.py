"""What Fluent Bit needs on the node: its folders, its rendered configuration, and its variables as files.

Until the index templates are in place the variables point at a closed local port: chunks wait on disk, and no document
arrives before its template. `open` lets them go; called again, it takes to Fluent Bit what has changed since: a
password, or a certificate.
"""

import hashlib
import logging
import shutil
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.output import cannot_write, switch_link, write_file, write_tree
from sidecar.config import Config
from sidecar.config.address import port_of
from sidecar.errors import RenderError, SidecarError
from sidecar.events.segment import make_folder
from sidecar.opensearch.credentials import Login
from sidecar.render import MANIFEST, render
from sidecar.render.fluentbit import HOST, PASSWORD, PORT, USER, as_variable, variables
from sidecar.render.layout import Layout

log = logging.getLogger(__name__)

CLOSED = {HOST: "127.0.0.1", PORT: "1"}
"""Where nothing listens: connections are refused at once, and chunks wait."""
_OPENED = "opened"
_UNKNOWN = "unknown"
"""A user and a password while they can't be had; nobody is sent them."""
_START_SECONDS = 2.0


class Secrets(Protocol):
    """What may change while we run; see `sidecar.opensearch.Access`."""

    @property
    def asks_aws(self) -> bool:
        """Whether the login, or a part of it, is in the Parameter Store."""

    def login(self) -> Login:
        """Where OpenSearch is, and user and password."""

    def fingerprint(self) -> str:
        """Of the certificates' files."""

    def check(self) -> None:
        """Make sure that the certificates' files, as they are now, can be used."""


class Node:
    """The files of one configuration.

    Args:
        config: pipeline.yaml.
        secrets: Where address and credentials come from.
    """

    def __init__(self, config: Config, secrets: Secrets) -> None:
        self._config = config
        self._secrets = secrets
        self._files = render(config)
        self._layout = Layout.of(config)
        self._fluent_bit = FluentBit(config.fluentbit.port)

    def prepare(self) -> None:
        """Make the folders, write the configuration, and point Fluent Bit at a closed port unless it was let go before.

        Raises:
            RenderError: Something can't be written.
            SecretError: A credential can't be read.
        """
        login = self._login_at_start()
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
            if not self._is_open(login):
                self._write(login, CLOSED)
        except OSError as error:
            raise self._cannot_write(error) from error

    def open(self, *, starting: bool = True) -> bool:
        """Point Fluent Bit at OpenSearch as it is now to be reached, and reload it if it is running.

        Args:
            starting: Whether it may be just about to start.

        Returns:
            Whether anything had to be done.

        Raises:
            SidecarError: It is running and does not reload; or a credential or a certificate can't be read.
            RenderError: Something can't be written.
        """
        login = self._secrets.login()
        if self._is_open(login):
            return False
        # With a certificate's file that is half written Fluent Bit does not reload: it ends.
        self._secrets.check()
        try:
            self._write(login, _address(login))
            running = self._runs(starting=starting)
            if running and not self._fluent_bit.reload():
                raise SidecarError(
                    "Fluent Bit does not reload", hint="its log says why; the sidecar sends events meanwhile"
                )
            # Not before the reload: a crash in between asks for it again.
            write_file(self._marker, self._mark())
        except OSError as error:
            raise self._cannot_write(error) from error
        log.info("Fluent Bit sends to %s%s", login.url, "" if running else ", once it is started")
        return True

    def _runs(self, *, starting: bool) -> bool:
        if starting and not self._fluent_bit.is_running():
            # One that is just starting may have read the closed port already, and listens a moment later.
            time.sleep(_START_SECONDS)
        return self._fluent_bit.is_running()

    @property
    def _folder(self) -> Path:
        return Path(self._layout.environment)

    @property
    def _marker(self) -> Path:
        return self._folder / _OPENED

    def _login_at_start(self) -> Login | None:
        """None where it is in AWS, which can't be asked now: it may be in a moment.

        Raises:
            SecretError: A credential that is on this machine can't be read.
        """
        try:
            return self._secrets.login()
        except SidecarError as error:
            if not self._secrets.asks_aws:
                raise
            log.warning("the credentials for OpenSearch can't be had yet: %s", error)
            return None

    def _is_open(self, login: Login | None) -> bool:
        """Whether Fluent Bit was pointed there; with a login that isn't known, the last one is taken to hold."""
        try:
            if self._marker.read_bytes() != self._mark().encode():
                return False
            return login is None or all(
                (self._folder / name).read_bytes() == value.encode()
                for name, value in self._values(login, _address(login)).items()
            )
        except OSError:
            return False

    def _mark(self) -> str:
        """Of what Fluent Bit reads when it starts, but for these variables; a digest."""
        return hashlib.sha256(f"{self._files[MANIFEST]}\0{self._secrets.fingerprint()}".encode()).hexdigest()

    def _values(self, login: Login | None, address: dict[str, str]) -> dict[str, str]:
        """What the file of each variable holds."""
        user, password = (login and login.basic) or (_UNKNOWN, _UNKNOWN)
        values = {USER: user, PASSWORD: password, **address}
        return {name: as_variable(values[name]) for name in variables(self._config)}

    def _write(self, login: Login | None, address: dict[str, str]) -> None:
        # Gone before the values change: a marker of earlier ones must not speak for these.
        self._marker.unlink(missing_ok=True)
        for name, value in self._values(login, address).items():
            write_file(self._folder / name, value)

    def _cannot_write(self, error: OSError) -> RenderError:
        hint = "check space, owner and mode of paths.state and paths.run"
        return cannot_write(error, self._folder, hint=hint)


def _address(login: Login) -> dict[str, str]:
    endpoint = urlsplit(login.url)
    return {HOST: endpoint.hostname or "", PORT: str(port_of(endpoint))}
