"""What is known of objects, in bounded memory. No I/O; one lock of its caller's guards it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.events.record import Involved
from sidecar.kube.metadata import Resource, is_name, resource_of
from sidecar.kube.workload import Owner, Workload, belonging, presumed

_NEVER = float("inf")
_MIRRORS = "kubernetes.io/config.mirror"
"""Annotation of a static pod: the uid that its kubelet calls it by."""
_WEIGHT_BYTES = 1024
_SHARED_TEXTS, _SHARED_SETS = 4096, 1024


@dataclass(frozen=True, slots=True)
class Target:
    """An object to ask for; `key` is its uid, or (resource, namespace, name) where that isn't known."""

    kind: str
    resource: Resource
    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> Hashable:
        """What it is known by."""
        return self.uid or (self.resource.name, self.namespace, self.name)

    @property
    def collection(self) -> tuple[Resource, str]:
        """All among which it is."""
        return self.resource, self.namespace

    @property
    def presumed(self) -> Involved | None:
        """What its kind and name alone tell."""
        workload = presumed(self.kind, self.name)
        return Involved(None, *workload) if workload.name else None

    def is_described_by(self, metadata: dict[str, Any]) -> bool:
        """Whether the metadata is this object's, and not of another one that has its name now."""
        if not self.uid or self.uid == metadata.get("uid"):
            return True
        annotations = metadata.get("annotations")
        return isinstance(annotations, dict) and annotations.get(_MIRRORS) == self.uid


def target_of(event: Any) -> Target | None:
    """The object that an Event of whatever shape is about; None where that is of no kind that is looked up."""
    about = event.get("involvedObject") if isinstance(event, dict) else None
    if not isinstance(about, dict):
        return None
    version, kind, namespace, name, uid = (
        about.get(key) or "" for key in ("apiVersion", "kind", "namespace", "name", "uid")
    )
    return _target(version, kind, namespace, name, uid)


def target_of_owner(owner: Owner, namespace: str) -> Target | None:
    """The owner of an object in `namespace`; None where it is of no kind that is looked up."""
    return _target(owner.api_version, owner.kind, namespace, owner.name, owner.uid)


def _target(version: Any, kind: Any, namespace: Any, name: Any, uid: Any) -> Target | None:
    if not (isinstance(version, str) and isinstance(kind, str) and is_name(name) and (not uid or is_name(uid))):
        return None
    resource = resource_of(version, kind)
    if resource is None or (resource.namespaced and not is_name(namespace)):
        return None
    # A kubelet gives the name of its node for its uid.
    return Target(kind, resource, namespace if resource.namespaced else "", name, "" if uid == name else uid)


@dataclass(slots=True)
class Entry:
    """What is known of one object.

    Attributes:
        involved: What its events get; None where nothing is known.
        due: When to ask again (seconds); what is known is good until there is something newer.
        known: Whether it was found, ever; else it is missing, until `due`.
        above: An owner that may tell a higher workload, and hasn't been found yet.
    """

    involved: Involved | None
    due: float
    known: bool
    above: Target | None = None


class Known:
    """Entries by uid. There are never more than `size`, and always the half of that which was used last.

    Args:
        size: Most entries; one with many labels counts as several.
        fresh_seconds: How long it is until something that is known is asked for again.
        missing_seconds: How long it is until something that isn't there is asked for again.
    """

    def __init__(self, *, size: int, fresh_seconds: float, missing_seconds: float) -> None:
        self._half = max(1, size // 2)
        self._fresh = fresh_seconds
        self._missing = missing_seconds
        # What is used moves from the old ones to the recent ones, and is not touched after that: a hit costs nothing.
        self.recent: dict[Hashable, Entry] = {}
        self._old: dict[Hashable, Entry] = {}
        self._weight = 0
        self._texts: dict[str, str] = {}
        self._alike: dict[Hashable, Involved] = {}

    def __len__(self) -> int:
        return len(self.recent) + len(self._old)

    def find(self, key: Hashable) -> Entry | None:
        """The entry of an object, which counts as used."""
        entry = self.recent.get(key)
        if entry is None and (entry := self._old.pop(key, None)) is not None:
            self._put(key, entry)
        return entry

    def store(self, kind: str, namespace: str, metadata: dict[str, Any], *targets: Target, now: float) -> None:
        """Keep what the server shows of an object, for those of the targets too that it is, under another uid or none.

        Targets that are another object of the same name are missing from now on.
        """
        name = metadata.get("name")
        found = belonging(kind, metadata, name if isinstance(name, str) else "")
        labels = _labels(metadata)
        involved = self._shared(labels, found.workload)
        above = target_of_owner(found.above, namespace) if found.above else None
        before = self.find(metadata["uid"])
        if above and before and before.known and before.involved and not before.above:
            # It was told already, and an object keeps its owner.
            involved, above = self._shared(labels, Workload(before.involved.kind, before.involved.workload)), None
        for key in {metadata["uid"], *(target.key for target in targets if target.is_described_by(metadata))}:
            entry = Entry(involved, now + self._fresh, known=True, above=above)
            self._put(key, entry)
            self.settle(entry)
        for target in targets:
            if not target.is_described_by(metadata):
                self.missing(target, now=now)

    def missing(self, target: Target, *, now: float) -> None:
        """An object isn't there; what was known of it stays as it is, for as long as there is room."""
        entry = self.find(target.key)
        if entry is not None and entry.known and target.uid:
            entry.due = _NEVER
        elif entry is not None and entry.known:
            entry.due = now + self._missing  # another of the name may come
        else:
            self._put(target.key, Entry(target.presumed, now + self._missing, known=False))

    def settle(self, entry: Entry) -> Target | None:
        """Give an entry the workload of its owner, if that is known by now; else return the owner, to be asked for."""
        above = entry.above
        if above is None:
            return None
        owner = self.find(above.key)
        if owner is None:
            return above
        if owner.known and owner.involved is not None and owner.involved.workload and entry.involved is not None:
            workload = Workload(owner.involved.kind, owner.involved.workload)
            entry.involved = self._shared(entry.involved.labels or {}, workload)
        entry.above = None
        return None

    def _put(self, key: Hashable, entry: Entry) -> None:
        self._old.pop(key, None)
        if key not in self.recent:
            self._weight += _weight(entry)
        self.recent[key] = entry
        if self._weight >= self._half:
            self._old, self.recent, self._weight = self.recent, {}, 0

    def _shared(self, labels: Mapping[str, str], workload: Workload) -> Involved:
        """The same object for the same content: the pods of a ReplicaSet come one after another."""
        if len(self._texts) > _SHARED_TEXTS or len(self._alike) > _SHARED_SETS:
            self._texts, self._alike = {}, {}
        key = (tuple(labels.items()), *workload)
        found = self._alike.get(key)
        if found is None:
            text = self._texts.setdefault
            shared = {text(name, name): text(value, value) for name, value in labels.items()}
            kind, name = (text(part, part) for part in workload)
            found = self._alike[key] = Involved(shared, kind, name)
        return found


def _labels(metadata: dict[str, Any]) -> dict[str, str]:
    labels = metadata.get("labels")
    found = labels.items() if isinstance(labels, dict) else ()
    return {name: value for name, value in found if isinstance(value, str)}


def _weight(entry: Entry) -> int:
    """How many usual entries it takes the place of."""
    labels = (entry.involved.labels if entry.involved else None) or {}
    return 1 + sum(len(name) + len(value) for name, value in labels.items()) // _WEIGHT_BYTES
