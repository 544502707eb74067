"""What integration tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws import Aws, aws
from tests.support.kubeapi import Api
from tests.support.waiting import unique_name


@pytest.fixture
def namespace(kubernetes_kubeconfig: Path) -> Iterator[str]:
    """The name of a namespace for this test alone; it is deleted in the end, for the cluster may be somebody's own."""
    name = unique_name("test")
    yield name
    api = Api(kubernetes_kubeconfig)
    api.raw("DELETE", f"/api/v1/namespaces/{name}")
    api.close()


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """AWS, played by a moto server; tests take parameters of their own."""
    with aws(tmp_path_factory.mktemp("aws")) as server:
        yield server
