"""What Fluent Bit needs on the node: its folders, its rendered configuration, and its variables as files.

Until the index templates are in place the variables point at a closed local port: chunks wait on disk, and no document
arrives before its template. `open` lets them go; called again, it takes to Fluent Bit what has changed since: a
password, or a certificate.

Two files say what was done, and outlive a crash: `seen`, which templates were seen in which OpenSearch, and `loaded`,
with what Fluent Bit was last made to run. What it does not read - a policy, a dashboard - is in neither.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from sidecar.agent.output import cannot_write, switch_link, write_file, write_tree
from sidecar.agent.reloads import Reloads
from sidecar.agent.verdict import Verdict
from sidecar.config import Config
from sidecar.config.address import port_of
from sidecar.errors import RenderError, SidecarError
from sidecar.events.segment import make_folder
from sidecar.opensearch.credentials import Login
from sidecar.render import MANIFEST, render
from sidecar.render.fluentbit import HOST, PASSWORD, PORT, USER, as_variable, fluent_bit, variables
from sidecar.render.layout import FLUENT_BIT_FILE, Layout
from sidecar.render.plugins import plugins

log = logging.getLogger(__name__)

CLOSED = {HOST: "127.0.0.1", PORT: "1"}
"""Where nothing listens: connections are refused at once, and chunks wait."""
_SEEN, _LOADED = "seen", "loaded"
_MOST_SEEN = 8
_TEMPLATES, _LUA = ("opensearch/component-templates/", "opensearch/index-templates/"), "lua/"
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
        reloads: Reloads Fluent Bit; the same one for all configurations of a process.
    """

    def __init__(self, config: Config, secrets: Secrets, reloads: Reloads | None = None) -> None:
        self._config = config
        self._secrets = secrets
        self._reloads = reloads or Reloads(config.fluentbit.port)
        self._files = render(config)
        self._plugins = plugins(fluent_bit(config))
        self._layout = Layout.of(config)
        self._retired = False

    def prepare(self) -> None:
        """Make the folders, write the configuration, and point Fluent Bit at a closed port unless it was let go before.

        Raises:
            RenderError: Something can't be written.
            SecretError: A credential can't be read.
        """
        login = self._login_at_start()
        try:
            with self._reloads.lock:
                for path in (*self._layout.state_folders, self._layout.rendered, self._layout.environment):
                    make_folder(Path(path))
                self._reloads.expected = self._plugins
                is_open = login is not None and self._has_seen(login)
                if not is_open and not (login is None and self._has_seen(None) and self._are_there()):
                    # First: a Fluent Bit that starts in between must not send what has no template yet.
                    self._write(login, CLOSED)
                self._put_files()
                if login and is_open:
                    self._write(login, _address(login))
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
        with self._reloads.lock:
            if self._retired:
                return False
            try:
                self._write(login, _address(login))
                self._note_seen(login)
                if self._is_loaded():
                    return False
                verdict = self._load(starting=starting)
            except OSError as error:
                raise self._cannot_write(error) from error
            if not verdict.well:
                raise SidecarError(
                    f"Fluent Bit does not reload: {self._reloads.reason}",
                    hint="its log says why; the sidecar sends events meanwhile",
                )
            later = "" if verdict is Verdict.DONE else ", once it is started"
            log.info("Fluent Bit sends to %s%s", login.url, later)
            return True

    def load(self, *, again: bool = False, fall_back: Callable[[], None] | None = None) -> Verdict | None:
        """Reload a running Fluent Bit, unless it runs with all this.

        Args:
            again: Reload it in any case.
            fall_back: See `Reloads.reload`.

        Returns:
            None where there was nothing to do.

        Raises:
            RenderError: Something can't be written.
        """
        with self._reloads.lock:
            try:
                if self._is_loaded() and not again:
                    return None
                return self._load(starting=True, fall_back=fall_back)
            except OSError as error:
                raise self._cannot_write(error) from error

    def retire(self) -> None:
        """Another configuration is in force: nothing is written for this one any more."""
        with self._reloads.lock:
            self._retired = True

    def _load(self, *, starting: bool = False, fall_back: Callable[[], None] | None = None) -> Verdict:
        # With a certificate's file that is half written Fluent Bit does not reload: it ends.
        self._secrets.check()
        loaded = self._loaded_mark()
        (self._folder / _LOADED).unlink(missing_ok=True)
        running = self._runs(starting=starting)
        verdict = self._reloads.reload(fall_back=fall_back) if running else Verdict.ABSENT
        if verdict.well:
            # Not before the reload: a crash in between asks for it again.
            write_file(self._folder / _LOADED, loaded)
        return verdict

    def _runs(self, *, starting: bool) -> bool:
        running = self._reloads.fluent_bit.is_running()
        if starting and not running:
            # One that is just starting may have read the closed port already, and listens a moment later.
            time.sleep(_START_SECONDS)
            running = self._reloads.fluent_bit.is_running()
        return running

    def _put_files(self) -> None:
        folder, current = Path(self._layout.rendered), Path(self._layout.current)
        name = hashlib.sha256(self._files[MANIFEST].encode()).hexdigest()[:12]
        write_tree(folder / name, self._files)
        before = current.readlink().name if current.is_symlink() else name
        if not current.is_symlink() or before != name:
            switch_link(current, f"{folder.name}/{name}")
        for old in folder.iterdir():
            if old.name not in {name, before}:
                shutil.rmtree(old)

    @property
    def _folder(self) -> Path:
        return Path(self._layout.environment)

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

    def _has_seen(self, login: Login | None) -> bool:
        """Whether these templates were seen in that OpenSearch; with a login that isn't known, in any."""
        wanted = self._seen_line(login)
        return any(line == wanted or (login is None and line.startswith(wanted)) for line in self._seen_lines())

    def _note_seen(self, login: Login) -> None:
        lines, line = self._seen_lines(), self._seen_line(login)
        if line not in lines:
            write_file(self._folder / _SEEN, "".join(f"{each}\n" for each in [line, *lines][:_MOST_SEEN]))

    def _seen_lines(self) -> list[str]:
        try:
            return (self._folder / _SEEN).read_bytes().decode(errors="replace").splitlines()
        except OSError:
            return []

    def _seen_line(self, login: Login | None) -> str:
        templates = _digest(*(text for path, text in self._files.items() if path.startswith(_TEMPLATES)))
        return f"{templates} {_digest(login.url) if login else ''}"

    def _is_loaded(self) -> bool:
        try:
            return (self._folder / _LOADED).read_bytes() == self._loaded_mark().encode()
        except OSError:
            return False

    def _loaded_mark(self) -> str:
        """Of all that Fluent Bit reads when it starts; a digest."""
        files = [text for path, text in self._files.items() if path == FLUENT_BIT_FILE or path.startswith(_LUA)]
        values = [(self._folder / name).read_bytes().decode() for name in variables(self._config)]
        return _digest(*files, *values, self._secrets.fingerprint())

    def _are_there(self) -> bool:
        return all((self._folder / name).exists() for name in variables(self._config))

    def _write(self, login: Login | None, address: dict[str, str]) -> None:
        user, password = (login and login.basic) or (_UNKNOWN, _UNKNOWN)
        values = {USER: user, PASSWORD: password, **address}
        for name in variables(self._config):
            path, value = self._folder / name, as_variable(values[name])
            if not (path.is_file() and path.read_bytes() == value.encode()):
                write_file(path, value)

    def _cannot_write(self, error: OSError) -> RenderError:
        hint = "check space, owner and mode of paths.state and paths.run"
        return cannot_write(error, self._folder, hint=hint)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _address(login: Login) -> dict[str, str]:
    endpoint = urlsplit(login.url)
    return {HOST: endpoint.hostname or "", PORT: str(port_of(endpoint))}
