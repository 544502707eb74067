"""Roles of the security plugin: no more than each needs, by the index names of this configuration.

They are rendered for whoever may put them. Nobody is mapped to them: whom they are for, the file can't know.
"""

import re
from typing import Any

from sidecar.config.model import DEAD_LETTER, Config
from sidecar.render.controlplane import has_function
from sidecar.render.indices import event_index_pattern, families, index_pattern

Json = dict[str, Any]

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def roles(config: Config) -> dict[str, Json]:
    """Roles by name, as the security API takes them."""
    patterns = [*(index_pattern(family) for family in families(config)), DEAD_LETTER]
    found = {
        writer_name(config): _writer(config, patterns),
        manager_name(config): _manager(config, patterns),
        reader_name(config): _reader(patterns),
    }
    if has_function(config):
        found[function_name(config)] = _function(config)
    return found


def names(cluster: str) -> tuple[str, str, str, str]:
    """Names of a cluster's roles. Another cluster may have other indices, so it has its own."""
    name = _ODD.sub("-", cluster)
    begin = f"fluent-sidecar-{name}"
    return f"{begin}-writer", f"{begin}-manager", f"{begin}-control-plane", f"{begin}-reader"


def writer_name(config: Config) -> str:
    """Name of the role of `sidecar run` and Fluent Bit."""
    return names(config.cluster)[0]


def manager_name(config: Config) -> str:
    """Name of the role of `sidecar apply`."""
    return names(config.cluster)[1]


def function_name(config: Config) -> str:
    """Name of the role of the Lambda function that ships the control plane's logs."""
    return names(config.cluster)[2]


def reader_name(config: Config) -> str:
    """Name of the role of people who read documents: `sidecar events`, `problems`, `logs`."""
    return names(config.cluster)[3]


def _reader(patterns: list[str]) -> Json:
    return {
        "description": "fluent-sidecar: searches documents, and nothing else",
        "cluster_permissions": [],
        "index_permissions": [{"index_patterns": patterns, "allowed_actions": ["indices:data/read/search"]}],
        "tenant_permissions": [],
    }


def _writer(config: Config, patterns: list[str]) -> Json:
    return {
        "description": "fluent-sidecar: creates documents, looks them up by id, and reads its templates",
        "cluster_permissions": [
            # By the documentation both are asked for the cluster too; 2.19.4 and 3.4.0 do without.
            "indices:data/write/bulk",
            "indices:data/read/mget",
            "cluster:admin/component_template/get",
            "indices:admin/index_template/get",
        ],
        "index_permissions": [
            {
                "index_patterns": patterns,
                "allowed_actions": [
                    "indices:data/write/bulk*",
                    # Of a bulk request's `create`. There is no permission for that alone, without `index`.
                    "indices:data/write/index",
                    "indices:data/read/mget*",
                    # The first document of a day or month makes its index.
                    "indices:admin/create",
                ],
            },
            # The newest event tells a new leader up to when events are there.
            {"index_patterns": [event_index_pattern(config.events)], "allowed_actions": ["indices:data/read/search"]},
        ],
        "tenant_permissions": [],
    }


def _function(config: Config) -> Json:
    return {
        "description": "fluent-sidecar: creates documents of the control plane's logs, and reads their template",
        "cluster_permissions": ["indices:data/write/bulk", "indices:admin/index_template/get"],
        "index_permissions": [
            {
                "index_patterns": [index_pattern(config.control_plane), DEAD_LETTER],
                "allowed_actions": ["indices:data/write/bulk*", "indices:data/write/index", "indices:admin/create"],
            }
        ],
        "tenant_permissions": [],
    }


def _manager(config: Config, patterns: list[str]) -> Json:
    return {
        "description": "fluent-sidecar: puts templates, policies, alerts and dashboards in place",
        "cluster_permissions": [
            "cluster:monitor/main",
            # Which plugins there are.
            "cluster:monitor/state",
            "cluster:monitor/nodes/info",
            "cluster:admin/component_template/*",
            "indices:admin/index_template/*",
            "cluster:admin/opendistro/ism/*",
            "cluster:admin/opendistro/alerting/*",
            "cluster:admin/opensearch/alerting/*",
            "cluster:admin/opensearch/notifications/*",
        ],
        "index_permissions": [
            {
                "index_patterns": patterns,
                "allowed_actions": [
                    "indices:admin/opensearch/ism/managedindex",
                    # A policy does what its maker may do: without this nothing is deleted when its time is over.
                    "indices:admin/delete",
                    "indices:monitor/stats",
                    # A monitor reads with its maker's rights.
                    "indices:data/read/search",
                    "indices:admin/mappings/get",
                    "indices:admin/resolve/index",
                ],
            },
        ],
        "tenant_permissions": [
            {"tenant_patterns": [_tenant(config.dashboards.tenant)], "allowed_actions": ["kibana_all_write"]}
        ],
    }


def _tenant(name: str) -> str:
    """The tenant that all users share has another name in roles than elsewhere."""
    return "global_tenant" if name == "global" else name
