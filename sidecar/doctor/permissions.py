"""What the sidecar must be allowed to do in Kubernetes, by what it is for. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sidecar.config import Config
from sidecar.doctor.finding import Finding, State, fail, ok, warn
from sidecar.kube.metadata import rules
from sidecar.opensearch.manage.wording import some

_SHOWN = 6


@dataclass(frozen=True)
class Right:
    """One verb on one resource; in a namespace, or in all where it is empty; on one object where that has a name."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """As people write it: `list events`, `update leases.coordination.k8s.io in logging`."""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}{where}"


@dataclass(frozen=True)
class Purpose:
    """What rights are for.

    Attributes:
        name: Of the purpose.
        rights: All of them are needed.
        lacking: What doesn't work without them.
        state: How bad that is.
    """

    name: str
    rights: Sequence[Right]
    lacking: str
    state: State = State.FAIL


def purposes(config: Config, namespace: str) -> Iterator[Purpose]:
    """What a configuration needs.

    Args:
        config: pipeline.yaml.
        namespace: The sidecar's, in which the Lease is.
    """
    include = config.events.include.namespaces
    only = include[0] if len(include) == 1 and "*" not in include[0] else ""
    yield Purpose("events", [Right(verb, "events", "", only) for verb in ("list", "watch")], "no event is collected")
    lease = "coordination.k8s.io"
    yield Purpose(
        "leader election",
        # What is created has no name yet: no role can name it.
        [Right("create", "leases", lease, namespace)]
        + [Right(verb, "leases", lease, namespace, config.events.lease) for verb in ("get", "update")],
        "no sidecar leads, so no event is collected",
    )
    if config.logs.enabled and config.logs.metadata == "api":
        yield Purpose(
            "pods of the node",
            [Right(verb, "pods") for verb in ("list", "watch")],
            "pod logs carry no labels and no workload, and rules by labels don't hold",
        )
    if config.events.enrich:
        rights = [
            Right(verb, resource, rule["apiGroups"][0])
            for rule in rules()
            for resource in rule["resources"]
            for verb in rule["verbs"]
        ]
        yield Purpose("labels of events", rights, "events of these kinds carry no labels and no workload", State.WARN)


def verdict(purpose: Purpose, allowed: Mapping[Right, bool], who: str) -> Finding:
    """What of a purpose is allowed.

    Args:
        purpose: What for.
        allowed: The API server's answer for each of its rights.
        who: User or service account; empty where that is not known.
    """
    missing = [right for right in purpose.rights if not allowed[right]]
    if not missing:
        verbs = sorted({right.verb for right in purpose.rights})
        resources = list(dict.fromkeys(right.resource for right in purpose.rights))
        shown = resources[0] if len(resources) == 1 else f"{len(resources)} kinds of objects"
        return ok(purpose.name, f"may {', '.join(verbs)} {shown}")
    grant = f"grant it to {who or 'this user'} by a Role or ClusterRole, as the chart does"
    make = warn if purpose.state is State.WARN else fail
    return make(purpose.name, f"may not: {some(list(map(str, missing)), _SHOWN)}; so {purpose.lacking}", grant)
