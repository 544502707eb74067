"""`sidecar run`: what pipeline.yaml says runs, and a changed one is taken up, until a signal or a bug ends it."""

import logging
import threading
import time

from prometheus_client import CollectorRegistry, Info, disable_created_metrics

from sidecar import __version__
from sidecar.agent.carry import Carried
from sidecar.agent.changes import Changes
from sidecar.agent.configfile import ConfigFile
from sidecar.agent.first import First
from sidecar.agent.http import StatusServer
from sidecar.agent.inforce import InForce
from sidecar.agent.laststate import LastState
from sidecar.agent.reloads import Reloads
from sidecar.agent.telling import Telling
from sidecar.errors import SidecarError
from sidecar.kube import ApiServer
from sidecar.kube.podevents import PodEvents

log = logging.getLogger(__name__)

_STEP_SECONDS = 0.1
_POLL_SECONDS = 1.0


class Supervisor:
    """Runs what one configuration after the other says.

    Args:
        file: Path of pipeline.yaml.
        first: What to begin with.
        api: The API server.
        stopping: Set by whoever wants `run` to end, within some seconds.
        fluent_bit: Whether there is a Fluent Bit.
    """

    def __init__(
        self, file: str, first: First, api: ApiServer, *, stopping: threading.Event, fluent_bit: bool = True
    ) -> None:
        self._first = first
        self._stopping = stopping
        self._file = ConfigFile(file, first.text)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        Info("sidecar_build", "Version.", registry=self._registry).info({"version": __version__})
        carried = Carried()
        self._registry.register(carried)
        config = first.loaded.config
        reloads = Reloads(config.fluentbit.port, registry=self._registry, stopping=stopping)
        self._state = LastState(config)
        self._now = InForce(api, reloads, carried, fluent_bit=fluent_bit)
        self._changes = Changes(
            file,
            self._now,
            Telling(PodEvents(api), self._registry),
            self._state,
            reloads if fluent_bit else None,
            stopping=stopping,
        )

    def run(self) -> None:
        """Run until `stopping` is set.

        Raises:
            SidecarError: It can't begin; or a part ended by a bug, which the log shows.
        """
        now, config = self._now, self._first.loaded.config
        address, port = config.agent.address, config.agent.port
        # The port comes first: nothing is touched where another sidecar is at work.
        with StatusServer(address, port, self._registry, ready=now.ready, alive=now.failed) as server:
            self._state.check_version()
            self._changes.start(self._first)
            self._state.note_version()
            log.info("fluent-sidecar %s for cluster %s, metrics at port %d", __version__, config.cluster, server.port)
            self._changes.check_running()
            self._loop()
            log.info("stopping")
            self._changes.proving.stop()
            failed = now.failed()
            now.end()
        if failed:
            raise SidecarError(f"ended by a bug in: {', '.join(failed)}", hint="the log shows where; please report it")
        log.info("stopped")

    def _loop(self) -> None:
        polled = time.monotonic()
        while not (self._now.failed() or self._stopping.wait(_STEP_SECONDS)):
            if why := self._changes.proving.failure():
                self._changes.fall_back(why)
            if time.monotonic() - polled >= _POLL_SECONDS:
                found = self._file.poll()
                if found is not None:
                    self._changes.take(found)
                else:
                    self._changes.try_again()
                polled = time.monotonic()
