"""Roles: for the indices of this configuration and no others, and nothing that changes or removes a document."""

from typing import Any

from sidecar.config import Config, loads
from sidecar.render.roles import function_name, manager_name, reader_name, roles, writer_name

HEAD = "cluster: {}\nopensearch: {{url: 'http://h'}}\n"


def config(more: str = "", cluster: str = "c") -> Config:
    return loads(HEAD.format(cluster) + more)


def actions(role: dict[str, Any]) -> set[str]:
    return {
        *role["cluster_permissions"],
        *(one for part in role["index_permissions"] for one in part["allowed_actions"]),
    }


def test_the_indices_of_all_families_and_of_dead_letters_are_named() -> None:
    more = "events: {rotate: never}\nlogs: {routes: [{name: a, namespaces: [a], index: team-a}]}\n"
    found = roles(config(more))
    wanted = ["eks-kubernetes-events", "eks-pod-logs-*", "team-a-*", "eks-control-plane-logs-*"]
    for name in (writer_name(config()), manager_name(config())):
        assert found[name]["index_permissions"][0]["index_patterns"] == [*wanted, "fluent-sidecar-dead-letter"]
    assert found["fluent-sidecar-c-writer"]["index_permissions"][1] == {
        "index_patterns": ["eks-kubernetes-events"],
        "allowed_actions": ["indices:data/read/search"],
    }


def test_no_permission_is_everything_and_the_writer_removes_and_changes_nothing() -> None:
    found = roles(config())
    for role in found.values():
        assert not {"*", "indices:*", "cluster:*", "unlimited"} & actions(role)
        assert role["description"].startswith("fluent-sidecar: ")
    writer = actions(found[writer_name(config())])
    assert not [one for one in writer if "delete" in one or "update" in one or "settings" in one]
    assert "indices:data/read/search" not in found[writer_name(config())]["index_permissions"][0]["allowed_actions"]


def test_the_function_may_create_documents_of_its_own_and_nothing_else() -> None:
    role = roles(config())[function_name(config())]
    (part,) = role["index_permissions"]
    assert part["index_patterns"] == ["eks-control-plane-logs-*", "fluent-sidecar-dead-letter"]
    assert set(part["allowed_actions"]) == {
        "indices:data/write/bulk*", "indices:data/write/index", "indices:admin/create"
    }  # fmt: skip
    assert role["cluster_permissions"] == ["indices:data/write/bulk", "indices:admin/index_template/get"]
    assert function_name(config()) not in roles(config("controlPlane: {source: node}\n"))


def test_the_tenant_is_the_one_of_the_dashboards() -> None:
    def tenant(more: str = "") -> list[str]:
        part = roles(config(more))[manager_name(config())]["tenant_permissions"]
        return [pattern for one in part for pattern in one["tenant_patterns"]]

    assert tenant() == ["global_tenant"]
    assert tenant("dashboards: {tenant: ops}\n") == ["ops"]


def test_each_cluster_has_roles_of_its_own() -> None:
    arn = "arn:aws:eks:eu-west-1:1:cluster/x"
    assert writer_name(config(cluster=f"'{arn}'")) == "fluent-sidecar-arn-aws-eks-eu-west-1-1-cluster-x-writer"


def test_the_reader_searches_and_nothing_else() -> None:
    role = roles(config())[reader_name(config())]
    assert role["cluster_permissions"] == []
    assert actions(role) == {"indices:data/read/search"}
