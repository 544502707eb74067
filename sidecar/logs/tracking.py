"""Follows the log files of the node: what Fluent Bit has read, what it is to be given, what was lost."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from sidecar.config.model import Config
from sidecar.errors import SidecarError
from sidecar.logs.counters import FilterCounters
from sidecar.logs.disk import make_folder
from sidecar.logs.files import Lost, Sight, Tracker, container_of, containers_of
from sidecar.logs.gz import readable_lines
from sidecar.logs.metrics import LogMetrics
from sidecar.logs.positions import make_positions, read_positions, remove_positions
from sidecar.logs.replaced import replaced
from sidecar.logs.scan import Scanner
from sidecar.logs.state import boot_id, load, save
from sidecar.render.layout import Layout
from sidecar.render.logpaths import wanted

log = logging.getLogger(__name__)

UNSAFE_SECONDS = 900.0
"""So much of what was done before a crash of the machine is done again; Linux writes to the disk within a minute."""
_EVERY_SECONDS = 1.0
_SAVE_SECONDS = (5.0, 30.0)
"""How long at least, and at most, between two times that the account is written down."""
_BROKEN_SECONDS = 300.0
_RELOAD_SECONDS = 10.0
_LOG_SECONDS = 60.0
_GZ = ".gz"


class FileTracker:
    """Call `prepare` before Fluent Bit starts, then give `run` a thread; `rewind` may be called from any.

    Args:
        config: pipeline.yaml.
        metrics: What is counted.
        reload: Reloads Fluent Bit if it is running; False where that failed, and is to be tried again.
        up_seconds: For how long Fluent Bit has been answering without a break.
        boot: What names this run of the machine.
    """

    def __init__(
        self,
        config: Config,
        metrics: LogMetrics,
        *,
        reload: Callable[[], bool],
        up_seconds: Callable[[], float],
        boot: str | None = None,
    ) -> None:
        layout = Layout.of(config)
        self._logs = Path(config.paths.logs)
        self._database, self._backfill, self._file = Path(layout.logs_db), Path(layout.backfill), Path(layout.tracked)
        self._metrics = metrics
        self._counters = FilterCounters(Path(layout.filter_state) / "counters.tsv", metrics.containers)
        self._reload = reload
        self._up_seconds = up_seconds
        self._boot = boot_id() if boot is None else boot
        self._is_wanted, self._replaced = wanted(config), replaced()
        self._scanner = Scanner(config.paths.logs, self._is_wanted)
        self._tracker = Tracker()
        self._lock = threading.Lock()
        self._links: dict[str, float] | None = None
        self._looked_into: set[str] = set()
        self._ignored_start = ""
        self._reload_due: float | None = None
        self._saved: tuple[float, object] = (0.0, None)
        self._unsaid: dict[str, int] = {}
        self._said: dict[str, float] = {}

    def prepare(self) -> None:
        """Take up where the last run ended; after a crash or restart of the machine, rewind.

        Raises:
            SidecarError: Something below paths.state can't be written.
        """
        account, boot = load(self._file, self._is_wanted)
        self._tracker = Tracker(account)
        try:
            # What Fluent Bit had noted, and what it had not delivered yet, were on their way to the disk, each at its
            # own pace.
            if self._boot and boot != self._boot and self._database.exists():
                self._rewind("boot", time.time() - UNSAFE_SECONDS)
            make_positions(self._database)
            self._save()
        except OSError as error:
            hint = "check space, owner and mode of paths.state"
            raise SidecarError(f"{error.filename or self._file}: {error.strerror}", hint=hint) from error
        self._reload_if_due()

    def run(self, stopping: threading.Event) -> None:
        """Look once a second, until `stopping` is set."""
        failed = -_LOG_SECONDS
        while not stopping.is_set():
            began = time.monotonic()
            try:
                self.step()
            except OSError as error:
                self._metrics.scan_errors.inc()
                if began - failed >= _LOG_SECONDS:
                    failed = began
                    log.warning(
                        "log files can't be followed, tried again every second: %s: %s (%s)",
                        error.filename or self._file,
                        error.strerror or error,
                        "check paths.logs and paths.state; where no pod logs are wanted, set logs.enabled: false",
                    )
            self._metrics.scan_seconds.set(time.monotonic() - began)
            stopping.wait(_EVERY_SECONDS)
        with suppress(OSError), self._lock:
            self._save()

    def rewind(self, cause: str, since: float) -> None:
        """Have Fluent Bit read every log file on the node again; ids absorb what is in OpenSearch already.

        Args:
            cause: For the metric: `boot`, `evicted`.
            since: Gzipped files that were done after this time (Unix seconds) are read again too.

        Raises:
            OSError: The positions can't be removed.
        """
        with self._lock:
            self._rewind(cause, since)
            self._save()

    def _rewind(self, cause: str, since: float) -> None:
        remove_positions(self._database)
        reading = self._counters.read()
        # What it says is done was done before this; the next start of Fluent Bit says it anew.
        self._ignored_start = reading.start if reading else ""
        self._tracker.rewind(since)
        self._looked_into.clear()
        self._reload_due = 0.0
        self._metrics.rewinds.labels(cause).inc()
        log.warning("every log file on the node is read again, what arrived before is not stored twice: %s", cause)

    def step(self) -> None:
        """One look.

        Raises:
            OSError: The folder can't be listed, or something can't be written; the next look makes up for it.
        """
        with self._lock:
            now = time.time()
            reading = self._counters.read()
            filled = self._keys(reading.done) if reading and reading.start != self._ignored_start else set()
            # Before the look at the files: no position can then be beyond the size that is seen.
            positions = read_positions(self._database)
            sight = self._scanner.look()
            broken = self._broken(now)
            waiting = set(self._tracker.account.packed)
            lost = self._tracker.step(sight, positions, now=now, filled=filled, broken=broken)
            self._link(self._tracker.links, now)
            self._tell(sight, waiting, lost, now)
            self._save_if_due()
        self._reload_if_due()

    def _keys(self, links: Iterable[str]) -> set[str]:
        """The plain files' paths of links that the filter names."""
        prefix = f"{self._backfill}/"
        return {link.removeprefix(prefix).removesuffix(_GZ) for link in links if link.startswith(prefix)}

    def _broken(self, now: float) -> dict[str, int]:
        """Of what Fluent Bit has had for long without reaching its end, what has none: a torn line, a torn file.

        At most one file is looked into at a time.
        """
        if self._up_seconds() < _BROKEN_SECONDS:
            return {}
        for path, made in (self._links or {}).items():
            packed = self._tracker.account.packed.get(path)
            if packed and path not in self._looked_into and now - made > _BROKEN_SECONDS:
                self._looked_into.add(path)
                with suppress(OSError):
                    whole = readable_lines(self._logs / (path + _GZ))
                    return {path: whole} if whole != packed.size else {}
        return {}

    def _link(self, chosen: list[str], now: float) -> None:
        """Make the links be those that are chosen."""
        if self._links is None:
            there = self._backfill.glob(f"*/*/*{_GZ}")
            self._links = dict.fromkeys(self._keys(str(path) for path in there), now)
        for path in self._links.keys() - set(chosen):
            link = self._backfill / (path + _GZ)
            link.unlink(missing_ok=True)
            for folder in (link.parent, link.parent.parent):
                with suppress(OSError):
                    folder.rmdir()
            del self._links[path]
            self._looked_into.discard(path)
        for path in chosen:
            if path not in self._links:
                link = self._backfill / (path + _GZ)
                make_folder(link.parent)
                with suppress(FileExistsError):
                    link.symlink_to(self._logs / (path + _GZ))
                self._links[path] = now

    def _tell(self, sight: Sight, waiting: set[str], lost: list[Lost], now: float) -> None:
        account, metrics = self._tracker.account, self._metrics
        metrics.files.set(len(sight.plain) + len(sight.packed))
        metrics.unread.set(sum(max(entry.size - entry.ever, 0) for entry in account.plain.values()))
        metrics.backfilling.set(len(account.packed))
        metrics.backfilled.inc(len(waiting & account.done.keys()))
        for loss in lost:
            container = container_of(loss.path)
            metrics.containers.add("bytes_lost", container, loss.bytes)
            if self._replaced(container):  # after every upgrade; nobody is to be called for that
                log.info("%s was replaced; its last %d bytes went with it", container, loss.bytes)
                continue
            metrics.all_bytes_lost.inc(loss.bytes)
            self._unsaid[container] = self._unsaid.get(container, 0) + loss.bytes
        metrics.containers.forget(containers_of([*sight.plain, *sight.packed]), now)
        for container in [name for name in self._unsaid if now - self._said.get(name, 0) >= _LOG_SECONDS]:
            size = self._unsaid.pop(container)
            self._said[container] = now
            log.warning("%s: up to %d bytes of its log files went before they were read", container, size)
        self._said = {name: said for name, said in self._said.items() if now - said < _LOG_SECONDS}

    def _save_if_due(self) -> None:
        least, most = _SAVE_SECONDS
        saved, content = self._saved
        passed = time.monotonic() - saved
        if passed > most or (passed > least and content != self._summary()):
            self._save()

    def _save(self) -> None:
        make_folder(self._file.parent)
        save(self._file, self._tracker.account, self._boot)
        self._saved = (time.monotonic(), self._summary())

    def _summary(self) -> object:
        """What is worth writing down soon when it changes."""
        return frozenset(self._tracker.account.done), frozenset(self._tracker.account.packed)

    def _reload_if_due(self) -> None:
        if self._reload_due is None or time.monotonic() < self._reload_due:
            return
        if self._reload():
            self._reload_due = None
            return
        self._reload_due = time.monotonic() + _RELOAD_SECONDS
        log.warning("Fluent Bit does not reload; tried again in %.0f s", _RELOAD_SECONDS)
