"""What OpenSearch answers, read: counts in their places, and odd answers without harm."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.config import loads
from sidecar.events.problems import Problem
from sidecar.report import answers
from sidecar.report.answers import Answers
from sidecar.report.buckets import Axis
from sidecar.report.health import health
from sidecar.report.make import understand
from sidecar.report.model import Gap, Others, Warnings, Writer
from tests.support.report import END, about

AXIS = Axis.of(END - timedelta(hours=1), END)
CONFIG = loads("cluster: demo\nopensearch: {url: 'http://127.0.0.1:9200'}\n")
Json = dict[str, Any]


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def bucket(key: Any, count: int, **more: Json) -> Json:
    return {"key": key, "doc_count": count, **more}


def of(**aggregations: Any) -> Json:
    return {"aggregations": aggregations}


def errors(count: int) -> Json:
    return {"errors": {"doc_count": count}}


def test_events_are_spread_over_time_and_warnings_told_by_what_they_are() -> None:
    start = AXIS.starts[3]
    example = {"hits": {"hits": [{"_source": {"message": "no such secret"}}]}}
    reasons = [bucket("FailedMount", 2, newest={"value": milliseconds(END)}, example=example), bucket("Failed", 5)]
    answer = of(
        time={"buckets": [bucket(milliseconds(start), 7, warnings={"doc_count": 3})]},
        warnings={"doc_count": 7, "namespaces": {"buckets": [bucket("", 7, reasons={"buckets": reasons})]}},
    )
    told = {"from": "2026-11-27T07:10:00Z", "to": "2026-11-27T07:20:00.000Z", "cause": "outage"}
    gaps = {"hits": {"hits": [{"_source": {"gap": told}}, {"_source": {"gap": {"from": "never"}}}]}}

    found = answers.events(answer, gaps, AXIS)

    assert (found.normal[3], found.warning[3]) == (4, 3)
    assert (found.total, found.warnings_total) == (7, 3)
    assert found.warnings == (
        Warnings("", "Failed", 5, None, ""),
        Warnings("", "FailedMount", 2, END, "no such secret"),
    )
    gap = Gap(datetime(2026, 11, 27, 7, 10, tzinfo=UTC), datetime(2026, 11, 27, 7, 20, tzinfo=UTC), "outage")
    assert found.gaps == (gap,)


def test_lines_are_told_by_workload_container_unit_and_component() -> None:
    start = milliseconds(AXIS.starts[0])
    names = {"buckets": [bucket("web", 60, **errors(6))]}
    kinds = {"buckets": [bucket("Deployment", 60, names=names)]}
    unknown = {
        "doc_count": 30,
        "namespaces": {"buckets": [bucket("ops", 20, containers={"buckets": [bucket("main", 20, **errors(0))]})]},
        "units": {"buckets": [bucket("kubelet.service", 10, **errors(1))]},
    }
    pods = of(
        time={"buckets": [bucket(start, 95, **errors(7))]},
        workloads={"buckets": [bucket("shop", 60, kinds=kinds)]},
        unknown=unknown,
    )
    plane = of(
        time={"buckets": [bucket(start, 5, **errors(2))]}, components={"buckets": [bucket("audit", 5, **errors(2))]}
    )

    found = answers.logs(pods, plane, AXIS)

    assert (found.lines[0], found.errors[0], found.lines_total) == (100, 9, 100)
    assert found.writers == (
        Writer("shop", "Deployment", "web", 60, 6),
        Writer("ops", "container", "main", 20, 0),
        Writer("", "unit", "kubelet.service", 10, 1),
        Writer("", "control plane", "audit", 5, 2),
    )
    assert found.others == Others(5, 0)


def test_who_logs_little_but_errors_is_shown_too() -> None:
    names = [bucket(f"big-{at}", 1_000 - at, **errors(0)) for at in range(answers.WRITERS + 5)]
    names.append(bucket("small", 1, **errors(1)))
    kinds = {"buckets": [bucket("Deployment", 9, names={"buckets": names})]}

    found = answers.logs(of(workloads={"buckets": [bucket("shop", 9, kinds=kinds)]}), {}, AXIS)

    assert len(found.writers) == answers.WRITERS + 1
    assert found.writers[-1].name == "small"


def test_problems_come_with_what_happened_last_at_the_head() -> None:
    def problem(name: str, minutes: int, *, over: bool = False) -> Problem:
        last = END - timedelta(minutes=minutes)
        return Problem("shop", "Deployment", name, ("Failed",), last, last, 1, "", last if over else None)

    found = answers.problems([problem("old", 9), problem("over", 4, over=True), problem("new", 1)])

    assert [each.name for each in found.open] == ["new", "old"]
    assert [each.name for each in found.resolved] == ["over"]


FAMILIES = [("Pod logs", "pods-*"), ("Kubernetes Events", "events-*")]


def states(found: Answers, gaps: tuple[Gap, ...] = ()) -> dict[str, str]:
    return {check.name: check.state for check in health(found, FAMILIES, gaps, about()).checks}


def newest(minutes: float, name: str = "pods-2026.11.27") -> Json:
    moment = {"value": milliseconds(END - timedelta(minutes=minutes))}
    return of(index={"buckets": [bucket(name, 40, newest=moment)]})


def stats(**documents: int) -> Json:
    return {
        "indices": {
            name: {"primaries": {"docs": {"count": count}}, "total": {"store": {"size_in_bytes": 1_000 * count}}}
            for name, count in documents.items()
        }
    }


def waited(*seconds: float) -> Json:
    written = milliseconds(END)
    return {
        "hits": {
            "hits": [
                {"fields": {"@timestamp": [str(written)], "observedTimestamp": [str(written + 1000 * each)]}}
                for each in seconds
            ]
        }
    }


def test_a_pipeline_that_does_well_is_fine() -> None:
    found = Answers(
        newest=newest(1),
        delays=waited(*[1] * 99, 5),
        stats=stats(pods=4),
        healths={"indices": {"pods": {"status": "green"}}},
    )

    assert set(states(found).values()) == {"ok"}
    told = health(found, FAMILIES, (), about())
    assert (told.fresh[0].documents, told.fresh[1].documents) == (40, 0)
    assert told.fresh[0].newest == END - timedelta(minutes=1)
    assert told.delays
    assert told.delays.most == timedelta(seconds=5)
    assert (told.indices[0].health, told.indices[0].size) == ("green", 4_000)


def test_what_is_wrong_is_said() -> None:
    gap = Gap(END - timedelta(hours=2), END - timedelta(hours=1), "outage")
    targets = {"buckets": [bucket("pods-1", 3)]}
    found = Answers(
        newest=newest(200),
        letters=of(errors={"buckets": [bucket("mapper_parsing_exception", 3, targets=targets)]}),
        delays=waited(2, 300),
        stats=stats(**{"pods-1": 4, "pods-skewed": 2}),
        healths={"indices": {"pods-1": {"status": "red"}}},
        pending=["index template a (create)"],
    )

    told = states(found, (gap,))
    assert told == {
        "Documents arrive": "warn",
        "Events without gaps": "warn",
        "OpenSearch takes all documents": "warn",
        "Lines are read soon": "warn",
        "Indices": "fail",
        "Templates and retention": "warn",
        "Clocks": "warn",
    }


def test_without_any_document_nothing_arrives() -> None:
    assert states(Answers())["Documents arrive"] == "fail"


def test_documents_of_the_future_say_nothing_of_today() -> None:
    assert states(Answers(newest=newest(-60 * 24 * 3)))["Documents arrive"] == "warn"


def test_what_could_not_be_asked_is_not_judged() -> None:
    failed = dict.fromkeys(("newest", "gaps", "letters", "delays", "stats", "pending"), "403")

    assert set(states(Answers(failed=failed)).values()) == {"unknown"}
    assert states(Answers(stats=stats(pods=4), failed={"healths": "403"}))["Indices"] == "unknown"


def test_an_odd_answer_costs_its_own_part_of_the_report() -> None:
    found = Answers(events={"aggregations": {"time": {"buckets": [{"key": 1}]}}}, logs=of(time={"buckets": ["odd"]}))

    report = understand(found, about(), AXIS, CONFIG)

    assert set(report.failed) == {"events", "logs"}
    assert "can't be understood" in report.failed["events"]
    assert not report.is_empty


def test_answers_without_an_index_are_an_empty_report() -> None:
    nothing: Json = {"hits": {"hits": []}}

    report = understand(
        Answers(nothing, nothing, [], nothing, nothing, nothing, nothing, nothing), about(), AXIS, CONFIG
    )

    assert report.failed == {}
    assert report.is_empty
