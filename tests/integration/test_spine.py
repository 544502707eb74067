"""Events through the real thing: API server, sidecar, Fluent Bit, OpenSearch - and SIGKILL."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from tests.support.events import Truth, create_events
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.waiting import wait_until

EVENTS, UPDATED, UPDATES = 5000, 1000, 3


@pytest.fixture
def pipeline(
    tmp_path: Path, opensearch_url: str, kubernetes_kubeconfig: Path, start_process: Callable[..., Process]
) -> Iterator[Pipeline]:
    made = Pipeline(tmp_path, url=opensearch_url, kubeconfig=kubernetes_kubeconfig, start_process=start_process)
    yield made
    made.clean()


def _arrived(pipeline: Pipeline, namespace: str, truth: Truth, seconds: float) -> list[str]:
    """The ids that OpenSearch holds, once none is missing."""

    def found() -> list[str] | None:
        ids = [document["id"] for document in pipeline.documents(namespace)]
        return ids if not truth.compare(ids)[0] else None

    def state() -> str:
        missing, twice, _ = truth.compare([document["id"] for document in pipeline.documents(namespace)])
        return f"all events arrive; missing {len(missing)}, for example {missing[:3]}; twice {len(twice)}"

    return wait_until(found, seconds, state, interval=0.5) or []


def test_every_version_arrives_once_although_both_are_killed_twice(
    pipeline: Pipeline,
    kubernetes_kubeconfig: Path,
    namespace: str,
    fluent_bit: Path,
    record_property: Callable[[str, object], None],
) -> None:
    sidecar = pipeline.start_sidecar()
    shipper = pipeline.start_fluent_bit(fluent_bit)
    truth = Truth()

    def write() -> None:
        truth.update(
            create_events(kubernetes_kubeconfig, namespace, EVENTS, updates=lambda number: UPDATES * (number < UPDATED))
        )

    writer = threading.Thread(target=write)
    writer.start()
    kills = 0
    for process in (sidecar, shipper, sidecar, shipper):
        time.sleep(1.5)
        assert writer.is_alive(), "the events were written before the last kill; the test shows nothing"
        process.kill()
        kills += 1
        time.sleep(0.3)
        process.restart()
    writer.join()

    ids = _arrived(pipeline, namespace, truth, 120)
    missing, twice, unknown = truth.compare(ids)
    record_property(
        "events", f"owed {len(truth.ids)}, found {len(ids)}, missing {len(missing)}, twice {len(twice)}, kills {kills}"
    )
    assert len(truth.ids) == EVENTS + UPDATED * UPDATES
    assert (missing, twice, unknown) == ([], [], [])
    assert pipeline.metric("sidecar_events_dead_lettered_total") == 0


def test_without_fluent_bit_the_sidecar_sends_the_same_documents(
    tmp_path: Path,
    opensearch_url: str,
    kubernetes_kubeconfig: Path,
    start_process: Callable[..., Process],
    namespace: str,
    fluent_bit: Path,
) -> None:
    truth = create_events(kubernetes_kubeconfig, namespace, 300, updates=lambda number: number % 2)
    held = []
    for name in ("shipped", "sent"):
        folder = tmp_path / name
        folder.mkdir()
        pipeline = Pipeline(
            folder, url=opensearch_url, kubeconfig=kubernetes_kubeconfig, start_process=start_process,
            more={"cluster": "same"},
        )  # fmt: skip
        sidecar = pipeline.start_sidecar(*(["--without-fluent-bit"] if name == "sent" else []))
        shipper = pipeline.start_fluent_bit(fluent_bit) if name == "shipped" else None
        wait_until(lambda: len(pipeline.documents(namespace)) >= len(truth.last_ids), 60, "all are there", interval=0.5)  # noqa: B023 - asked at once
        assert pipeline.metric("sidecar_events_resent_total") == (
            0 if shipper else pipeline.metric("sidecar_events_confirmed_total")
        )
        sidecar.terminate(10)
        if shipper:
            shipper.terminate(10)
        documents = {document["id"]: {**document, "index": ""} for document in pipeline.documents(namespace)}
        assert documents.keys() == truth.last_ids
        held.append(documents)
        pipeline.clean()

    assert held[0] == held[1]


def test_it_stops_within_five_seconds_and_leaves_nothing_half_written(
    pipeline: Pipeline, kubernetes_kubeconfig: Path, namespace: str
) -> None:
    sidecar = pipeline.start_sidecar()
    writer = threading.Thread(target=create_events, args=(kubernetes_kubeconfig, namespace, 1000))
    writer.start()
    wait_until(lambda: pipeline.metric("sidecar_events_journaled_total") > 100, 30, "events are journaled")

    began = time.monotonic()
    code = sidecar.terminate(10)
    seconds = time.monotonic() - began

    writer.join()
    assert code == 0
    assert seconds < 5, f"it took {seconds:.1f} s"
    for segment in Path(pipeline.layout.journal).glob("*.jsonl"):
        content = segment.read_bytes()
        assert content.endswith(b"\n")
        assert all(orjson.loads(line)["id"] for line in content.splitlines())
