"""One release of the chart, with default values but for an address and names, for all tests of a session."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.chaos.listener import Pipe
from tests.support.cluster.parts import Cluster, open_cluster
from tests.support.cluster.release import Release, make_release, namespace
from tests.support.kubeapi import Api
from tests.support.parts import Missing, not_run
from tests.support.search import Answers
from tests.support.waiting import unique_name


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with a node that has the sidecar's image."""
    try:
        with open_cluster(tmp_path_factory.mktemp("cluster")) as found:
            yield found
    except Missing as missing:
        not_run(missing.part, missing.why)


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    """An administrator's way to its API server."""
    api = Api(cluster.kubeconfig, connections=8)
    yield api
    api.close()


@pytest.fixture(scope="session")
def opensearch(cluster: Cluster, opensearch_url: str) -> Iterator[Pipe]:
    """OpenSearch, at an address that pods reach; it can be made to go away."""
    there = urlsplit(opensearch_url)
    with Pipe(there.port or 80, host=there.hostname or "", address=cluster.host_address()) as pipe:
        yield pipe


@pytest.fixture(scope="session")
def release(cluster: Cluster, api: Api, opensearch: Pipe) -> Iterator[Release]:
    """The chart, installed and ready."""
    with namespace(api, unique_name("sidecar")) as name:
        found = make_release(cluster, api, opensearch, name)
        found.install()
        yield found
        found.uninstall()


@pytest.fixture(scope="session")
def events(release: Release, opensearch_url: str) -> Iterator[Answers]:
    """The events that arrived."""
    with Answers(opensearch_url, f"{release.namespace}-events") as answers:
        yield answers


@pytest.fixture(scope="session")
def logs(release: Release, opensearch_url: str) -> Iterator[Answers]:
    """The lines that arrived."""
    with Answers(opensearch_url, f"{release.namespace}-logs") as answers:
        yield answers


@pytest.fixture
def quarters(api: Api) -> Iterator[str]:
    """A namespace for a test's own pods."""
    with namespace(api, unique_name("quarters"), level="restricted") as name:
        yield name
