"""`sidecar run`: takes up a changed pipeline.yaml without a new pod, and goes back from one that does not work."""

import logging
import shutil
import threading
import time

from prometheus_client import CollectorRegistry, Info, disable_created_metrics

from sidecar import __version__
from sidecar.agent.carry import Carried
from sidecar.agent.configfile import ConfigFile, Loaded, digest, pinned, same
from sidecar.agent.first import First, usable
from sidecar.agent.http import StatusServer
from sidecar.agent.inforce import InForce
from sidecar.agent.laststate import LastState
from sidecar.agent.proving import Proving
from sidecar.agent.reloads import Reloads
from sidecar.agent.switch import switch
from sidecar.agent.telling import Telling
from sidecar.agent.trial import verify
from sidecar.agent.verdict import Verdict
from sidecar.errors import ConfigError, SidecarError
from sidecar.kube import ApiServer
from sidecar.kube.podevents import PodEvents

log = logging.getLogger(__name__)

_STEP_SECONDS = 0.1
_POLL_SECONDS = 1.0
_AGAIN_SECONDS = 30.0
_FLUENT_BIT = "fluent-bit"
_BEFORE = "The last configuration that worked is in force."


class Supervisor:
    """Runs what one configuration after the other says.

    Args:
        file: Path of pipeline.yaml.
        first: What to begin with.
        api: The API server.
        stopping: Set by whoever wants `run` to end, within five seconds.
        fluent_bit: Whether there is a Fluent Bit.
    """

    def __init__(
        self, file: str, first: First, api: ApiServer, *, stopping: threading.Event, fluent_bit: bool = True
    ) -> None:
        self._name = file
        self._first = first
        self._stopping = stopping
        self._has_fluent_bit = fluent_bit
        self._file = ConfigFile(file, first.text)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        Info("sidecar_build", "Version.", registry=self._registry).info({"version": __version__})
        carried = Carried()
        self._registry.register(carried)
        config = first.loaded.config
        self._reloads = Reloads(config.fluentbit.port, registry=self._registry, stopping=stopping)
        self._telling = Telling(PodEvents(api), self._registry)
        self._state = LastState(config)
        self._proving = Proving(self._state, self._reloads.fluent_bit if fluent_bit else None)
        self._now = InForce(api, self._reloads, carried, fluent_bit=fluent_bit)
        self._bad = self._state.rejected()
        self._again: tuple[float, str] | None = None

    def run(self) -> None:
        """Run until `stopping` is set.

        Raises:
            SidecarError: It can't begin; or a part ended by a bug, which the log shows.
        """
        loaded, now = self._first.loaded, self._now
        agent, cluster = loaded.config.agent, loaded.config.cluster
        # The port comes first: nothing is touched where another sidecar is at work.
        with StatusServer(agent.address, agent.port, self._registry, ready=now.ready, alive=now.failed) as server:
            self._state.check_version()
            now.begin(loaded, now.parts(loaded.config))
            self._proving.begin(loaded)
            log.info("fluent-sidecar %s for cluster %s, metrics at port %d", __version__, cluster, server.port)
            if self._first.problem:
                self._telling.bad(self._first.kind, self._first.problem)
            self._check_running()
            self._loop()
            log.info("stopping")
            self._proving.stop()
            failed = now.failed()
            now.end()
        if failed:
            raise SidecarError(f"ended by a bug in: {', '.join(failed)}", hint="the log shows where; please report it")
        log.info("stopped")

    def _loop(self) -> None:
        polled = time.monotonic()
        while not (self._now.failed() or self._stopping.wait(_STEP_SECONDS)):
            if why := self._proving.failure():
                self._fall_back(why)
            if time.monotonic() - polled >= _POLL_SECONDS:
                found = self._file.poll()
                self._take(self._due() if found is None else found)
                polled = time.monotonic()

    def _due(self) -> str | None:
        """A text whose turn it is to be tried again."""
        if self._again is None or time.monotonic() < self._again[0]:
            return None
        return self._again[1]

    # A changed file

    def _take(self, found: str | ConfigError | None) -> None:
        if found is None:
            return
        self._again = None
        if isinstance(found, ConfigError):
            self._refuse("invalid", str(found))
        elif found == self._now.loaded.text:
            self._telling.valid()
        elif (known := self._bad.get(digest(found))) is not None:
            self._telling.bad("rejected", known)
        else:
            self._consider(found)

    def _consider(self, text: str) -> None:
        try:
            wanted = usable(text, self._name)
        except SidecarError as error:
            self._refuse("invalid", str(error))
            return
        present = self._now.loaded.config
        config, waiting = pinned(wanted.config, present)
        if waiting:
            self._telling.waiting(waiting)
        loaded = Loaded(text, config)
        if same(config, present):
            self._now.loaded = loaded
            self._proving.reworded(loaded)
            self._telling.valid()
            return
        try:
            self._change(loaded)
        except SidecarError as error:
            if not self._now.runs:
                raise
            # A Secret that isn't mounted yet, a full disk: what the file says may be right.
            self._again = (time.monotonic() + _AGAIN_SECONDS, text)
            self._refuse("failed", f"{self._name}: can't be applied, tried again every {_AGAIN_SECONDS:.0f} s: {error}")

    def _change(self, loaded: Loaded) -> None:
        began = time.monotonic()
        before, proven = self._now.loaded, self._proving.proven
        parts = self._now.parts(loaded.config)
        verdict: Verdict | None = None
        if self._has_fluent_bit:
            if not self._passes(loaded):
                return
            verdict = switch(parts[1], self._now.node, self._reloads)
            if verdict is Verdict.STOPPED:
                return
            if verdict and not verdict.well:
                self._reject(loaded, f"Fluent Bit does not work with it: {self._reloads.reason}; its log says why")
                return
        try:
            self._now.begin(loaded, parts)
        except SidecarError:
            self._now.begin(before, self._now.parts(before.config))
            self._now.node.load()
            raise
        self._proving.begin(loaded)
        if verdict is Verdict.DONE or (verdict is None and proven):
            self._proving.done()
        seconds = time.monotonic() - began
        self._telling.applied(f"{self._name} was changed, and is in force ({seconds:.1f} s after it was seen)")

    def _passes(self, loaded: Loaded) -> bool:
        """Whether a Fluent Bit starts with it, where one is at hand to try."""
        if shutil.which(_FLUENT_BIT) is None:
            return True
        try:
            verify(loaded.config, stop=self._stopping.is_set)
        except SidecarError as error:
            if not self._stopping.is_set():
                self._reject(loaded, str(error))
            return False
        return True

    def _refuse(self, result: str, why: str) -> str:
        text = f"{why}\n{_BEFORE}"
        self._telling.bad(result, text)
        return text

    def _reject(self, loaded: Loaded, why: str) -> None:
        text = self._refuse("rejected", f"{self._name}: {why}")
        self._bad = {loaded.digest: text}
        try:
            self._state.keep_rejected(loaded.digest, text)
        except OSError as error:
            log.warning("that it does not work can't be noted: %s", error)

    # What Fluent Bit does not work with

    def _check_running(self) -> None:
        """A Fluent Bit that was running before this sidecar reads what is new at once."""
        if not (self._has_fluent_bit and self._reloads.fluent_bit.is_running()):
            return
        verdict = self._now.node.load()
        if verdict is Verdict.DONE:
            self._proving.done()
        elif verdict and not verdict.well and verdict is not Verdict.STOPPED and not self._proving.proven:
            self._fall_back(f"Fluent Bit does not work with it: {self._reloads.reason}")

    def _fall_back(self, why: str) -> None:
        """To the last one that worked."""
        text, bad = self._state.good(), self._now.loaded
        if text is None or text == bad.text:
            log.error("%s: see its log; no other configuration is known that worked", why)
            self._proving.begin(bad)
            return
        try:
            config, _ = pinned(usable(text, "the last configuration that worked").config, bad.config)
            parts, good = self._now.parts(config), Loaded(text, config)
            switch(parts[1], self._now.node, self._reloads)
            self._now.begin(good, parts)
        except SidecarError as error:
            if not self._now.runs:
                raise
            log.error("%s, and the last configuration that worked can't be used: %s", why, error)  # noqa: TRY400 - no bug
            self._proving.begin(bad)
            return
        self._proving.begin(good)
        self._reject(bad, why)
