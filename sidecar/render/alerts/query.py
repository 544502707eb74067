"""Parts of searches, in the form in which OpenSearch gives them back: with the defaults that it would fill in.

A monitor that is read back is compared with what is wanted. In another form the two would never be equal.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sidecar.config.family import Family
from sidecar.config.model import Config
from sidecar.render import fields
from sidecar.render.alerts.alert import FOUND
from sidecar.render.indices import IndexFamily, index_pattern

Json = dict[str, Any]

MOST_BUCKETS = 1000
_LONGEST = 300
"""Characters of a text in a message that may have fifty of them."""
PERIOD_END = "{{period_end}}"
"""What the alerting plugin replaces by the milliseconds at which the monitor runs."""


def term(field: str, value: object) -> Json:
    """Exactly this value."""
    return {"term": {field: {"value": value, "boost": 1.0}}}


def terms(field: str, values: Sequence[str]) -> Json:
    """One of these values."""
    return {"terms": {field: list(values), "boost": 1.0}}


def phrase(field: str, text: str) -> Json:
    """These words, one after the other."""
    return {"match_phrase": {field: {"query": text, "slop": 0, "zero_terms_query": "NONE", "boost": 1.0}}}


def exists(field: str) -> Json:
    """Any value at all."""
    return {"exists": {"field": field, "boost": 1.0}}


def between(oldest: timedelta, newest: timedelta = timedelta()) -> Json:
    """Within a span of time that is told by how long ago its ends are."""
    return {
        "range": {
            fields.TIMESTAMP: {
                "from": _ago(oldest),
                "to": _ago(newest),
                "include_lower": True,
                "include_upper": True,
                "format": "epoch_millis",
                "boost": 1.0,
            }
        }
    }


def both(*clauses: Json) -> Json:
    """All of them."""
    return {"bool": {"filter": list(clauses), "adjust_pure_negative": True, "boost": 1.0}}


def either(*clauses: Json) -> Json:
    """At least one of them."""
    return {
        "bool": {"should": list(clauses), "adjust_pure_negative": True, "minimum_should_match": "1", "boost": 1.0},
    }


def script(source: str) -> Json:
    """Painless."""
    return {"source": source, "lang": "painless"}


def search(config: Config, period: timedelta, *clauses: Json, aggregations: Json, newest: Sequence[str] = ()) -> Json:
    """A search for documents of this cluster.

    Args:
        config: For the cluster's name.
        period: How far back.
        clauses: What else must hold.
        aggregations: By name.
        newest: Fields of the newest document that are wanted with the answer; none wants no document.
    """
    return {
        "size": 1 if newest else 0,
        "query": both(term(fields.CLUSTER, config.cluster), between(period), *clauses),
        "track_total_hits": 2**31 - 1,
        **({"_source": _only(newest), "sort": _newest_first()} if newest else {}),
        **({"aggregations": aggregations} if aggregations else {}),
    }


def distinct(field: str) -> Json:
    """How many values there are."""
    return {"cardinality": {"field": field}}


def largest(field: str) -> Json:
    """The largest number, or the newest time."""
    return {"max": {"field": field}}


def most_frequent(field: str, count: int) -> Json:
    """The most frequent values."""
    return {
        "terms": {"field": field, "size": count, "min_doc_count": 1, "order": [{"_count": "desc"}, {"_key": "asc"}]}
    }


def newest_document(*wanted: str) -> Json:
    """These fields of the newest document."""
    return {"top_hits": {"from": 0, "size": 1, "_source": _only(wanted), "sort": _newest_first()}}


def shortened_document(cut: str, *wanted: str) -> Json:
    """These fields of the newest document, and the beginning of a long text, as a field of its name.

    A stack trace is one line of a log, and several channels refuse a message of some thousand characters.
    """
    half = f"Character.isHighSurrogate(text.charAt({_LONGEST - 1}))"
    source = (
        f"def text = params._source.{cut}; if (text == null || text.length() <= {_LONGEST}) {{ return text }} "
        f"return text.substring(0, {half} ? {_LONGEST - 1} : {_LONGEST}) + '...'"
    )
    found = newest_document(*wanted)
    found["top_hits"]["script_fields"] = {cut: {"script": script(source), "ignore_failure": False}}
    return found


def groups(sources: Sequence[Json], parts: Json, *, paths: Mapping[str, str], condition: str, order: str) -> Json:
    """The aggregation `FOUND`: a bucket for each group of documents that the condition holds for.

    Args:
        sources: What a group has in common: each a `field` or a `script`.
        parts: Aggregations of each group, by name.
        paths: See `Alert.paths`.
        condition: See `Alert.condition`. It stands in the monitor's trigger too. Here it leaves in the answer, from
            which the message is made, what is alerted on, and nothing else.
        order: A path within a group: the greatest come first, and others than the first 1000 are not looked at.
    """
    kind: Json = {"multi_terms": {"terms": list(sources)}}
    if len(sources) == 1:
        kind = {"terms": dict(sources[0])}
    body = next(iter(kind.values()))
    body |= {"size": MOST_BUCKETS, "min_doc_count": 1, "order": [{order: "desc"}, {"_key": "asc"}]}
    selected = {"bucket_selector": {"buckets_path": dict(paths), "script": script(condition), "gap_policy": "skip"}}
    return {FOUND: {**kind, "aggregations": {**parts, "alerting": selected}}}


def pattern(family: IndexFamily | Family) -> str:
    """A pattern with a `*`, also where a family has one index, which need not be there yet.

    The `*` is within that index's name, where hardly any other name fits. `NAME*` would be `NAME-of-somebody` too, and
    who may not read all that a pattern matches may read nothing.
    """
    found = index_pattern(family)
    return found if "*" in found else f"{found[:1]}*{found[1:]}"


def _ago(time: timedelta) -> str:
    return f"{PERIOD_END}||-{int(time.total_seconds())}s" if time else PERIOD_END


def _only(wanted: Sequence[str]) -> Json:
    return {"includes": list(wanted), "excludes": []}


def _newest_first() -> list[Json]:
    return [{fields.TIMESTAMP: {"order": "desc", "unmapped_type": "date"}}]
