"""Pod logs that are written, rotated and shipped by all contestants, and what came of the lines."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.bench.peers.logs import ENTRIES
from tests.support.bench.peers.stage import Lane, Stage
from tests.support.kubeapi import Api
from tests.support.pipeline import NODE
from tests.support.podlogs.score import Count
from tests.support.podlogs.spec import Log, Spec
from tests.support.podlogs.truth import Truth
from tests.support.process import Process

_NAMESPACE = "shop"
_PODS = 4
_CALM = 100.0
"""Seconds without a new document after which none is held back by a timer any more: 90 s, at most."""
_WRITING_SECONDS = 120.0


@dataclass(frozen=True)
class Outcome:
    """What came of one in one scenario.

    Attributes:
        sent: Lines that were written, of those that can be told apart.
        missing: Of those, not found when it was looked for.
        twice: Found more often than they were written.
        damaged: Documents that hold less or more than one record's text.
        documents: As many as it made of the lines.
        speed: Lines found a second, from its start or the first line until its last document came.
        late: Seconds from the last line until its last document came.
        cpu: CPU seconds for a GB of files.
        memory: MiB at most, since its start.
        ends: How often a process of it ended by itself.
    """

    name: str
    sent: int
    missing: int
    twice: int
    damaged: int
    documents: int
    speed: float
    late: float
    cpu: float
    memory: float
    ends: int


class LogStage(Stage):
    """A stage with a node's files.

    Args:
        folder: For everything; made.
        opensearch: Its URL.
        fluent_bit: The program.
        names: The contestants.
    """

    def __init__(self, folder: Path, opensearch: str, fluent_bit: Path, names: list[str]) -> None:
        super().__init__(folder, opensearch, fluent_bit)
        self._names = names
        self._node = folder / "node"
        (self._node / "pods").mkdir(parents=True)
        (self._node / "containers").mkdir()
        try:
            self._logs = self._make_pods()
        except BaseException:
            self.stack.close()
            raise

    def backlog(self, size: int, *, patience: float, stall: float) -> list[Outcome]:
        """All is written before they are started: how fast it is shipped."""
        truth = self._read(self._write(Spec("", "", self._logs, size=size)))
        began = time.monotonic()
        self._start()
        return self._finish(truth, began, began, patience, stall)

    def play(
        self, spec: dict[str, Any], act: Callable[["LogStage"], None], *, patience: float, stall: float
    ) -> list[Outcome]:
        """Write while `act` does what it does, wait, and count.

        Args:
            spec: More of the generator's `Spec`.
            act: Ends when enough is written.
            patience: Seconds after the last line after which what has not come is missing.
            stall: ... and seconds without anything new from anyone that is still owed something.
        """
        self._start()
        self.mark()
        began = time.monotonic()
        generator = self._write(Spec("", "", self._logs, **spec))
        act(self)
        generator.terminate(60)
        ended = time.monotonic()
        return self._finish(self._read(generator), began, ended, patience, stall)

    def _start(self) -> None:
        for name in self._names:
            self.enter(partial(ENTRIES[name].start, node=self._node))

    def _make_pods(self) -> list[Log]:
        """Pods of the node that the API server knows, and whose files are written."""
        api = Api(self.server.kubeconfig)
        api.ensure_namespace(_NAMESPACE)
        spec = {"nodeName": NODE, "containers": [{"name": "app", "image": "shop/web:1.4"}]}
        labels = {"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop"}
        logs = []
        for number in range(_PODS):
            name = f"web-7d4b9c6f5-x{number:03d}z"
            body = {"metadata": {"name": name, "labels": labels}, "spec": spec}
            made = api.request("POST", f"/api/v1/namespaces/{_NAMESPACE}/pods", body)
            logs.append(Log(key=f"c{number}", namespace=_NAMESPACE, pod=name, uid=made["metadata"]["uid"]))
        api.close()
        return logs

    def _write(self, spec: Spec) -> Process:
        """Start the generator; one that writes a size has ended when this returns."""
        spec.root, spec.truth = str(self._node / "pods"), str(self.folder / "truth")
        file = self.folder / "spec.json"
        spec.save(file)
        command: list[str | Path] = [sys.executable, "-m", "tests.support.podlogs.generate", file]
        generator = self.stack.enter_context(Process(command, log=self.folder / "generator.log", name="generator"))
        if spec.size:
            assert generator.wait(_WRITING_SECONDS) == 0, generator.tail()
        return generator

    def _read(self, generator: Process) -> Truth:
        assert generator.returncode == 0, generator.tail()
        return Truth.read(self.folder / "truth")

    def _finish(self, truth: Truth, began: float, ended: float, patience: float, stall: float) -> list[Outcome]:
        owed = [truth.documents if ENTRIES[name].joined else truth.lines for name in self._names]
        self.settle(owed, patience, stall)
        self.calm(_CALM, patience)
        return [self._judge(lane, truth, began, ended) for lane in self.lanes]

    def _judge(self, lane: Lane, truth: Truth, began: float, ended: float) -> Outcome:
        documents = lane.answers.count()
        count = Count(truth, joined=ENTRIES[lane.contestant.name].joined)
        for hit in lane.answers.documents("log"):
            count.add(hit["_source"].get("log", ""))
        score = count.score()
        if ENTRIES[lane.contestant.name].joined and not score.perfect:
            print(score.details(), flush=True)  # of our own it is to be found out
        return Outcome(
            name=lane.contestant.name,
            sent=score.sent,
            missing=score.missing,
            twice=score.twice,
            damaged=score.damaged,
            documents=documents,
            speed=round(score.found / (lane.moved - began), 1) if lane.moved > began else 0.0,
            late=lane.late(ended),
            cpu=round(lane.cost / truth.bytes * 1e9, 1),
            memory=lane.memory,
            ends=lane.contestant.ends,
        )
