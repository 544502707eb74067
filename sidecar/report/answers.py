"""What OpenSearch answers -> what a report says. Pure; an answer in a form that nobody foresaw is no reason to fail."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sidecar.events.problems import Problem
from sidecar.report.buckets import Axis
from sidecar.report.model import Events, Gap, Logs, Others, Problems, Warnings, Writer

Json = Mapping[str, Any]

WRITERS, ERRING = 20, 10
"""How many writers are shown for their lines, and for their errors."""


@dataclass(frozen=True)
class Answers:
    """What OpenSearch said; an answer that is missing is empty, and `failed` has the reason by its name.

    Attributes:
        incomplete: What did not answer to a search, in words.
        url: OpenSearch.
    """

    events: dict[str, Any] = field(default_factory=dict)
    gaps: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    logs: dict[str, Any] = field(default_factory=dict)
    control_plane: dict[str, Any] = field(default_factory=dict)
    newest: dict[str, Any] = field(default_factory=dict)
    letters: dict[str, Any] = field(default_factory=dict)
    delays: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    healths: dict[str, Any] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    incomplete: str = ""
    url: str = ""


def events(answer: Json, gaps: Json, axis: Axis) -> Events:
    """Events from the answers to `queries.events` and `queries.gaps`."""
    time = list(buckets(answer, "time"))
    warning = axis.spread({bucket["key"]: count(bucket, "warnings") for bucket in time})
    everything = axis.spread({bucket["key"]: bucket["doc_count"] for bucket in time})
    return Events(
        normal=tuple(whole - part for whole, part in zip(everything, warning, strict=True)),
        warning=warning,
        warnings=tuple(sorted(_warnings(answer), key=lambda each: (-each.count, each.namespace, each.reason))),
        gaps=tuple(_gaps(gaps)),
    )


def _warnings(answer: Json) -> Iterator[Warnings]:
    for namespace in buckets(part(answer, "warnings"), "namespaces"):
        for reason in buckets(namespace, "reasons"):
            yield Warnings(
                text_of(namespace["key"]),
                text_of(reason["key"]),
                reason["doc_count"],
                time_of(reason, "newest"),
                example(reason, "message"),
            )


def _gaps(answer: Json) -> Iterator[Gap]:
    for hit in hits(answer):
        gap = hit.get("_source", {}).get("gap", {})
        start, end = instant(gap.get("from")), instant(gap.get("to"))
        if start and end:
            yield Gap(start, end, text_of(gap.get("cause")))


def problems(found: Iterable[Problem]) -> Problems:
    """Open and resolved ones, what happened last at the head."""
    told = list(found)
    over = [(each.resolved_at, each) for each in told if each.resolved_at]
    return Problems(
        open=tuple(sorted((each for each in told if not each.resolved_at), key=lambda each: each.last_seen)[::-1]),
        resolved=tuple(each for _, each in sorted(over, key=lambda pair: pair[0], reverse=True)),
    )


def logs(answer: Json, control_plane: Json, axis: Axis) -> Logs:
    """Logs from the answers to `queries.logs` and `queries.control_plane`; an empty one has no lines."""
    answers = (answer, control_plane)
    lines = _sum(axis.spread({each["key"]: each["doc_count"] for each in buckets(one, "time")}) for one in answers)
    errors = _sum(axis.spread({each["key"]: count(each, "errors") for each in buckets(one, "time")}) for one in answers)
    writers = [*_writers(answer), *_components(control_plane)]
    shown = _most(writers)
    rest_lines = sum(lines) - sum(each.lines for each in shown)
    rest_errors = sum(errors) - sum(each.errors for each in shown)
    others = Others(rest_lines, max(rest_errors, 0)) if rest_lines > 0 else None
    return Logs(lines, errors, tuple(shown), others)


def _most(writers: Sequence[Writer]) -> list[Writer]:
    by_lines = sorted(writers, key=lambda each: (-each.lines, each.namespace, each.name, each.kind))
    erring = sorted((each for each in by_lines if each.errors), key=lambda each: -each.errors)[:ERRING]
    chosen = {*by_lines[:WRITERS], *erring}
    return [each for each in by_lines if each in chosen]


def _writers(answer: Json) -> Iterator[Writer]:
    for namespace in buckets(answer, "workloads"):
        for kind in buckets(namespace, "kinds"):
            yield from _named(kind, "names", text_of(namespace["key"]), text_of(kind["key"]))
    unknown = part(answer, "unknown")
    for namespace in buckets(unknown, "namespaces"):
        yield from _named(namespace, "containers", text_of(namespace["key"]), "container")
    yield from _named(unknown, "units", "", "unit")


def _components(answer: Json) -> Iterator[Writer]:
    return _named(answer, "components", "", "control plane")


def _named(holder: Json, name: str, namespace: str, kind: str) -> Iterator[Writer]:
    for each in buckets(holder, name):
        yield Writer(namespace, kind, text_of(each["key"]), each["doc_count"], count(each, "errors"))


def _sum(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True)))


# Reading an answer


def part(holder: Json, name: str) -> Json:
    """An aggregation of an answer, or one within a bucket; empty where there was nothing to count."""
    found = holder.get("aggregations", holder)
    inner = found.get(name, {}) if isinstance(found, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {}


def buckets(holder: Json, name: str) -> list[Json]:
    """The buckets of one; none without a single index."""
    return list(part(holder, name).get("buckets", []))


def count(holder: Json, name: str) -> int:
    """The documents of a filter within a bucket."""
    return int(part(holder, name).get("doc_count", 0))


def hits(answer: Json) -> list[Json]:
    """The hits of an answer."""
    return list(answer.get("hits", {}).get("hits", []))


def time_of(holder: Json, name: str) -> datetime | None:
    """The time that a `max` of a date field says."""
    value = part(holder, name).get("value")
    return at(value) if isinstance(value, int | float) else None


def example(holder: Json, field: str) -> str:
    """What a field, named by its path, holds in the one hit of a `top_hits`."""
    found = hits(part(holder, name="example"))
    value: Any = found[0].get("_source") if found else None
    for name in field.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return text_of(value)


def text_of(value: Any) -> str:
    """A text; empty for what is none."""
    return value if isinstance(value, str) else ""


def instant(value: Any) -> datetime | None:
    """A time as documents have it; None for what is none."""
    try:
        moment = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def at(milliseconds: float) -> datetime | None:
    """A time by milliseconds since 1970; None for one beyond all calendars."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
