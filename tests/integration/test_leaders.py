"""Two sidecars of one cluster: one watches, and the other goes on where it ends. Takeovers are in the chaos suite."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sidecar.agent.leader import POSITION
from sidecar.kube import connect
from tests.support.chaos.listener import Pipe
from tests.support.events import Truth, create_events
from tests.support.kubeapi import Api
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.waiting import unique_name, wait_until

EVENTS, BATCHES = 300, 12
HAND_OVER_SECONDS = 10


class Sidecar:
    """A sidecar that sends its events itself, to OpenSearch through a pipe of its own.

    Attributes:
        identity: What it calls itself on the Lease.
    """

    def __init__(self, pipe: Pipe, pipeline: Pipeline) -> None:
        self.pipe = pipe
        self.pipeline = pipeline
        self.process = pipeline.start_sidecar("--without-fluent-bit")
        self.identity = Path(pipeline.layout.journal, "identity").read_text()

    @property
    def leads(self) -> bool:
        return self.pipeline.metric("sidecar_leader") == 1

    def __repr__(self) -> str:
        return self.process.tail(15)


class Pair:
    """Two sidecars around one Lease, and what was written in their namespace."""

    def __init__(self, sidecars: list[Sidecar], lease: str, answers: Answers) -> None:
        self.sidecars = sidecars
        self._lease = lease
        self._answers = answers
        self.truth = Truth()

    def leader(self) -> tuple[Sidecar, Sidecar]:
        """The one that leads, and the other."""
        wait_until(lambda: any(each.leads for each in self.sidecars), 40, lambda: f"one leads; {self.sidecars}")
        first, second = sorted(self.sidecars, key=lambda each: not each.leads)
        assert not second.leads
        return first, second

    def write(self, kubeconfig: Path, namespace: str, seconds: float = 0) -> None:
        """Write Events, every third of which is updated, over some time."""
        for _ in range(BATCHES):
            began = time.monotonic()
            self.truth.update(
                create_events(
                    kubeconfig, namespace, EVENTS // BATCHES, first=len(self.truth.versions), workers=2,
                    updates=lambda number: int(number % 3 == 0),
                )
            )  # fmt: skip
            time.sleep(max(seconds / BATCHES - (time.monotonic() - began), 0))

    def annotations(self, kubeconfig: Path) -> dict[str, str]:
        return dict(self.lease(kubeconfig)["metadata"].get("annotations", {}))

    def lease(self, kubeconfig: Path) -> Any:
        api = Api(kubeconfig)
        try:
            return api.get(self._lease)
        finally:
            api.close()

    def check(self, seconds: float) -> str:
        """Wait until no version is missing; none is there twice, and no gap was told."""

        def missing() -> list[str]:
            return self.truth.compare(hit["_id"] for hit in self._answers.documents())[0]

        def complete() -> bool:
            return self._answers.count() >= len(self.truth.ids) and not missing()

        wait_until(complete, seconds, lambda: f"missing {missing()[:5]}; {self.sidecars}", interval=0.5)
        found = [hit["_id"] for hit in self._answers.documents()]
        assert self.truth.compare(found) == ([], [], []), "twice, or what nobody wrote, such as a gap"
        return f"owed {len(self.truth.ids)}, found {len(found)}"


@pytest.fixture
def pair(
    tmp_path: Path,
    opensearch_url: str,
    kubernetes_kubeconfig: Path,
    namespace: str,
    start_process: Callable[..., Process],
) -> Iterator[Pair]:
    address = urlsplit(opensearch_url)
    events = {
        "index": unique_name("events"), "lease": unique_name("sidecar"), "include": {"namespaces": [namespace]}
    }  # fmt: skip
    same = {
        "cluster": unique_name("cluster"),
        "events": events,
        "logs": {"index": unique_name("logs")},
        "controlPlane": {"index": unique_name("control-plane")},
    }
    access = connect(kubeconfig=str(kubernetes_kubeconfig))
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{access.namespace}/leases/{events['lease']}"
    access.close()
    with ExitStack() as stack:
        answers = stack.enter_context(Answers(opensearch_url, str(events["index"])))
        stack.callback(_delete, kubernetes_kubeconfig, lease)
        sidecars: list[Sidecar] = []
        for name in "ab":
            folder = tmp_path / name
            folder.mkdir()
            pipe = stack.enter_context(Pipe(address.port or 80))
            pipeline = Pipeline(
                folder,
                url=f"http://127.0.0.1:{pipe.port}",
                kubeconfig=kubernetes_kubeconfig,
                start_process=partial(_start, start_process, name),
                more=same,
            )
            if not sidecars:
                stack.callback(pipeline.clean)
            sidecars.append(Sidecar(pipe, pipeline))
            stack.callback(sidecars[-1].process.close)
        yield Pair(sidecars, lease, answers)
        for sidecar in sidecars:
            sidecar.process.close()
            sidecar.pipe.refuse(False)


def _start(start: Callable[..., Process], letter: str, command: Any, *, name: str, env: Any) -> Process:
    """With a log of its own."""
    return start(command, name=f"{name}-{letter}", env=env)


def _delete(kubeconfig: Path, path: str) -> None:
    api = Api(kubeconfig)
    api.raw("DELETE", path)
    api.close()


def test_a_leader_that_ends_hands_over_and_nothing_is_missing_or_twice(
    pair: Pair, kubernetes_kubeconfig: Path, namespace: str, record_property: Callable[[str, object], None]
) -> None:
    first, second = pair.leader()
    writer = threading.Thread(target=pair.write, args=(kubernetes_kubeconfig, namespace, 12))
    writer.start()
    wait_until(lambda: first.pipeline.metric("sidecar_events_confirmed_total") > 0, 20, lambda: f"it delivers; {first}")
    wait_until(lambda: POSITION in pair.annotations(kubernetes_kubeconfig), 10, lambda: f"it says up to where; {first}")

    began = time.monotonic()
    assert first.process.terminate(5) == 0
    wait_until(lambda: second.leads, HAND_OVER_SECONDS, lambda: f"the other leads; {second}")
    seconds = time.monotonic() - began

    assert writer.is_alive(), "all was written before; the test shows nothing"
    writer.join()
    found = pair.check(30)
    record_property("handed over", f"after {seconds:.1f} s, {found}")
    assert pair.lease(kubernetes_kubeconfig)["spec"]["holderIdentity"].endswith(second.identity)
    assert second.pipeline.metric("sidecar_events_confirmed_total") > 0
