"""A report that has something of everything, for tests of the page."""

from datetime import UTC, datetime, timedelta

from sidecar.events.problems import Problem
from sidecar.report.buckets import Axis
from sidecar.report.model import (
    About,
    Check,
    DeadLetters,
    Delays,
    Events,
    Freshness,
    Gap,
    Health,
    Index,
    Logs,
    Others,
    Problems,
    Report,
    Warnings,
    Writer,
)

END = datetime(2026, 11, 27, 8, 3, 22, tzinfo=UTC)
START = END - timedelta(hours=24)


def about(start: datetime = START, end: datetime = END, *, title: str = "Report on demo") -> About:
    """What a report is about that was made at its end."""
    return About(
        title=title,
        cluster="demo",
        namespace="",
        start=start,
        end=end,
        made=end,
        url="http://127.0.0.1:9200",
        looked=("eks-kubernetes-events-*", "eks-pod-logs-*", "fluent-sidecar-dead-letter"),
        version="0.1.0",
    )


def empty_report() -> Report:
    """Nothing was found, of any time."""
    return Report(
        about(), Axis.of(START, END), health=Health(fresh=(Freshness("Pod logs", "eks-pod-logs-*", None, 0),))
    )


def full_report(text: str = "no route to host", name: str = "web") -> Report:
    """Something of everything.

    Args:
        text: Stands where messages and reasons are.
        name: Stands where names are.
    """
    axis = Axis.of(START, END)
    hours = [(at * 7) % 24 for at in range(axis.count)]
    warning = tuple(at % 5 for at in hours)
    lines = tuple(40_000 + 1_000 * at for at in hours)
    return Report(
        about=about(title=f"Report on {name}"),
        axis=axis,
        events=Events(
            normal=tuple(hours),
            warning=warning,
            warnings=(
                Warnings(name, text, 26, END, text),
                Warnings("", "FailedScheduling", 2, None, ""),
            ),
            gaps=(Gap(END - timedelta(hours=5), END - timedelta(hours=3), "history"),),
        ),
        problems=Problems(
            open=(_problem(name, text),),
            resolved=(_problem(name, text, END - timedelta(minutes=4)), _problem("cart", text, END)),
        ),
        logs=Logs(
            lines=lines,
            errors=tuple(each // 50 for each in lines),
            writers=(
                Writer(name, "Deployment", name, 2_000_000, 4_000),
                Writer("", "control plane", "kube-apiserver", 900_000, 0),
                Writer("shop", "container", "main", 17, 17),
            ),
            others=Others(5, 0),
        ),
        health=Health(
            checks=(
                Check("ok", "Documents arrive", "the newest document: 3 s ago"),
                Check("warn", "Events without gaps", "1 gap"),
                Check("fail", "Indices", text),
                Check("unknown", "Templates and retention", text),
            ),
            fresh=(
                Freshness("Pod logs", "eks-pod-logs-*", END - timedelta(seconds=3), 2_900_022),
                Freshness("Logs of the control plane", "eks-control-plane-logs-*", None, 0),
            ),
            delays=Delays(500, timedelta(seconds=1.2), timedelta(seconds=9)),
            letters=(DeadLetters("mapper_parsing_exception", name, 3, END, text),),
            indices=(
                Index(f"{name}-2026.11.27", "green", 2_900_022, 612_345_678),
                Index("fluent-sidecar-dead-letter", "", 3, 4_000),
            ),
        ),
        incomplete="1 of 3 shards did not answer",
    )


def _problem(name: str, text: str, resolved: datetime | None = None) -> Problem:
    return Problem(
        namespace=name,
        kind="Deployment",
        name=name,
        reasons=("FailedMount", "BackOff"),
        first_seen=END - timedelta(hours=2),
        last_seen=END - timedelta(minutes=5),
        count=51,
        message=text,
        resolved_at=resolved,
        resolved_by=f"Started pod/{name}-7d47686c85-nml26" if resolved else "",
    )
