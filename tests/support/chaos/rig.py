"""A whole trial: an API server, two nodes with a sidecar and a Fluent Bit each, OpenSearch, and faults in between."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from sidecar.kube.lease import TROUBLE
from tests.support.apiserver import ApiServer
from tests.support.chaos.listener import Pipe
from tests.support.chaos.load import Load
from tests.support.chaos.score import Score, score
from tests.support.chaos.searchproxy import Mode, SearchProxy
from tests.support.kubeapi import Api
from tests.support.parts import Missing
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.waiting import unique_name, wait_until

_ROOT = Path(__file__).parents[3]
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
_JOURNAL_TMPFS = "24m"


@dataclass(frozen=True)
class Parts:
    """The real parts that a trial runs against."""

    opensearch: str
    server: ApiServer
    fluent_bit: Path


@dataclass(frozen=True)
class Setting:
    """What is special about a trial.

    Attributes:
        leases: The name of each node's Lease is a common one and this: another one a node, and each leads.
        tmpfs: Whether the first node's journal is on a small file system of its own.
        shifted: Whether the first node's sidecar has a wall clock that can be set back.
        alone: Whether all Events of the cluster are the trial's; else it collects those of its namespace only.
    """

    leases: tuple[str, str] = ("", "")
    tmpfs: bool = False
    shifted: bool = False
    alone: bool = False


class Node:
    """A sidecar and a Fluent Bit, with folders and ports of their own, behind a proxy to OpenSearch."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        parts: Parts,
        kubeconfig: Path,
        more: Mapping[str, Any],
        stack: ExitStack,
        processes: list[Process],
        shifted: bool,
    ) -> None:
        self.name = name
        self.folder = folder
        self.gone = False
        self.clock = folder.parent / f"{name}.set-back"
        """Where there is such a file, the wall clock is set back."""
        self.proxy = stack.enter_context(SearchProxy(parts.opensearch))
        self._program = parts.fluent_bit
        self._stack = stack
        self._processes = processes
        self._shifted = shifted
        folder.mkdir(parents=True)
        self.pipeline = Pipeline(
            folder,
            url=self.proxy.url,
            kubeconfig=kubeconfig,
            start_process=self._begin,
            more={**more, "opensearch": {"url": self.proxy.url}},
        )
        self.sidecar: Process
        self.shipper: Process

    def start_sidecar(self) -> None:
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.sidecar = self.pipeline.start_sidecar(env={**os.environ, "PYTHONPATH": path, "POD_NAME": self.name})

    def start_fluent_bit(self) -> None:
        self.shipper = self.pipeline.start_fluent_bit(self._program)

    def mount_journal(self) -> None:
        """Put the journal on a small file system of its own, before anything is started.

        Raises:
            Missing: This user may not mount one.
        """
        journal = Path(self.pipeline.layout.journal)
        journal.mkdir(parents=True)
        options = f"size={_JOURNAL_TMPFS},mode=2770"
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", journal], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            raise Missing("tmpfs", "no right to mount") from None
        self._stack.callback(lambda: subprocess.run(["umount", "--lazy", journal], check=False))

    @property
    def leads(self) -> bool:
        """Whether it runs, leads, and has a watch on events open."""
        return (
            not self.gone
            and self.sidecar.running
            and all(self.pipeline.metric(name) > 0 for name in ("sidecar_leader", "sidecar_events_watching"))
        )

    def kill(self, *processes: Process, pause: float) -> None:
        """A crash of these at once, and a start after `pause` seconds."""
        for process in processes:
            process.kill()
        time.sleep(pause)
        for process in processes:
            process.start()

    def vanish(self) -> None:
        """The node is lost, with all that it holds; it never comes back."""
        self.gone = True
        self.sidecar.kill()
        self.shipper.kill()
        shutil.rmtree(self.folder)

    def _begin(self, command: list[Any], *, name: str, env: Mapping[str, str] | None = None) -> Process:
        if self._shifted and command[1:3] == ["-m", "sidecar"]:
            command = [command[0], "-m", "tests.support.chaos.shifted", self.clock, *command[3:]]
        log = self.folder.parent / f"{self.name}-{name}.log"
        process = self._stack.enter_context(Process(command, log=log, env=env, name=f"{self.name}-{name}"))
        self._processes.append(process)
        return process


class Rig:
    """Everything of one trial; use it as a context manager.

    Args:
        folder: For everything that is written; must not be there.
        parts: What it runs against.
        rate: Writes a second while the load is on.
        workers: Threads that write.
        setting: What is special.

    Attributes:
        notes: What the row has measured, by what it is.
    """

    def __init__(self, folder: Path, parts: Parts, *, rate: float, workers: int, setting: Setting) -> None:
        self.folder = folder
        self.server = parts.server
        self.notes: dict[str, list[float]] = {}
        self.namespace = unique_name("chaos")
        self.lease = unique_name("lease")
        self._index = unique_name("events")
        self._control = unique_name("control-plane")
        self._setting = setting
        folder.mkdir(parents=True)
        self._stack = ExitStack()
        try:
            self._make(parts, rate, workers)
        except BaseException:
            self._stack.close()
            raise

    def _make(self, parts: Parts, rate: float, workers: int) -> None:
        stack, setting = self._stack, self._setting
        self._processes: list[Process] = []
        # Left last, when all that writes has ended.
        stack.enter_context(Answers(parts.opensearch, self._control))
        self._answers = stack.enter_context(Answers(parts.opensearch, self._index))
        self.api_proxy = stack.enter_context(Pipe(urlsplit(parts.server.url).port or 443))
        self.nodes = [
            Node(
                f"node-{number}",
                self.folder / f"node-{number}",
                parts=parts,
                kubeconfig=self._through_proxy(parts.server.kubeconfig),
                more=self._more(setting.leases[number]),
                stack=stack,
                processes=self._processes,
                shifted=setting.shifted and number == 0,
            )
            for number in range(2)
        ]
        self.load = Load(parts.server.kubeconfig, self.namespace, rate=rate, workers=workers)
        stack.callback(self.load.halt)

    @property
    def first(self) -> Node:
        """The node that is started first, and leads."""
        return self.nodes[0]

    @property
    def second(self) -> Node:
        return self.nodes[1]

    def _more(self, lease: str) -> dict[str, Any]:
        events: dict[str, Any] = {"index": self._index, "lease": f"{self.lease}{lease}"}
        if self._setting.tmpfs:
            events["journal"] = "16MiB"
        if not self._setting.alone:
            events["include"] = {"namespaces": [self.namespace]}
        return {
            "cluster": self._index,
            "events": events,
            "logs": {"enabled": False},
            "controlPlane": {"index": self._control},
        }

    def _through_proxy(self, kubeconfig: Path) -> Path:
        content = yaml.safe_load(kubeconfig.read_text())
        content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.api_proxy.port}"
        path = self.folder / "kubeconfig"
        path.touch(0o600)
        path.write_text(yaml.safe_dump(content))
        return path

    def start(self) -> None:
        """Start all: the first node leads, the second is there, the load is on."""
        if self._setting.tmpfs:
            self.first.mount_journal()
        self.first.start_sidecar()
        wait_until(lambda: self.first.leads, 30, "the first node leads")
        self.first.start_fluent_bit()
        self.second.start_sidecar()
        self.second.start_fluent_bit()
        self.load.start()
        wait_until(lambda: self._answers.count() > 0, 30, "events arrive")

    def leader(self, timeout: float = 60) -> Node:
        """The node that leads, once one does."""
        found = wait_until(self._leader, timeout, "a node leads", interval=0.2)
        assert found
        return found

    def _leader(self) -> Node | None:
        return next((node for node in self.nodes if node.leads), None)

    def leader_or(self, node: Node, timeout: float) -> Node:
        """The node that leads within some seconds; else the one given."""
        end = time.monotonic() + timeout
        while (found := self._leader()) is None and time.monotonic() < end:
            time.sleep(0.2)
        return found or node

    def order(self, mode: Mode, *, delay: tuple[float, float] = (0.0, 0.0)) -> None:
        """What happens from now on to all requests to OpenSearch."""
        for node in self.nodes:
            node.proxy.delay = delay
            node.proxy.mode = mode

    def opensearch_away(self, away: bool) -> None:
        for node in self.nodes:
            node.proxy.refuse(away)

    def done_to(self, what: str) -> int:
        """How often something was done to requests, by all proxies: see `SearchProxy.counts`."""
        return sum(node.proxy.counts[what] for node in self.nodes)

    def delete_lease(self) -> bool:
        """Delete the Lease; whether it was there."""
        api = Api(self.server.kubeconfig)
        try:
            return api.raw("DELETE", f"{_LEASES}/{self.lease}").status == 200
        finally:
            api.close()

    def trouble(self) -> str:
        """What the leader says on the Lease that keeps it from delivering; empty where nothing does."""
        api = Api(self.server.kubeconfig)
        try:
            annotations: dict[str, str] = api.get(f"{_LEASES}/{self.lease}")["metadata"].get("annotations", {})
        finally:
            api.close()
        return annotations.get(TROUBLE, "")

    def note(self, what: str, value: float) -> None:
        self.notes.setdefault(what, []).append(value)

    def metric(self, name: str) -> float:
        """The sum of a metric over the sidecars that run."""
        return sum(node.pipeline.metric(name) for node in self.nodes if not node.gone and node.sidecar.running)

    def documents(self) -> int:
        """How many documents are there."""
        return self._answers.count()

    def settle(self, seconds: float, linger: float) -> Score:
        """End the load, wait until nothing is missing, and a while more for what must not come; the score.

        Args:
            seconds: After so long with no new document what is missing is lost.
            linger: Seconds that a late second copy has.
        """
        self.load.stop()
        counted, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            if (now := self.documents()) != counted:
                counted, since = now, time.monotonic()
                # To count is cheap, to read is not: there can't be enough yet.
                if counted >= self.load.ledger.written * 0.5 and not self.score().missing:
                    break
            time.sleep(0.5)
        time.sleep(linger)
        self.documents()
        return self.score()

    def score(self) -> Score:
        """What is owed and found by now."""
        documents = (hit["_source"] for hit in self._answers.documents())
        return score(self.load.ledger, documents, self.namespace)

    def complaints(self) -> list[str]:
        """What went wrong beside the score."""
        found = [text for node in self.nodes for text in node.proxy.complaints]
        for node in self.nodes:
            processes = () if node.gone else (node.sidecar, node.shipper)
            found += [f"{process} by itself" for process in processes if not process.running]
            if "ended by a bug" in (log := node.folder.parent / f"{node.name}-sidecar.log").read_text():
                found.append(f"{node.name}: the sidecar ended by a bug, see {log}")
        return found

    def logs(self, lines: int = 15) -> str:
        """The last lines of all processes."""
        return "\n".join(process.tail(lines) for process in self._processes)

    def close(self) -> None:
        """End everything, and remove the indices."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
