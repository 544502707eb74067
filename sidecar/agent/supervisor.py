"""`sidecar run`: starts and ends what runs for a configuration, and takes up a changed one without a new pod.

A configuration is *proven* once Fluent Bit has run with it. One that isn't is watched, and if Fluent Bit does not
come up or stay up with it, the last proven one comes back.
"""

import logging
import shutil
import threading
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Info, disable_created_metrics

from sidecar import __version__, opensearch
from sidecar.agent.carry import Carried
from sidecar.agent.configfile import ConfigFile, Loaded, digest, pinned, same
from sidecar.agent.first import First, usable
from sidecar.agent.http import StatusServer
from sidecar.agent.laststate import LastState
from sidecar.agent.node import Node
from sidecar.agent.opens import Opens
from sidecar.agent.probation import Probation
from sidecar.agent.reloads import Reloads
from sidecar.agent.run import Agent
from sidecar.agent.switch import switch
from sidecar.agent.telling import Telling
from sidecar.agent.trial import verify
from sidecar.agent.verdict import Verdict
from sidecar.config import Config
from sidecar.errors import ConfigError, SidecarError
from sidecar.kube import ApiServer
from sidecar.kube.podevents import PodEvents
from sidecar.opensearch import Client
from sidecar.render.layout import Layout

log = logging.getLogger(__name__)

_STEP_SECONDS = 0.1
_POLL_SECONDS = 1.0
_AGAIN_SECONDS = 30.0
_FLUENT_BIT = "fluent-bit"
UNUSED = "this version makes nothing of it"


class Supervisor:
    """Runs the agent of one configuration after the other.

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
        self._api = api
        self._stopping = stopping
        self._has_fluent_bit = fluent_bit
        self._file = ConfigFile(file, first.text)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        Info("sidecar_build", "Version.", registry=self._registry).info({"version": __version__})
        self._carried = Carried()
        self._registry.register(self._carried)
        self._telling = Telling(PodEvents(api), self._registry)
        config = first.loaded.config
        self._reloads = Reloads(config.fluentbit.port, registry=self._registry, stopping=stopping)
        self._state = LastState(config)
        self._bad = self._state.rejected()
        self._present = first.loaded
        self._agent: Agent | None = None
        self._node: Node | None = None
        self._probation: Probation | None = None
        self._opens: Opens | None = None
        self._was_ready = False
        self._again: tuple[float, str] | None = None

    def run(self) -> None:
        """Run until `stopping` is set.

        Raises:
            SidecarError: It can't begin; or a part ended by a bug, which the log shows.
        """
        first = self._first
        agent = first.loaded.config.agent
        # The port comes first: nothing is touched where another sidecar is at work.
        with StatusServer(agent.address, agent.port, self._registry, ready=self._ready, alive=self._failed) as server:
            self._state.check_version()
            self._begin(first.loaded, *self._parts(first.loaded.config))
            cluster = first.loaded.config.cluster
            log.info("fluent-sidecar %s for cluster %s, metrics at port %d", __version__, cluster, server.port)
            if first.problem:
                self._telling.bad(first.kind, first.problem)
            self._check_running()
            self._loop()
            log.info("stopping")
            self._stop_watching()
            if self._agent:
                self._agent.end()
        if self._failed():
            raise SidecarError(
                f"ended by a bug in: {', '.join(self._failed())}", hint="the log shows where; please report it"
            )
        log.info("stopped")

    def _ready(self) -> bool:
        # Once it was, a change of the configuration is no reason to take the pod out of anything.
        self._was_ready = self._was_ready or (self._agent is not None and self._agent.ready())
        return self._was_ready

    def _failed(self) -> list[str]:
        return list(self._agent.failed) if self._agent else []

    def _loop(self) -> None:
        polled = time.monotonic()
        while not (self._failed() or self._stopping.wait(_STEP_SECONDS)):
            self._watch()
            if time.monotonic() - polled >= _POLL_SECONDS:
                found = self._file.poll()
                self._take(found if found is not None else self._due())
                polled = time.monotonic()

    def _due(self) -> str | None:
        """A text whose turn it is to be tried again."""
        if self._again is None or time.monotonic() < self._again[0]:
            return None
        text, self._again = self._again[1], None
        return text

    # What is in force

    def _parts(self, config: Config) -> tuple[Client, Node]:
        client = opensearch.connect(config)
        return client, Node(config, client.access, self._reloads)

    def _begin(self, loaded: Loaded, client: Client, node: Node) -> None:
        for key in loaded.config.unused():
            log.warning("%s: %s", key, UNUSED)
        agent = Agent(loaded.config, self._api, client, node, self._reloads, fluent_bit=self._has_fluent_bit)
        self._carried.follow(agent.registry)
        agent.start()
        self._agent, self._node, self._present = agent, node, loaded
        self._watch_if_new()

    def _exchange(self, loaded: Loaded, client: Client, node: Node) -> None:
        """End what runs, and begin anew; the port stays open, the counters go on, and the Lease is given up between.

        Raises:
            SidecarError: It can't begin.
        """
        self._stop_watching()
        if self._agent:
            self._agent.end()
            self._agent = None
        self._begin(loaded, client, node)

    # A changed file

    def _take(self, found: str | ConfigError | None) -> None:
        if found is None:
            return
        self._again = None
        if isinstance(found, ConfigError):
            self._refuse("invalid", str(found))
        elif found == self._present.text:
            self._telling.valid()
        elif (known := self._bad.get(digest(found))) is not None:
            self._refuse("rejected", known)
        else:
            self._consider(found)

    def _refuse(self, result: str, why: str) -> None:
        self._telling.bad(result, f"{why}\nThe configuration before it stays in force.")

    def _consider(self, text: str) -> None:
        try:
            wanted = usable(text, self._name)
            config, waiting = pinned(wanted.config, self._present.config)
        except SidecarError as error:
            self._bad = {digest(text): str(error)}
            self._refuse("invalid", str(error))
            return
        if waiting:
            self._telling.waiting(waiting)
        loaded = Loaded(text, config)
        if same(config, self._present.config):
            self._present = loaded
            self._keep_if_proven()
            self._telling.valid()
            return
        try:
            self._change(loaded)
        except SidecarError as error:
            # A Secret that isn't mounted yet, a full disk: what the file says may be right.
            self._again = (time.monotonic() + _AGAIN_SECONDS, text)
            self._refuse("failed", f"{self._name}: can't be applied, tried again every {_AGAIN_SECONDS:.0f} s: {error}")

    def _change(self, loaded: Loaded) -> None:
        assert self._node is not None
        began = time.monotonic()
        before, old = self._present, self._node
        proven = self._probation is None
        client, node = self._parts(loaded.config)
        verdict: Verdict | None = None
        if self._has_fluent_bit:
            if not self._passes(loaded):
                return
            verdict = switch(node, old, self._reloads)
            if verdict is Verdict.STOPPED:
                return
            if verdict and not verdict.well:
                self._reject(loaded, f"Fluent Bit does not work with it: {self._reloads.reason}")
                return
        try:
            self._exchange(loaded, client, node)
        except SidecarError:
            client, node = self._parts(before.config)
            self._exchange(before, client, node)
            node.load()
            raise
        if not self._has_fluent_bit or verdict is Verdict.DONE or (verdict is None and proven):
            self._prove()
        seconds = time.monotonic() - began
        self._telling.applied(f"{self._name} was changed, and is in force ({seconds:.1f} s after it was seen)")

    def _passes(self, loaded: Loaded) -> bool:
        """Whether a Fluent Bit starts with it, where one is at hand to try."""
        if shutil.which(_FLUENT_BIT) is None:
            return True
        try:
            verify(loaded.config)
        except SidecarError as error:
            self._bad = {loaded.digest: str(error)}
            self._refuse("rejected", f"{self._name}: {error}")
            return False
        return True

    def _reject(self, loaded: Loaded, why: str) -> None:
        text = f"{self._name}: {why}"
        self._bad = {loaded.digest: text}
        try:
            self._state.keep_rejected(loaded.digest, text)
        except OSError as error:
            log.warning("that it does not work can't be noted: %s", error)
        self._refuse("rejected", text)

    # Whether it works

    def _prove(self) -> None:
        self._stop_watching()
        self._keep_if_proven()

    def _keep_if_proven(self) -> None:
        if self._probation is not None:
            return
        try:
            self._state.keep_good(self._present.text)
        except OSError as error:
            log.warning("the configuration that works can't be kept for the next start: %s", error)

    def _watch_if_new(self) -> None:
        if not self._has_fluent_bit:
            self._keep_if_proven()
        elif self._state.good() != self._present.text:
            self._probation = Probation()
            self._opens = Opens(Path(Layout.of(self._present.config).fluent_bit_file))

    def _stop_watching(self) -> None:
        self._probation = None
        if self._opens:
            self._opens.close()
            self._opens = None

    def _watch(self) -> None:
        if self._probation is None:
            return
        read = self._opens is not None and self._opens.seen()
        self._probation.take(time.monotonic(), self._reloads.fluent_bit.look(), read=read)
        if self._probation.well:
            self._prove()
        elif self._probation.well is False:
            self._fall_back(self._probation.reason)

    def _check_running(self) -> None:
        """A Fluent Bit that was running before this sidecar reads what is new at once."""
        if self._node and self._has_fluent_bit and self._reloads.fluent_bit.is_running():
            verdict = self._node.load()
            if verdict is Verdict.DONE:
                self._prove()
            elif verdict and not verdict.well and verdict is not Verdict.STOPPED and self._probation:
                self._fall_back(f"Fluent Bit does not work with it: {self._reloads.reason}")

    def _fall_back(self, why: str) -> None:
        """To the last proven one."""
        self._stop_watching()
        text, bad = self._state.good(), self._present
        if text is None or text == bad.text:
            log.error("%s, and no other configuration is known that worked: see its log", why)
            self._probation = Probation()
            return
        try:
            good = usable(text, "the last configuration that worked")
            config, _ = pinned(good.config, bad.config)
            client, node = self._parts(config)
            assert self._node is not None
            switch(node, self._node, self._reloads)
            self._exchange(Loaded(text, config), client, node)
        except SidecarError as error:
            log.error("%s, and the last configuration that worked can't be used: %s", why, error)  # noqa: TRY400 - no bug
            return
        self._reject(bad, why)
