"""What OpenSearch alone can tell of the pipeline, and what it comes to. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from sidecar.report import answers, text
from sidecar.report.answers import Answers
from sidecar.report.model import About, Check, DeadLetters, Delays, Freshness, Gap, Health, Index

Json = Mapping[str, Any]

SILENCE = timedelta(hours=1)
"""So long nothing may arrive before it is to be looked at."""
SLOW = timedelta(minutes=1)
"""So long a line may wait."""
_SKEWED = "-skewed"
_NAMED = 5


def health(found: Answers, families: Iterable[tuple[str, str]], gaps: Sequence[Gap], about: About) -> Health:
    """What is known, and a judgement of each thing.

    Args:
        found: The answers.
        families: What each family of indices holds, and its pattern.
        gaps: Of the window.
        about: When it was asked, and whether there are lines at all.
    """
    fresh = tuple(_fresh(found.newest, families))
    letters = tuple(sorted(_letters(found.letters), key=lambda each: (-each.count, each.error, each.index)))
    indices = tuple(sorted(_indices(found.stats, found.healths), key=lambda each: (-each.size, each.name)))
    delays = _delays(found.delays)
    failed = found.failed
    checks = (
        _arriving(fresh, about.made, failed.get("newest", "")),
        _without_gaps(gaps, failed.get("gaps", "")),
        _taken(letters, failed.get("letters", "")),
        *([_quick(delays, failed.get("delays", ""))] if about.logs else []),
        _stored(indices, failed.get("stats", ""), known="healths" not in failed),
        _as_written(found.pending, failed.get("pending", "")),
        *_on_time(indices),
    )
    return Health(checks, fresh, delays, letters, indices)


# What is known


def _fresh(newest: Json, families: Iterable[tuple[str, str]]) -> Iterator[Freshness]:
    by_index = {
        answers.text_of(each["key"]): (answers.time_of(each, "newest"), int(each["doc_count"]))
        for each in answers.buckets(newest, "index")
    }
    for title, pattern in families:
        held = [one for name, one in by_index.items() if fnmatchcase(name, pattern)]
        moments = [moment for moment, _ in held if moment]
        yield Freshness(title, pattern, max(moments, default=None), sum(documents for _, documents in held))


def _letters(answer: Json) -> Iterator[DeadLetters]:
    for error in answers.buckets(answer, "errors"):
        for target in answers.buckets(error, "targets"):
            yield DeadLetters(
                answers.text_of(error["key"]),
                answers.text_of(target["key"]),
                target["doc_count"],
                answers.time_of(target, "newest"),
                answers.example(target, "error.reason"),
            )


def _indices(stats: Json, healths: Json) -> Iterator[Index]:
    known = healths.get("indices", {})
    for name, told in stats.get("indices", {}).items():
        yield Index(
            name=name,
            health=answers.text_of(known.get(name, {}).get("status")),
            documents=int(told["primaries"]["docs"]["count"]),
            size=int(told["total"]["store"]["size_in_bytes"]),
        )


def _delays(answer: Json) -> Delays | None:
    waited = []
    for hit in answers.hits(answer):
        written, read = (hit.get("fields", {}).get(name) for name in ("@timestamp", "observedTimestamp"))
        if written and read:
            waited.append(float(read[0]) - float(written[0]))
    if not waited:
        return None
    waited.sort()
    half, nearly = (waited[min(int(len(waited) * share), len(waited) - 1)] for share in (0.5, 0.99))
    return Delays(len(waited), timedelta(milliseconds=half), timedelta(milliseconds=nearly))


# What it comes to


def _arriving(fresh: Sequence[Freshness], now: datetime, failed: str) -> Check:
    name = "Documents arrive"
    if failed:
        return Check("unknown", name, failed)
    # What claims to be of the future says nothing of today.
    moments = [each.newest for each in fresh if each.newest and each.newest <= now + SILENCE]
    if not any(each.documents for each in fresh):
        return Check("fail", name, "OpenSearch has no document of this cluster, of any time")
    if not moments:
        return Check("warn", name, "no document has a time that can be right")
    told = f"the newest document: {text.ago(max(moments), now)}"
    if now - max(moments) > SILENCE:
        return Check("warn", name, f"{told}; a cluster is seldom silent that long: sidecar doctor says what is wrong")
    return Check("ok", name, told)


def _without_gaps(gaps: Sequence[Gap], failed: str) -> Check:
    name = "Events without gaps"
    if failed:
        return Check("unknown", name, failed)
    if gaps:
        return Check(
            "warn", name, f"{_many(len(gaps), 'gap')}: events or versions of them may be missing, as listed above"
        )
    return Check("ok", name, "no gap is known in this window")


def _taken(letters: Sequence[DeadLetters], failed: str) -> Check:
    name = "OpenSearch takes all documents"
    if failed:
        return Check("unknown", name, failed)
    refused = sum(each.count for each in letters)
    if refused:
        return Check("warn", name, f"{_many(refused, 'document')} refused in this window, kept as dead letters")
    return Check("ok", name, "none was refused in this window")


def _quick(delays: Delays | None, failed: str) -> Check:
    name = "Lines are read soon"
    if failed:
        return Check("unknown", name, failed)
    if delays is None:
        return Check("unknown", name, "no line in this window says when it was read; events don't say it at all")
    told = (
        f"half of the newest {_many(delays.lines, 'line')} waited {text.span(delays.median)} at most, "
        f"99 of 100 {text.span(delays.most)}"
    )
    return Check("warn" if delays.most > SLOW else "ok", name, told)


def _stored(indices: Sequence[Index], failed: str, *, known: bool) -> Check:
    name = "Indices"
    if failed:
        return Check("unknown", name, failed)
    size = text.size(sum(each.size for each in indices))
    told = f"{_many(len(indices), 'index', 'indices')}, {size} with all copies"
    if not known:
        return Check("unknown", name, f"{told}; whether they are healthy, this user may not ask")
    healths = Counter(each.health for each in indices)
    if healths["red"]:
        return Check("fail", name, f"{told}; {healths['red']} red: some documents can't be read or written")
    if healths["yellow"]:
        return Check("warn", name, f"{told}; {healths['yellow']} yellow: copies are missing, such as on a single node")
    return Check("ok" if indices else "warn", name, told)


def _as_written(pending: Sequence[str], failed: str) -> Check:
    name = "Templates and retention"
    if failed:
        return Check("unknown", name, failed)
    if pending:
        more = f" and {len(pending) - _NAMED} more" if len(pending) > _NAMED else ""
        named = ", ".join(pending[:_NAMED])
        return Check(
            "warn", name, f"not as pipeline.yaml says: {named}{more}; sidecar plan shows it, sidecar apply mends it"
        )
    return Check("ok", name, "as pipeline.yaml says")


def _on_time(indices: Sequence[Index]) -> Iterator[Check]:
    skewed = sum(each.documents for each in indices if each.name.endswith(_SKEWED))
    if skewed:
        yield Check(
            "warn",
            "Clocks",
            f"{_many(skewed, 'line')} from more than a day ahead: a container's or node's clock is wrong",
        )


def _many(count: int, one: str, more: str = "") -> str:
    return f"{text.number(count)} {one if count == 1 else more or one + 's'}"
