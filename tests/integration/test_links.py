"""What a user is told when a link is broken, by real parts; and that `run` goes on until it is mended."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.apiserver import ApiServer
from tests.support.events import Truth, create_events
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.waiting import free_port, unique_name, wait_until


def _all_arrive_once(pipeline: Pipeline, namespace: str, truth: Truth, sidecar: Process) -> None:
    def wrong() -> tuple[list[str], list[str], list[str]]:
        return truth.compare([document["id"] for document in pipeline.documents(namespace)])

    wait_until(lambda: not wrong()[0], 60, lambda: f"all arrive; {sidecar}", interval=0.5)
    assert wrong() == ([], [], [])


def test_without_permission_to_list_events_it_says_so_and_goes_on_when_it_has_it(
    tmp_path: Path, opensearch_url: str, api_server: ApiServer, start_process: Callable[..., Process]
) -> None:
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    kubeconfig = api_server.kubeconfig_for("nobody", [leases])
    pipeline = Pipeline(tmp_path, url=opensearch_url, kubeconfig=kubeconfig, start_process=start_process)

    sidecar = pipeline.start_sidecar("--without-fluent-bit", "--log-format", "text")

    wait_until(lambda: "is forbidden" in sidecar.output(), 20, lambda: f"it says so; {sidecar}")
    assert "403 for /api/v1/events" in sidecar.output()
    assert "grant get, list and watch on events" in sidecar.output()
    namespace = unique_name("granted")
    truth = create_events(api_server.kubeconfig, namespace, 20)
    api_server.grant(
        "nobody", [leases, {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]}]
    )
    wait_until(
        lambda: len(pipeline.documents(namespace)) == len(truth.ids), 60, lambda: f"all arrive; {sidecar}", interval=0.5
    )
    pipeline.clean()


def test_events_wait_for_an_opensearch_that_is_away(
    tmp_path: Path, kubernetes_kubeconfig: Path, namespace: str, start_process: Callable[..., Process]
) -> None:
    pipeline = Pipeline(
        tmp_path,
        url=f"http://127.0.0.1:{free_port()}",
        kubeconfig=kubernetes_kubeconfig,
        start_process=start_process,
    )

    sidecar = pipeline.start_sidecar("--log-format", "text")
    create_events(kubernetes_kubeconfig, namespace, 50)

    wait_until(lambda: pipeline.metric("sidecar_events_journaled_total") >= 50, 30, "events are journaled all the same")
    assert "can't be reached" in sidecar.output()
    assert pipeline.get("/livez") == "ok\n"
    assert pipeline.metric("sidecar_events_confirmed_total") == 0
    assert sidecar.terminate(10) == 0


@pytest.mark.parametrize("compactions", [2])
def test_a_compacted_history_loses_nothing(
    tmp_path: Path, opensearch_url: str, api_server: ApiServer, start_process: Callable[..., Process], compactions: int
) -> None:
    pipeline = Pipeline(tmp_path, url=opensearch_url, kubeconfig=api_server.kubeconfig, start_process=start_process)
    sidecar = pipeline.start_sidecar("--without-fluent-bit")
    namespace = unique_name("compacted")
    truth = create_events(api_server.kubeconfig, namespace, 100)

    for number in range(1, compactions + 1):
        sidecar.kill()
        truth.update(create_events(api_server.kubeconfig, namespace, 100, first=100 * number))
        api_server.compact()
        sidecar.restart()
    truth.update(create_events(api_server.kubeconfig, namespace, 100, first=1000))

    _all_arrive_once(pipeline, namespace, truth, sidecar)
    wait_until(lambda: pipeline.metric("sidecar_events_lists_total") >= 1, 20, "the list is done")
    pipeline.clean()


def test_an_api_server_that_restarts_is_watched_again(
    tmp_path: Path, opensearch_url: str, api_server: ApiServer, start_process: Callable[..., Process]
) -> None:
    pipeline = Pipeline(tmp_path, url=opensearch_url, kubeconfig=api_server.kubeconfig, start_process=start_process)
    sidecar = pipeline.start_sidecar("--without-fluent-bit")
    namespace = unique_name("restarted")
    truth = create_events(api_server.kubeconfig, namespace, 50)

    api_server.restart_apiserver(kill=True)  # by SIGTERM it waits a minute for open watches
    truth.update(create_events(api_server.kubeconfig, namespace, 50, first=50, updates=lambda _number: 1))

    _all_arrive_once(pipeline, namespace, truth, sidecar)
    pipeline.clean()
