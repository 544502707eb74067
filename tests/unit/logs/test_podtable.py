import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sidecar.config import loads
from sidecar.config.model import Config
from sidecar.errors import SidecarError
from sidecar.kube import connect
from sidecar.kube.backoff import Backoff
from sidecar.logs import podtable
from sidecar.logs.metrics import LogMetrics
from sidecar.logs.podtable import PodTable, node_name
from tests.support.fakes.kubernetes import FakeKubernetes, failing, kubeconfig, line, listing, status_object, stream
from tests.support.fakes.server import says
from tests.support.waiting import wait_until

Json = dict[str, Any]


def config(folder: Path, logs: str = "{}") -> Config:
    paths = f"paths: {{logs: {folder}/pods, run: {folder}/run, state: {folder}/state}}"
    return loads(f"cluster: c1\nopensearch: {{url: http://localhost:9200}}\nlogs: {logs}\n{paths}\n")


def pod(name: str, version: int = 1, **metadata: Any) -> Json:
    return {
        "metadata": {"namespace": "ns", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version), **metadata}
    }


def bookmark(version: int) -> bytes:
    return line({"metadata": {"resourceVersion": str(version)}}, "BOOKMARK")


class Running:
    def __init__(self, folder: Path, table: PodTable, registry: CollectorRegistry, server: FakeKubernetes) -> None:
        self.file = folder / "run" / "pods.tsv"
        self.table, self.registry, self.server = table, registry, server

    def rows(self) -> list[str]:
        lines = self.file.read_text().splitlines() if self.file.exists() else [""]
        return [text.split("\t")[0] for text in lines[1:]]

    def wait(self, *names: str) -> None:
        wanted = [f"uid-{name}" for name in names]
        wait_until(lambda: self.rows() == wanted and self.file.exists(), 5, lambda: f"{wanted}, not {self.rows()}")

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"sidecar_log_{name}", labels) or 0


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    @contextmanager
    def start(server: FakeKubernetes, logs: str = "{}") -> Iterator[Running]:
        registry = CollectorRegistry()
        bugs: list[BaseException] = []

        def guarded(part: Callable[[], None]) -> None:
            try:
                part()
            except BaseException as error:  # noqa: BLE001 - the test's thread has to see it
                bugs.append(error)

        with server:
            api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
            table = PodTable(config(tmp_path, logs), api, "node-1", LogMetrics(registry))
            table._backoff = Backoff(first=0.05, most=0.1)
            threads = [threading.Thread(target=guarded, args=[part]) for part in (table.watch, table.keep_written)]
            for thread in threads:
                thread.start()
            try:
                yield Running(tmp_path, table, registry, server)
            finally:
                table.stop()
                for thread in threads:
                    thread.join(3)
                assert not any(thread.is_alive() for thread in threads)
                api.close()
        assert bugs == []

    return start


def test_the_pods_of_the_node_are_in_the_file(run: Callable[..., Any]) -> None:
    watch = stream(line(pod("b", 11)), line(pod("a", 12, labels={"x": "y"}), "MODIFIED"), bookmark(20))
    with run(FakeKubernetes([listing([pod("a")], 10)], [watch])) as running:
        running.wait("a", "b")
        wait_until(
            lambda: (
                running.file.read_text().endswith("x=y\nuid-b\tns\tb\tPod\tb\t-\t-\n")
                or "x=y" in running.file.read_text()
            ),
            3,
            "the label",
        )
        head = running.file.read_text().splitlines()[0].split("\t")
        assert (head[0], head[2]) == ("# fluent-sidecar pods 1", "node-1")
        assert running.table.ready.is_set()
        (asked,) = running.server.asked(watch=False)
        assert (asked["fieldSelector"], asked["resourceVersion"]) == ("spec.nodeName=node-1", "0")
        assert running.server.asked(watch=True)[0]["fieldSelector"] == "spec.nodeName=node-1"
        assert running.count("pods") == 2


def test_a_deleted_pod_stays_for_the_lines_that_are_read_later(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podtable, "_PRUNE_SECONDS", 0.05)
    folder = tmp_path / "pods" / "ns_a_uid-a"
    folder.mkdir(parents=True)
    watch = stream(line(pod("a", 11), "DELETED"), line(pod("b", 12), "DELETED"))
    with run(FakeKubernetes([listing([pod("a"), pod("b"), pod("c")], 10)], [watch])) as running:
        wait_until(lambda: running.count("pods") == 1, 3, "two are gone")
        running.wait("a", "b", "c")
        monkeypatch.setattr(podtable, "_KEPT_SECONDS", 0.0)
        running.wait("a", "c")
        folder.rmdir()
        running.wait("c")


def test_an_expired_watch_lists_again_and_a_broken_one_goes_on(run: Callable[..., Any]) -> None:
    watches = [
        stream(line(pod("b", 12)), then="cut"),
        stream(line(status_object(410), "ERROR")),
        stream(line(pod("d", 31))),
    ]
    lists = [listing([pod("a")], 10), listing([pod("c")], 30)]
    with run(FakeKubernetes(lists, watches)) as running:
        running.wait("a", "b", "c", "d")
        assert [asked["resourceVersion"] for asked in running.server.asked(watch=True)] == ["10", "12", "30"]
        assert running.count("pod_watch_ends_total", cause="expired") == 1
        assert running.count("pods") == 2


def test_an_outage_leaves_the_table_of_the_last_run(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pods.tsv").write_text("# fluent-sidecar pods 1\t1\tnode-1\nuid-old\tns\n")
    server = FakeKubernetes([failing(503), failing(403), says(200, b"<html>"), listing([pod("a")], 5)], [stream()])
    with run(server) as running:
        wait_until(lambda: len(server.asked(watch=False)) >= 3, 5, "three attempts")
        assert running.rows() in (["uid-old"], ["uid-a"])
        running.wait("a")
        assert running.count("pod_errors_total") == 3


def test_what_changes_no_row_writes_nothing(run: Callable[..., Any]) -> None:
    noise = [line({**pod("a", 20 + i), "status": {"i": i}}, "MODIFIED") for i in range(20)]
    with run(FakeKubernetes([listing([pod("a")], 10)], [stream(*noise, line(pod("b", 50)))])) as running:
        running.wait("a", "b")
        assert running.count("pod_table_writes_total") <= 2


def test_without_an_answer_it_is_ready_after_a_while(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podtable, "_READY_SECONDS", 0.5)
    with run(FakeKubernetes([failing(503)])) as running:
        assert running.table.ready.wait(5)
        assert not running.file.exists()


def test_from_the_path_alone_nobody_is_asked(run: Callable[..., Any]) -> None:
    with run(FakeKubernetes([failing(500)]), "{metadata: path}") as running:
        assert running.table.ready.wait(3)
        assert running.file.read_text().split("\t")[2] == "node-1\n"
        assert running.server.requests == []


def test_a_node_has_110_pods_or_500(run: Callable[..., Any]) -> None:
    names = sorted(f"p{i}" for i in range(500))
    with run(FakeKubernetes([listing([pod(name) for name in names], 10)], [stream()])) as running:
        running.wait(*names)


def test_the_nodes_name_is_asked_for_where_it_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match=r"NODE_NAME is not set.*spec\.nodeName"):
        node_name(config(tmp_path), {})
    assert node_name(config(tmp_path), {"NODE_NAME": "n"}) == "n"
    assert not node_name(config(tmp_path, "{metadata: path}"), {})
    assert not node_name(config(tmp_path, "{enabled: false}"), {})
