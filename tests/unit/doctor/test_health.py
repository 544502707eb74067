"""What OpenSearch says of itself."""

from typing import Any

import pytest

from sidecar.doctor import State
from sidecar.doctor.health import blocks, disks, shard_limit, status
from tests.support.fakes.doctored import health

LIMIT = {"defaults": {"cluster": {"max_shards_per_node": "100"}}}


@pytest.mark.parametrize(
    ("more", "state", "said"),
    [
        ({}, State.OK, "green; 1 data node"),
        ({"status": "yellow", "unassigned_shards": 3}, State.WARN, "3 shards unassigned: every document is there"),
        ({"status": "red", "unassigned_shards": 3}, State.FAIL, "some indices can't be written or read"),
    ],
)
def test_the_clusters_colour(more: dict[str, Any], state: State, said: str) -> None:
    found = status(health(**more))

    assert found.state is state
    assert said in found.text


@pytest.mark.parametrize(
    ("more", "state", "said"),
    [
        ({"active_shards": 50}, State.OK, "50 of 100 shards"),
        ({"active_shards": 85, "unassigned_shards": 5}, State.WARN, "90 of 100 shards: soon no new index"),
        ({"active_shards": 100}, State.FAIL, "100 of 100 shards: no new index can be made, so from the next day on"),
        ({"active_shards": 100, "number_of_data_nodes": 2}, State.OK, "100 of 200 shards"),
    ],
)
def test_the_limit_of_shards(more: dict[str, Any], state: State, said: str) -> None:
    found = shard_limit(health(**more), LIMIT)

    assert found.state is state
    assert said in found.text


def test_a_limit_that_was_set_comes_before_the_default() -> None:
    settings = LIMIT | {"persistent": {"cluster": {"max_shards_per_node": "7"}}}

    assert shard_limit(health(), settings).text.startswith("100 of 7 shards")
    assert shard_limit(health(), {}).state is State.SKIP


@pytest.mark.parametrize(
    ("percent", "state"), [("84", State.OK), ("85", State.WARN), ("94", State.WARN), ("95", State.FAIL)]
)
def test_disks(percent: str, state: State) -> None:
    nodes = [{"node": "a", "disk.percent": "3"}, {"node": "b", "disk.percent": percent}, {"node": "UNASSIGNED"}]

    found = disks(nodes)

    assert found.state is state
    assert found.text.startswith(f"the fullest of 2, of b, is {percent} % full")


@pytest.mark.parametrize("nodes", [[], None, [{"node": "a", "disk.percent": None}]])
def test_disks_that_are_not_told(nodes: Any) -> None:
    assert disks(nodes).state is State.SKIP


def setting(name: str, value: str = "true") -> dict[str, Any]:
    return {"settings": {f"index.blocks.{name}": value}}


def test_no_block() -> None:
    indices = {"a": setting("read_only", "false"), "b": setting("write")}  # a policy stops writing to what is old

    assert [one.state for one in blocks(indices, {}, {"a"})] == [State.OK]


@pytest.mark.parametrize("name", ["write", "read_only"])
def test_an_index_that_documents_go_to_now_and_may_not(name: str) -> None:
    [found] = blocks({"a": setting(name)}, {}, {"a", "b"})

    assert (found.state, found.text) == (State.FAIL, "a may not be written to, and documents go there now")
    assert "index.blocks.write: null" in found.hint


def test_indices_that_a_full_disk_made_read_only_are_named() -> None:
    indices = {name: setting("read_only_allow_delete") for name in "abcde"} | {"f": setting("read_only")}

    full, closed = blocks(indices, {}, {"g"})

    assert (full.state, full.text) == (
        State.FAIL,
        "a, b, c and 2 more became read-only, because a disk was full",
    )
    assert (closed.state, closed.text) == (State.WARN, "f may not be written to (index.blocks.read_only)")


SETTINGS = {"read_only": "true", "create_index": "true", "read_only_allow_delete": "false"}


def test_a_cluster_that_is_read_only() -> None:
    read_only, no_index = blocks({}, {"persistent": {"cluster": {"blocks": SETTINGS}}}, ())

    assert (read_only.state, read_only.text) == (
        State.FAIL,
        "the whole cluster is read-only (persistent: cluster.blocks.read_only)",
    )
    assert no_index.text == "the whole cluster takes no new index (persistent: cluster.blocks.create_index)"
