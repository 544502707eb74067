"""The names that people give to kinds, as kubectl takes them. Pure."""

from typing import NamedTuple

from sidecar.errors import InputError

# Kind, and its short names; the plural and the kind itself in small letters are understood too.
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ConfigMap", ("cm",)),
    ("CronJob", ("cj",)),
    ("CustomResourceDefinition", ("crd", "crds")),
    ("DaemonSet", ("ds",)),
    ("Deployment", ("deploy",)),
    ("Endpoints", ("ep",)),
    ("EndpointSlice", ()),
    ("HorizontalPodAutoscaler", ("hpa",)),
    ("Ingress", ("ing",)),
    ("Job", ("job",)),
    ("Lease", ()),
    ("Namespace", ("ns",)),
    ("NetworkPolicy", ("netpol",)),
    ("Node", ("no",)),
    ("PersistentVolume", ("pv",)),
    ("PersistentVolumeClaim", ("pvc",)),
    ("Pod", ("po",)),
    ("PodDisruptionBudget", ("pdb",)),
    ("ReplicaSet", ("rs",)),
    ("ReplicationController", ("rc",)),
    ("ResourceQuota", ("quota",)),
    ("Secret", ()),
    ("Service", ("svc",)),
    ("ServiceAccount", ("sa",)),
    ("StatefulSet", ("sts",)),
    ("StorageClass", ("sc",)),
)

_LONGEST_NAME = 253
"""Of an object in Kubernetes; OpenSearch refuses a pattern of a thousand characters."""


class Target(NamedTuple):
    """An object.

    Attributes:
        kinds: What its kind may be called: one name for what Kubernetes brings along; a few, in small letters, for
            others, whose kind only their makers know.
        name: Its name.
    """

    kinds: tuple[str, ...]
    name: str

    @property
    def kind(self) -> str:
        """Its kind, as far as it is known."""
        return self.kinds[0]

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


def target(text: str) -> Target:
    """`deployment/web`, `deploy/web`, `deployments.apps/web`, or of a kind of one's own, `certificates/web` -> it.

    Raises:
        InputError: It is nothing of that.
    """
    kind, slash, name = text.partition("/")
    word = kind.partition(".")[0].lower()
    if not (slash and word and name) or "/" in name or not word.isascii() or len(name) > _LONGEST_NAME:
        hint = "write KIND/NAME, such as deployment/web, pod/web-0 or node/ip-10-0-0-1"
        raise InputError(f"{text!r} is no object", hint=hint)
    known = _BY_NAME.get(word)
    return Target((known,) if known else _candidates(word), name)


def _candidates(word: str) -> tuple[str, ...]:
    """What the kind may be of which somebody writes this word: itself, or its singular."""
    singulars = [word.removesuffix("s"), word.removesuffix("es")]
    if word.endswith("ies"):
        singulars.append(f"{word.removesuffix('ies')}y")
    return tuple(dict.fromkeys((word, *singulars)))


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("s") else f"{word}s"


_BY_NAME = {name: kind for kind, short in _KINDS for name in (kind.lower(), _plural(kind), *short)}
