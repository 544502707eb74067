"""What integration tests share."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.aws import Aws, aws
from tests.support.kubeapi import Api
from tests.support.parts import MARKERS
from tests.support.podlogs.rows import ROWS, SHORT, TRIED, Result, measure
from tests.support.waiting import unique_name
from tests.support.workers import is_worker


@pytest.fixture
def namespace(kubernetes_kubeconfig: Path) -> Iterator[str]:
    """The name of a namespace for this test alone; it is deleted in the end, for the cluster may be somebody's own."""
    name = unique_name("test")
    yield name
    api = Api(kubernetes_kubeconfig)
    api.raw("DELETE", f"/api/v1/namespaces/{name}")
    api.close()


LOG_ROWS_AT_A_TIME = 4
"""Mostly they wait, and other tests run beside them."""


@pytest.fixture(scope="session")
def log_results(
    request: pytest.FixtureRequest, fluent_bit: Path, opensearch_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Result]]]:
    """What comes of every row of pod logs that was selected; all are begun at once."""
    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    selected = {params["log_row"] for params in calls if "log_row" in params}
    os.umask(0o027)
    with ThreadPoolExecutor(LOG_ROWS_AT_A_TIME) as pool:
        begun = {
            name: pool.submit(
                measure,
                ROWS[name],
                SHORT,
                tmp_path_factory.mktemp(name) / "row",
                fluent_bit,
                opensearch=opensearch_url if ROWS[name].indexed else "",
            )
            for name in TRIED
            if name in selected
        }
        yield begun
        for future in begun.values():
            future.cancel()


@pytest.fixture(autouse=True)
def _begin_log_rows(request: pytest.FixtureRequest) -> None:
    """Let the rows of pod logs, which wait for timers, run beside the other tests with real parts."""
    if is_worker(request.config) and "log_results" not in request.fixturenames:
        return  # they may be another process's
    if set(MARKERS.values()) & {marker.name for marker in request.node.iter_markers()}:
        try:
            request.getfixturevalue("log_results")
        except pytest.skip.Exception:
            return  # the tests that are about them say what is missing


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """AWS, played by a moto server; tests take parameters of their own."""
    with aws(tmp_path_factory.mktemp("aws")) as server:
        yield server
