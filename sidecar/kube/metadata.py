"""Metadata of objects, without the objects: what the API server calls PartialObjectMetadata.

The kinds are those of a fixed table: no API is ever discovered, and a Secret or a ConfigMap is never asked for.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sidecar.errors import KubernetesUnavailable
from sidecar.kube.client import ApiServer

ITEM = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE_ITEMS = 500

_EXTENSIONS = "extensions"
"""The group that Deployments, Ingresses and others were of, once; old events still name it."""
_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:-]{1,253}\Z")
"""What may be a name in a path: whoever writes an Event names the object as they like."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A collection of the API.

    Attributes:
        group: Empty for the core group.
        version: The one that is asked for, whichever an Event names.
        name: In the plural, as in a role.
        namespaced: Whether its objects are in namespaces.
    """

    group: str
    version: str
    name: str
    namespaced: bool = True

    def path(self, namespace: str, name: str = "") -> str:
        """Of an object, or of all in the namespace where `name` is empty."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{base}{inside}/{self.name}" + (f"/{name}" if name else "")


_APPS, _BATCH = ("apps", "v1"), ("batch", "v1")
_BY_KIND = {
    "Pod": Resource("", "v1", "pods"),
    "ReplicationController": Resource("", "v1", "replicationcontrollers"),
    "Service": Resource("", "v1", "services"),
    "PersistentVolumeClaim": Resource("", "v1", "persistentvolumeclaims"),
    "PersistentVolume": Resource("", "v1", "persistentvolumes", namespaced=False),
    "Node": Resource("", "v1", "nodes", namespaced=False),
    "Namespace": Resource("", "v1", "namespaces", namespaced=False),
    "Deployment": Resource(*_APPS, "deployments"),
    "ReplicaSet": Resource(*_APPS, "replicasets"),
    "StatefulSet": Resource(*_APPS, "statefulsets"),
    "DaemonSet": Resource(*_APPS, "daemonsets"),
    "Job": Resource(*_BATCH, "jobs"),
    "CronJob": Resource(*_BATCH, "cronjobs"),
    "HorizontalPodAutoscaler": Resource("autoscaling", "v2", "horizontalpodautoscalers"),
    "Ingress": Resource("networking.k8s.io", "v1", "ingresses"),
    "PodDisruptionBudget": Resource("policy", "v1", "poddisruptionbudgets"),
}
_WERE_EXTENSIONS = {"Deployment", "ReplicaSet", "DaemonSet", "Ingress"}


@lru_cache(maxsize=1024)
def resource_of(api_version: str, kind: str) -> Resource | None:
    """The resource of a kind, whichever version of its group is named; by the kind alone where none is.

    None for every kind that isn't in the table.
    """
    found = _BY_KIND.get(kind)
    group, slash, _ = api_version.rpartition("/")
    if found is None or not api_version or (slash and group == found.group):
        return found
    if not slash:  # v1 is a version of the core group
        return None if found.group else found
    return found if group == _EXTENSIONS and kind in _WERE_EXTENSIONS else None


def rules() -> list[dict[str, list[str]]]:
    """What a role has to allow for all of the table: `get` and `list`, a rule for each group."""
    groups: dict[str, list[str]] = {}
    for resource in _BY_KIND.values():
        groups.setdefault(resource.group, []).append(resource.name)
    return [
        {"apiGroups": [group], "resources": sorted(names), "verbs": ["get", "list"]} for group, names in groups.items()
    ]


def is_name(text: Any) -> bool:
    """Whether it may stand in a path, as the name of an object or a namespace, or may be a uid."""
    return isinstance(text, str) and _SEGMENT.match(text) is not None


@dataclass(frozen=True, slots=True)
class MetadataPage:
    """Metadata of objects that follow one another; `token` leads to the next page, empty at the end."""

    items: list[dict[str, Any]]
    token: str


def get_metadata(api: ApiServer, resource: Resource, namespace: str, name: str, *, seconds: float) -> dict[str, Any]:
    """`metadata` of an object.

    Raises:
        ResourceMissing: There is no such object.
        KubernetesError: See `ApiServer.get`; also where the answer has no metadata.
    """
    path = resource.path(namespace, name)
    metadata = _metadata(api.get(path, accept=ITEM, seconds=seconds))
    if metadata is None:
        raise _odd(api, path)
    return metadata


def list_metadata(
    api: ApiServer, resource: Resource, namespace: str, *, token: str = "", seconds: float
) -> MetadataPage:
    """A page of the `metadata` of all objects of a namespace; of all that there are where the kind has none.

    Raises:
        ResourceExpired: The token is no longer good; the error may have another.
        KubernetesError: See `ApiServer.get`; also where the answer is no list.
    """
    path = resource.path(namespace)
    answer = api.get(path, {"limit": PAGE_ITEMS} | ({"continue": token} if token else {}), accept=LIST, seconds=seconds)
    head, items = answer.get("metadata"), answer.get("items") or []
    if not (isinstance(head, dict) and isinstance(items, list)):
        raise _odd(api, path)
    more = head.get("continue")
    found = (_metadata(item) for item in items)
    return MetadataPage([item for item in found if item is not None], more if isinstance(more, str) else "")


def _metadata(item: Any) -> dict[str, Any] | None:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return metadata if isinstance(metadata, dict) and is_name(metadata.get("uid")) else None


def _odd(api: ApiServer, path: str) -> KubernetesUnavailable:
    return KubernetesUnavailable(
        f"Kubernetes at {api.url}: the answer to {path} is not metadata", hint="is a proxy in between?"
    )
