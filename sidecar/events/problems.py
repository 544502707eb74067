"""What is wrong in a cluster, told from its Events alone: which workload, since when, why, and whether it is over.

The rules:

1. A symptom is an Event of type Warning, or a Normal BackOff (the kubelet's word for an image that it can't pull).
2. It belongs to the workload at the top, which a document names that was enriched. Controllers say in their Events
   which ReplicaSet they scaled and which Pod they created or deleted. Where those Events are gone, names tell:
   `web-5d4f8c7b96-x2v7q` is a Pod of Deployment `web`, for pod-template-hash and suffix use letters that can't be
   mistaken. Else the object stands for itself.
3. One problem a workload. It has happened as often as the counts of its Events add up to, of each Event the highest.
   Where it is asked for, one that was over for long and comes back is another problem, counted from there on.
4. Its message is the newest that names a cause; one that only says again that it failed serves if there is no other.
5. It is over when a container of the workload has Started after the last symptom. Being scheduled, or an image that has
   been pulled, is not enough. A Pod that fails on while its successor has started already counts no more once a
   controller has deleted it. A symptom after that opens the problem again.

What has no such sign stays open: a Node's warnings, or a probe that fails once while the container runs on.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True)
class Problem:
    """What is, or was, wrong with one workload.

    Attributes:
        namespace: Its namespace; empty for what has none, such as a Node.
        kind: `Deployment`, `StatefulSet`, `Pod`, `Node`, ...
        name: Its name.
        reasons: The reasons of the symptoms, in the order in which they were first seen.
        first_seen: Of the first symptom.
        last_seen: Of the last symptom.
        count: How often, all symptoms together.
        message: What is wrong.
        resolved_at: When it was over; None while it is open.
        resolved_by: The Event that shows it, as `Started pod/web-5d4f8c7b96-x2v7q`; empty while it is open.
    """

    namespace: str
    kind: str
    name: str
    reasons: tuple[str, ...]
    first_seen: datetime
    last_seen: datetime
    count: int
    message: str
    resolved_at: datetime | None = None
    resolved_by: str = ""

    @property
    def state(self) -> Literal["open", "resolved"]:
        """Whether it is over."""
        return "open" if self.resolved_at is None else "resolved"


class _Ref(NamedTuple):
    """An object of the cluster."""

    namespace: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One version of an Event."""

    uid: str
    version: int
    about: _Ref
    workload: _Ref | None
    type: str
    reason: str
    message: str
    component: str
    count: int
    first: datetime
    last: datetime

    @property
    def order(self) -> tuple[datetime, int]:
        """Sorts by time, and by resourceVersion within a second: most writers have no fractions of one."""
        return self.last.replace(microsecond=0), self.version

    @property
    def is_symptom(self) -> bool:
        return self.type == "Warning" or self.reason == "BackOff"

    @property
    def is_success(self) -> bool:
        return self.type == "Normal" and self.reason == "Started" and self.about.kind == "Pod"


def problems(documents: Iterable[Mapping[str, Any]], *, apart: timedelta | None = None) -> list[Problem]:
    """Tells the problems that Events show, the one that began first at the head.

    Args:
        documents: Events as `kubectl get events -o json` shows them: one document a version, in any order; the same
            one twice does no harm. One without any time is left out.
        apart: A problem that was over for longer than this is another one when it comes back; then a workload may
            have had several.
    """
    sightings = [sighting for document in documents if (sighting := _sighting(document))]
    tops = {each.about: each.workload for each in sightings if each.workload}
    owners = dict(_ownerships(sightings))
    workloads: defaultdict[_Ref, list[_Sighting]] = defaultdict(list)
    for sighting in sorted(sightings, key=lambda each: each.order):
        workloads[_workload(sighting.about, owners, tops)].append(sighting)
    deleted = {_Ref(each.about.namespace, "Pod", name) for each in sightings for name in _deleted(each)}
    found = [
        problem
        for ref, story in workloads.items()
        for part in _parts(story, deleted, apart)
        if (problem := _problem(ref, part, deleted))
    ]
    return sorted(found, key=lambda each: (each.first_seen, each.namespace, each.kind, each.name))


@dataclass(frozen=True)
class _Part:
    """What happened to a workload during one of its problems.

    Attributes:
        story: In order.
        end_before: When the problem before it was over; None where there was none.
        counted: How often the Events of that had been seen by then: the same ones may be counted on.
    """

    story: list[_Sighting]
    end_before: datetime | None = None
    counted: Mapping[str, int] = field(default_factory=dict)

    def first(self, symptom: _Sighting) -> datetime:
        """When a symptom began to belong to this problem."""
        return symptom.last if self.end_before and symptom.first <= self.end_before else symptom.first


def _parts(story: list[_Sighting], deleted: set[_Ref], apart: timedelta | None) -> Iterator[_Part]:
    """The story of a workload, cut where a problem was over for longer than `apart` before the next symptom."""
    symptoms = [each for each in story if each.is_symptom]
    begin, end_before = 0, None
    counted: dict[str, int] = {}
    for symptom, following in pairwise(symptoms):
        if apart is None or following.last - symptom.last <= apart:
            continue
        cut = story.index(following, begin)
        part = story[begin:cut]
        end = _end(part, deleted)
        if end and following.last - end.last > apart:
            yield _Part(part, end_before, dict(counted))
            counted |= _counts(part)
            begin, end_before = cut, end.last
    yield _Part(story[begin:], end_before, counted)


def _counts(story: list[_Sighting]) -> dict[str, int]:
    """How often each Event of a symptom was seen."""
    counts: defaultdict[str, int] = defaultdict(int)
    for each in story:
        if each.is_symptom:
            counts[each.uid] = max(counts[each.uid], each.count)
    return counts


def _problem(workload: _Ref, part: _Part, deleted: set[_Ref]) -> Problem | None:
    """The problem of one workload; None if nothing is wrong."""
    symptoms = [each for each in part.story if each.is_symptom]
    if not symptoms:
        return None
    end = _end(part.story, deleted)
    return Problem(
        *workload,
        reasons=tuple(dict.fromkeys(each.reason for each in sorted(symptoms, key=part.first))),
        first_seen=min(part.first(each) for each in symptoms),
        last_seen=max(each.last for each in symptoms),
        count=sum(max(1, count - part.counted.get(uid, 0)) for uid, count in _counts(part.story).items()),
        message=max(symptoms, key=lambda each: (not _ECHO.fullmatch(each.message), each.order)).message,
        resolved_at=end.last if end else None,
        resolved_by=f"{end.reason} {end.about.kind.lower()}/{end.about.name}" if end else "",
    )


def _end(story: list[_Sighting], deleted: set[_Ref]) -> _Sighting | None:
    """What ended the problem that a story tells of, if it is over."""
    return _resolution(
        [each for each in story if each.is_symptom], [each for each in story if each.is_success], deleted
    )


def _resolution(symptoms: list[_Sighting], successes: list[_Sighting], deleted: set[_Ref]) -> _Sighting | None:
    """The success that ended the last of the symptoms; None if one has not ended. Both come in order."""
    first: dict[_Ref, _Sighting] = {}
    last: dict[_Ref, _Sighting] = {}
    for each in symptoms:
        first.setdefault(each.about, each)
        last[each.about] = each
    ends: list[_Sighting] = []
    for failing, newest in last.items():
        for success in successes:
            successor = failing in deleted and success.about != failing and success.order > first[failing].order
            if successor or success.order > newest.order:
                ends.append(success)
                break
        else:
            return None
    return max(ends, key=lambda each: each.order)


# Messages that say that something failed, but not why: another Event of the same object does.
_ECHO = re.compile(
    r"|Error: \w+"
    r'|Back-off pulling image "[^"]*"'
    r"|Back-off restarting failed container.*"
    r"|Unable to attach or mount volumes: .* timed out waiting for the condition"
    r"|Error syncing pod, skipping.*",
    re.DOTALL,
)


# Who belongs to whom


_SCALED = re.compile(r"Scaled (?:up|down) replica set (\S+) .*")
_CREATED = re.compile(r"Created pod: (\S+)|create Pod (\S+) in StatefulSet \S+ successful.*")
_DELETED = re.compile(r"Deleted pod: (\S+)|delete Pod (\S+) in StatefulSet \S+ successful.*")
_CREATED_JOB = re.compile(r"Created job (\S+)")
# Which controller's word counts, for which reason, on which kind of object: the child's kind, and where its name is.
_CLAIMS = {
    ("deployment-controller", "ScalingReplicaSet"): ("ReplicaSet", _SCALED),
    **{
        (controller, reason): ("Pod", pattern)
        for controller in ("replicaset-controller", "statefulset-controller", "daemonset-controller", "job-controller")
        for reason, pattern in (("SuccessfulCreate", _CREATED), ("SuccessfulDelete", _DELETED))
    },
    ("cronjob-controller", "SuccessfulCreate"): ("Job", _CREATED_JOB),
}

# The alphabet of Kubernetes' generated names: no vowels, and nothing that looks like another letter.
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
_POD_OF_DEPLOYMENT = re.compile(rf"(.+)-{_SAFE}{{6,10}}-{_SAFE}{{5}}")
_REPLICASET_OF_DEPLOYMENT = re.compile(rf"(.+)-{_SAFE}{{6,10}}")


def _ownerships(sightings: list[_Sighting]) -> Iterator[tuple[_Ref, _Ref]]:
    """Child and owner, as the controllers' Events name them."""
    for each in sightings:
        kind, pattern = _CLAIMS.get((each.component, each.reason), ("", _SCALED))
        if kind and (match := pattern.fullmatch(each.message)):
            child = next(group for group in match.groups() if group)
            yield _Ref(each.about.namespace, kind, child), each.about


def _workload(ref: _Ref, owners: Mapping[_Ref, _Ref], tops: Mapping[_Ref, _Ref]) -> _Ref:
    """The workload at the top of an object: as documents name it, by the Events, by its name, else itself."""
    for _ in range(4):  # CronJob, Job, Pod is the longest chain; a circle of odd Events ends too
        if ref in tops or ref not in owners:
            break
        ref = owners[ref]
    if ref in tops:
        return tops[ref]
    deployment = deployment_by_name(ref.kind, ref.name)
    return _Ref(ref.namespace, "Deployment", deployment) if deployment else ref


def deployment_by_name(kind: str, name: str) -> str:
    """The Deployment that a Pod or a ReplicaSet belongs to, as far as its name tells; empty where it doesn't."""
    pattern = {"Pod": _POD_OF_DEPLOYMENT, "ReplicaSet": _REPLICASET_OF_DEPLOYMENT}.get(kind)
    match = pattern.fullmatch(name) if pattern else None
    return match[1] if match else ""


def _deleted(sighting: _Sighting) -> list[str]:
    """The Pods that a controller says to have deleted."""
    claim = _CLAIMS.get((sighting.component, sighting.reason))
    match = _DELETED.fullmatch(sighting.message) if claim and sighting.reason == "SuccessfulDelete" else None
    return [name for name in match.groups() if name] if match else []


# Reading an Event, however odd it is


def _sighting(document: Mapping[str, Any]) -> _Sighting | None:
    metadata, about, series, source, workload = (
        _mapping(document.get(name)) for name in ("metadata", "involvedObject", "series", "source", "workload")
    )
    created = metadata.get("creationTimestamp")
    ours = [_time(document.get("firstTimestamp")), _time(document.get("eventTime")), _time(created)]
    newer = [_time(document.get("lastTimestamp")), _time(series.get("lastObservedTime"))]
    first = [moment for moment in ours if moment]
    last = [moment for moment in (*ours, *newer) if moment]
    if not last:
        return None
    namespace = _text(about.get("namespace"))
    version = _text(metadata.get("resourceVersion"))
    kind, name = _text(workload.get("kind")), _text(workload.get("name"))
    return _Sighting(
        uid=_text(metadata.get("uid")) or f"{_text(metadata.get('namespace'))}/{_text(metadata.get('name'))}",
        version=int(version) if version.isdecimal() else 0,
        about=_Ref(namespace, _text(about.get("kind")), _text(about.get("name"))),
        workload=_Ref(namespace, kind, name) if kind and name else None,
        type=_text(document.get("type")),
        reason=_text(document.get("reason")),
        message=_text(document.get("message")),
        component=_text(document.get("reportingComponent")) or _text(source.get("component")),
        count=max(_count(document.get("count")), _count(series.get("count"))),
        first=min(first or last),
        last=max(last),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 1


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
