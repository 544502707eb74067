"""Which workload an object belongs to, as far as its metadata tells. Pure.

The workload is what a user has made: the Deployment, not its ReplicaSet or its Pods.
"""

import re
from typing import Any, NamedTuple

POD, REPLICA_SET, JOB, CRON_JOB, DEPLOYMENT = "Pod", "ReplicaSet", "Job", "CronJob", "Deployment"
_TEMPLATE_HASH = "pod-template-hash"
# A CronJob ends the names of its Jobs with the minutes since 1970.
_OF_CRON_JOB = re.compile(r"(.+)-[0-9]{8,}\Z")
_TOPS = frozenset({DEPLOYMENT, "StatefulSet", "DaemonSet", CRON_JOB, "ReplicationController"})


class Workload(NamedTuple):
    """Kind and name of a workload; both are empty where there is none."""

    kind: str = ""
    name: str = ""


class Owner(NamedTuple):
    """An entry of `metadata.ownerReferences`; what is missing is empty."""

    api_version: str
    kind: str
    name: str
    uid: str


class Belonging(NamedTuple):
    """Where an object belongs.

    Attributes:
        workload: The highest one that its metadata tells.
        above: The object that is this workload, where its own metadata may tell a higher one.
    """

    workload: Workload
    above: Owner | None = None


def belonging(kind: str, metadata: Any, name: str) -> Belonging:
    """Where an object of `kind` belongs, from its metadata, of whatever shape."""
    if kind in _TOPS:
        return Belonging(Workload(kind, name))
    if kind == POD:
        return _of_pod(metadata, name)
    if kind in {REPLICA_SET, JOB}:
        owner = controller(metadata)
        return Belonging(Workload(owner.kind, owner.name) if owner else Workload(kind, name))
    return Belonging(Workload())


def presumed(kind: str, name: str) -> Workload:
    """The workload of an object of which only kind and name are known."""
    if kind in _TOPS:
        return Workload(kind, name)
    return _cron_job(name) or Workload() if kind == JOB else Workload()


def controller(metadata: Any) -> Owner | None:
    """The owner that made the object and keeps it as it is; None where nobody does, or a Node (of a static pod)."""
    references = _map(metadata).get("ownerReferences")
    for reference in references if isinstance(references, list) else []:
        found = _map(reference)
        owner = Owner(*(_text(found.get(key)) for key in ("apiVersion", "kind", "name", "uid")))
        if found.get("controller") is True and owner.kind and owner.name and owner.kind != "Node":
            return owner
    return None


def _of_pod(metadata: Any, name: str) -> Belonging:
    owner = controller(metadata)
    if owner is None:
        return Belonging(Workload(POD, name))
    template = _text(_map(_map(metadata).get("labels")).get(_TEMPLATE_HASH))
    if owner.kind == REPLICA_SET and template and owner.name.endswith(f"-{template}"):
        return Belonging(Workload(DEPLOYMENT, owner.name.removesuffix(f"-{template}")))
    if owner.kind == JOB and (cron_job := _cron_job(owner.name)):
        return Belonging(cron_job)
    return Belonging(Workload(owner.kind, owner.name), owner if owner.kind in {REPLICA_SET, JOB} else None)


def _cron_job(job: str) -> Workload | None:
    match = _OF_CRON_JOB.match(job)
    return Workload(CRON_JOB, match[1]) if match else None


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
