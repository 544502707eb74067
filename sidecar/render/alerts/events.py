"""Alerts on Events.

Every version of an Event is a document, so Events are counted by the number of values of `metadata.uid`. How often one
was seen is its `count`: of one that goes on Kubernetes sends ever fewer versions - after some minutes one in five
minutes for each object - so the number of documents says little.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sidecar.config.alerts import CrashLoops, FailedMounts, ImagePull
from sidecar.config.model import Config
from sidecar.config.units import format_duration
from sidecar.render import fields
from sidecar.render.alerts.alert import Alert
from sidecar.render.alerts.message import each, frequent, newest
from sidecar.render.alerts.query import (
    between,
    both,
    distinct,
    either,
    exists,
    groups,
    largest,
    most_frequent,
    newest_document,
    pattern,
    phrase,
    script,
    search,
    term,
    terms,
)

Json = dict[str, Any]

_REASON, _MESSAGE, _COUNT, _UID = "reason", "message", "count", "metadata.uid"
_NAMESPACE, _KIND, _NAME = "metadata.namespace", "involvedObject.kind", "involvedObject.name"
_WORKLOAD = (
    "doc.containsKey('workload.name') && doc['workload.name'].size() > 0"
    " ? doc['workload.kind'].value + '/' + doc['workload.name'].value"
    f" : doc['{_KIND}'].value + '/' + doc['{_NAME}'].value"
)
"""The workload, or the object itself where it belongs to none, or that is not known."""

_QUIET = timedelta(minutes=35)
"""The scheduler says again after 30 minutes at the latest that it still finds no node."""


def event_alerts(config: Config) -> Iterator[Alert]:
    """All of them."""
    yield _warnings(config)
    yield _image_pull(config)
    yield _crash_loops(config)
    yield _failed_mounts(config)
    yield _unschedulable(config)
    yield _gaps(config)


def _warnings(config: Config) -> Alert:
    wanted = config.alerts.monitors.warnings
    parts = {
        "events": distinct(_UID),
        "reasons": most_frequent(_REASON, 3),
        "namespaces": most_frequent(_NAMESPACE, 3),
    }
    latest = newest(
        "{{{_source.metadata.namespace}}} {{{_source.involvedObject.kind}}}/{{{_source.involvedObject.name}}} "
        "{{{_source.reason}}}: {{{_source.message}}}"
    )
    return Alert(
        key="warnings",
        title="many Events of the type Warning",
        severity=3,
        enabled=wanted.enabled,
        period=wanted.period,
        indices=[pattern(config.events)],
        search=search(
            config,
            wanted.period,
            term("type", "Warning"),
            term("kind", "Event"),
            aggregations=parts,
            newest=[_MESSAGE, _REASON, _NAMESPACE, _KIND, _NAME],
        ),
        # Without an index there are no aggregations.
        condition=(f"ctx.results[0].aggregations != null && ctx.results[0].aggregations.events.value > {wanted.above}"),
        text=(
            f"{{{{ctx.results.0.aggregations.events.value}}}} in {format_duration(wanted.period)}, "
            f"more than {wanted.above}\n"
            f"Reasons, by documents: {frequent('reasons')}\n"
            f"Namespaces: {frequent('namespaces')}\n"
            f"Newest: {latest}\n"
            "Look at: kubectl get events -A --field-selector type=Warning"
        ),
    )


def _image_pull(config: Config) -> Alert:
    said = either(
        both(term(_REASON, "Failed"), phrase(_MESSAGE, "Failed to pull image")),
        both(term(_REASON, "BackOff"), phrase(_MESSAGE, "Back-off pulling image")),
        terms(_REASON, ["ErrImageNeverPull", "InspectFailed"]),
    )
    return _failing_workload(
        config,
        config.alerts.monitors.image_pull,
        said,
        key="image-pull",
        title="images that can't be pulled",
        look="kubectl describe pod -n NAMESPACE POD; is the image's name right, and may the node pull it?",
    )


def _crash_loops(config: Config) -> Alert:
    return _failing_workload(
        config,
        config.alerts.monitors.crash_loops,
        both(term(_REASON, "BackOff"), phrase(_MESSAGE, "Back-off restarting failed container")),
        key="crash-loops",
        title="containers that crash again and again",
        look="kubectl logs -n NAMESPACE POD --previous",
    )


def _failed_mounts(config: Config) -> Alert:
    return _failing_workload(
        config,
        config.alerts.monitors.failed_mounts,
        terms(_REASON, ["FailedMount", "FailedAttachVolume"]),
        key="failed-mounts",
        title="volumes that can't be mounted",
        look="kubectl describe pod -n NAMESPACE POD; are the Secrets, ConfigMaps and claims that it names there?",
    )


def _failing_workload(
    config: Config, wanted: ImagePull | CrashLoops | FailedMounts, said: Json, *, key: str, title: str, look: str
) -> Alert:
    """An alert for each workload of which something is said too often: in one Event, or in as many."""
    paths = {"events": "events", "times": "times"}
    condition = f"params.events > {wanted.above} || params.times > {wanted.above}"
    found = groups(
        [{"field": _NAMESPACE}, {"script": script(_WORKLOAD)}],
        {"events": distinct(_UID), "times": largest(_COUNT), "newest": newest_document(_MESSAGE, _NAME)},
        paths=paths,
        condition=condition,
        order="times",
    )
    return Alert(
        key=key,
        title=title,
        severity=2,
        enabled=wanted.enabled,
        period=wanted.period,
        indices=[pattern(config.events)],
        search=search(config, wanted.period, said, exists(_KIND), exists(_NAME), aggregations=found),
        condition=condition,
        paths=paths,
        text=each(
            "{{events.value}} Events, one of them up to {{times.value}} times; newest: "
            "{{#newest.hits.hits}}{{{_source.involvedObject.name}}}: {{{_source.message}}}{{/newest.hits.hits}}"
        )
        + f"Look at: {look}",
    )


def _unschedulable(config: Config) -> Alert:
    wanted = config.alerts.monitors.unschedulable
    back = wanted.period + _QUIET
    failed = term(_REASON, "FailedScheduling")
    latest = {"latest": largest(fields.TIMESTAMP)}
    parts = {
        "waiting": {"filter": both(failed, between(back, wanted.period))},
        "failed": {"filter": failed, "aggregations": latest},
        "scheduled": {"filter": term(_REASON, "Scheduled"), "aggregations": latest},
        "newest": newest_document(_MESSAGE, "workload"),
    }
    paths = {"waiting": "waiting>_count", "failed": "failed>latest", "scheduled": "scheduled>latest"}
    # Of a pod that was never scheduled `scheduled` is no number, and nothing is greater or equal.
    condition = "params.waiting > 0 && !(params.scheduled >= params.failed)"
    return Alert(
        key="unschedulable",
        title="pods that no node takes",
        severity=2,
        enabled=wanted.enabled,
        period=wanted.period,
        indices=[pattern(config.events)],
        search=search(
            config,
            back,
            terms(_REASON, ["FailedScheduling", "Scheduled"]),
            aggregations=groups(
                [{"field": _NAMESPACE}, {"field": _NAME}], parts, paths=paths, condition=condition, order="waiting"
            ),
        ),
        condition=condition,
        paths=paths,
        text=each(
            "{{#newest.hits.hits}}{{#_source.workload}}{{{kind}}}/{{{name}}}, {{/_source.workload}}"
            "{{{_source.message}}}{{/newest.hits.hits}}"
        )
        + f"Waiting for more than {format_duration(wanted.period)}. "
        "Look at: kubectl describe pod -n NAMESPACE POD; does a node have what the pod asks for?",
    )


def _gaps(config: Config) -> Alert:
    wanted = config.alerts.monitors.gaps
    return Alert(
        key="gaps",
        title="Events may be missing",
        severity=2,
        enabled=wanted.enabled,
        period=wanted.period,
        indices=[pattern(config.events)],
        search=search(config, wanted.period, term("kind", fields.GAP), aggregations={}, newest=[_MESSAGE, "gap"]),
        condition=f"ctx.results[0].hits.total.value > {wanted.above}",
        text=(
            f"{{{{ctx.results.0.hits.total.value}}}} gaps in {format_duration(wanted.period)}\n"
            f"Newest: {newest('{{{_source.message}}}')}\n"
            "Look at: sidecar doctor; the sidecar's log and metrics (sidecar_events_gaps_total)"
        ),
    )
