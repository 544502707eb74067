"""What OpenSearch says of itself. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sidecar.doctor.finding import Finding, fail, ok, skip, warn
from sidecar.opensearch.manage.wording import some

_LOW, _FLOOD = 85, 95
"""Percent of a disk from which on OpenSearch places no new shard there, and makes indices read-only."""
_NEARLY = 0.9


def status(health: Mapping[str, Any]) -> Finding:
    """Whether all shards are there."""
    colour, nodes = health.get("status"), health.get("number_of_data_nodes", 0)
    text = f"{colour}; {nodes} data node{'' if nodes == 1 else 's'}"
    missing = health.get("unassigned_shards", 0)
    if colour == "green":
        return ok("health", text)
    text += f", {missing} shards unassigned"
    hint = "GET _cluster/allocation/explain says why"
    if colour == "yellow":
        return warn("health", f"{text}: every document is there, but not everywhere twice", hint)
    return fail("health", f"{text}: some indices can't be written or read", hint)


def shard_limit(health: Mapping[str, Any], settings: Mapping[str, Any]) -> Finding:
    """Whether another index could be made.

    Args:
        health: Of the cluster.
        settings: Its settings, as `transient`, `persistent` and `defaults`.
    """
    found = [settings.get(level, {}).get("cluster", {}) for level in ("transient", "persistent", "defaults")]
    each = next((one["max_shards_per_node"] for one in found if "max_shards_per_node" in one), None)
    if each is None:
        return skip("shards", "the server doesn't tell its limit")
    keys = ("active_shards", "initializing_shards", "unassigned_shards")
    used = sum(int(health.get(key, 0)) for key in keys)
    limit = int(each) * int(health.get("number_of_data_nodes", 0))
    text = f"{used} of {limit} shards"
    hint = "keep indices for less long (retain), rotate monthly, delete old ones, or raise cluster.max_shards_per_node"
    if used >= limit:
        return fail("shards", f"{text}: no new index can be made, so from the next day on nothing is taken", hint)
    if used >= _NEARLY * limit:
        return warn("shards", f"{text}: soon no new index can be made", hint)
    return ok("shards", text)


def disks(nodes: Any) -> Finding:
    """Whether there is room, by the answer of `_cat/allocation`."""
    used = {}
    for node in nodes if isinstance(nodes, list) else []:
        percent = node.get("disk.percent")
        if percent not in {None, ""}:  # of unassigned shards there is none
            used[str(node.get("node"))] = int(percent)
    if not used:
        return skip("disks", "the server doesn't tell")
    name, most = max(used.items(), key=lambda item: item[1])
    text = f"the fullest of {len(used)}, of {name}, is {most} % full"
    hint = "keep indices for less long (retain), delete old ones, or add disks"
    if most >= _FLOOD:
        return fail("disks", f"{text}: OpenSearch makes its indices read-only from {_FLOOD} % on", hint)
    if most >= _LOW:
        return warn("disks", f"{text}: OpenSearch places nothing new there from {_LOW} % on", hint)
    return ok("disks", text)


def blocks(indices: Any, cluster: Any, present: Collection[str]) -> Iterator[Finding]:
    """Whether something may not be written to.

    Args:
        indices: Settings `index.blocks.*` by index, flat.
        cluster: Settings `cluster.blocks` by `transient` and `persistent`.
        present: Indices that documents go to now. Older ones a policy may have closed to writing, as it should.
    """
    found = list(_cluster_blocks(cluster))
    full, stopped, old = [], [], []
    for index, body in sorted((indices if isinstance(indices, Mapping) else {}).items()):
        on = {key for key, value in body.get("settings", {}).items() if str(value).lower() == "true"}
        if "index.blocks.read_only_allow_delete" in on:
            full.append(index)
        elif on & {"index.blocks.read_only", "index.blocks.write"} and index in present:
            stopped.append(index)
        elif "index.blocks.read_only" in on:
            old.append(index)
    if full:
        text = f"{some(full)} became read-only, because a disk was full"
        hint = "make room: OpenSearch lifts it itself below 90 %; else index.blocks.read_only_allow_delete: null"
        found.append(fail("blocks", text, hint))
    if stopped:
        text = f"{some(stopped)} may not be written to, and documents go there now"
        hint = "PUT INDEX/_settings with index.blocks.read_only: null and index.blocks.write: null"
        found.append(fail("blocks", text, hint))
    if old:
        hint = "PUT INDEX/_settings with index.blocks.read_only: null, unless it is meant to be"
        found.append(warn("blocks", f"{some(old)} may not be written to (index.blocks.read_only)", hint))
    yield from found or [ok("blocks", "none")]


def _cluster_blocks(cluster: Any) -> Iterator[Finding]:
    for level, settings in (cluster if isinstance(cluster, Mapping) else {}).items():
        for name, value in settings.get("cluster", {}).get("blocks", {}).items():
            if str(value).lower() == "true":
                hint = f"PUT _cluster/settings with {level}.cluster.blocks.{name}: null"
                what = "takes no new index" if name == "create_index" else "is read-only"
                yield fail("blocks", f"the whole cluster {what} ({level}: cluster.blocks.{name})", hint)
