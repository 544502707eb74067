"""What docs/moving.md says of indices that another setup has left, in a real OpenSearch."""

from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.config import Config, loads
from sidecar.opensearch import Client, connect
from tests.support.managing import put_in_place
from tests.support.waiting import unique_name

Json = dict[str, Any]
OLD: Json = {
    "@timestamp": "2026-11-27T10:00:00.000Z", "time": "2026-11-27T10:00:00.000000000Z", "stream": "stdout", "_p": "F",
    "log": "from before", "kubernetes": {
        "namespace_name": "ui", "pod_name": "ui-1", "container_name": "ui", "labels": {"app": "ui"},
        "container_image": "ui:1",
    },
}  # fmt: skip
"""As the workshop's Fluent Bit writes it, into an index whose mapping makes itself."""
NEW: Json = OLD | {"log": "from now on", "cluster": "c", "level": "info"}


@pytest.fixture
def name() -> str:
    return unique_name("moving")


@pytest.fixture
def config(opensearch_url: str, name: str) -> Config:
    families = f"events: {{index: events-{name}}}\nlogs: {{index: {name}}}\ncontrolPlane: {{index: plane-{name}}}\n"
    return loads(f"cluster: {name}\nopensearch: {{url: '{opensearch_url}'}}\n{families}")


@pytest.fixture
def client(config: Config, name: str) -> Iterator[Client]:
    client = connect(config, seconds=60)  # the first index of a server that has just started, beside other tests
    yield client
    client.request("DELETE", f"/{name}*")
    client.close()


def counted(client: Client, indices: str, field: str) -> Json:
    """How many documents have each value of a field."""
    body = {"size": 0, "aggs": {"by": {"terms": {"field": field}}}}
    found = client.request("POST", f"/{indices}/_search", body)["aggregations"]["by"]["buckets"]
    return {bucket["key"]: bucket["doc_count"] for bucket in found}


def test_an_old_index_is_left_alone_and_both_are_searched_by_keyword(client: Client, config: Config, name: str) -> None:
    old, new = name, f"{name}-2026.11.27"
    client.request("POST", f"/{old}/_doc?refresh=true", OLD)
    before = client.request("GET", f"/{old}")
    put_in_place(client, config)
    client.request("POST", f"/{new}/_doc?refresh=true", NEW)

    assert client.request("GET", f"/{old}") == before
    # What fluent-sidecar's own patterns and panels mean, and what a pattern over both does.
    assert counted(client, f"{name}-2*", "stream.keyword") == {"stdout": 1}
    for field in ("stream.keyword", "kubernetes.namespace_name.keyword", "kubernetes.pod_name.keyword"):
        assert list(counted(client, f"{name},{name}-2*", field).values()) == [2]


def test_an_index_of_the_same_first_name_gets_the_new_mapping(client: Client, config: Config, name: str) -> None:
    put_in_place(client, config)
    # As Fluent Bit's Logstash_Format would go on to write.
    theirs = f"{name}-2026.11.28"
    client.request("POST", f"/{theirs}/_doc?refresh=true", OLD)

    assert client.request("GET", f"/{theirs}")[theirs]["mappings"]["dynamic"] == "false"
