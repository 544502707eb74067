"""What was wrong in a window, read back as far as its beginning: from documents alone.

1. All symptoms of the window, and what ends them or tells whose they are.
2. What else is known of the same workloads from before the window: a problem that reaches into it began earlier.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sidecar.events.problems import Problem, deployment_by_name, problems
from sidecar.reading.search import Reader
from sidecar.reading.selection import Selection, any_of, event_query, matching
from sidecar.reading.window import Window
from sidecar.render.indices import event_index_pattern

Json = dict[str, Any]

APART = timedelta(minutes=30)
"""A workload that fails again sooner has the same problem still: a crash loop starts its container again and again,
up to every five minutes, and the kubelet forgets that it has failed after ten."""
TOLD_BY = (
    "@timestamp", "metadata.uid", "metadata.name", "metadata.namespace", "metadata.resourceVersion",
    "metadata.creationTimestamp", "involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "workload",
    "type", "reason", "message", "count", "series", "source.component", "reportingComponent", "firstTimestamp",
    "lastTimestamp", "eventTime",
)  # fmt: skip
"""What of a document tells problems."""
_OWNERSHIP = ("ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete")
_TERMS = 10_000


def problems_in(reader: Reader, wanted: Selection, when: Window) -> list[Problem]:
    """The problems that a window saw something of - a symptom, or the end -, each from its beginning on.

    Args:
        reader: OpenSearch.
        wanted: Of which cluster, namespace and object.
        when: The window; what came after it doesn't count.

    Raises:
        OpenSearchError: They can't be read.
    """
    about: defaultdict[str, set[str]] = defaultdict(set)
    found = _noting(_search(reader, wanted, when, _telling()), about)
    # What came before is asked for when all of the window is read, and `about` is whole.
    told = problems(chain(found, _earlier(reader, wanted, when, about) if when.since else ()), apart=APART)
    return [problem for problem in told if when.since is None or _reaches(problem, when.since)]


def _reaches(problem: Problem, since: datetime) -> bool:
    """Whether a problem reaches into a window: what ended before is history, what is open goes on."""
    return max(problem.last_seen, problem.resolved_at or problem.last_seen) >= since


def _telling() -> Json:
    """Symptoms, what ends them, and what says whose they are."""
    reasons = ["BackOff", "Started", *_OWNERSHIP]
    return any_of([matching("type", "Warning"), {"terms": {"reason": reasons}}])


def _search(reader: Reader, wanted: Selection, when: Window, more: Json) -> Iterator[Json]:
    query = {"bool": {"filter": [event_query(wanted, when, gaps=False), more]}}
    for hit in reader.hits(event_index_pattern(reader.config.events), query, only=TOLD_BY):
        yield hit.source


def _earlier(reader: Reader, wanted: Selection, when: Window, about: Mapping[str, set[str]]) -> Iterator[Json]:
    """What is known from before the window of the objects that it saw something of: names by namespace."""
    for namespace, names in sorted(about.items()):
        ordered = sorted(names)
        for at in range(0, len(ordered), _TERMS):
            part = ordered[at : at + _TERMS]
            same = any_of({"terms": {field: part}} for field in ("workload.name", "involvedObject.name"))
            where = {"bool": {"filter": [*_in(namespace), same]}}
            more = {"bool": {"filter": [_telling(), where]}}
            yield from _search(reader, wanted, when.before(), more)


def _in(namespace: str) -> list[Json]:
    return [matching("involvedObject.namespace", namespace)] if namespace else []


def _noting(found: Iterable[Json], about: defaultdict[str, set[str]]) -> Iterator[Json]:
    """The same documents; the names of the objects and workloads that they are about are noted, by namespace."""
    for event in found:
        involved, workload = event.get("involvedObject"), event.get("workload")
        if isinstance(involved, Mapping) and (event.get("type") == "Warning" or event.get("reason") not in _OWNERSHIP):
            own = str(involved.get("name") or "")
            top = workload.get("name") if isinstance(workload, Mapping) else None
            names = (own, top or deployment_by_name(str(involved.get("kind") or ""), own))
            about[str(involved.get("namespace") or "")] |= {str(name) for name in names if name}
        yield event
