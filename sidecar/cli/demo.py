"""`sidecar demo`: its options, its progress bar and its tables."""

import shutil
import sys
import textwrap
from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sidecar.dev.demo import Report, Taken
    from sidecar.events.problems import Problem

_BAR = 30


@click.command(short_help="Show the main job from end to end, on real parts.")
@click.option(
    "--opensearch",
    metavar="CHOICE",
    help="A URL, docker, or embedded: a real node made from Maven Central. Default: embedded, else docker.",
)
@click.option(
    "--cluster",
    metavar="CHOICE",
    help="A context of your kubeconfig, or kind. Default: a recording of a real cluster.",
)
@click.option("--keep", is_flag=True, help="Leave OpenSearch running, and the folder with logs and configuration.")
def demo(opensearch: str | None, cluster: str | None, *, keep: bool) -> None:
    """Show the main job from end to end: three workloads fail and recover, and OpenSearch knows.

    A real OpenSearch, a recording of a real cluster, and the Fluent Bit that is there; it says which parts it took.

    \b
    Examples:
      sidecar demo
      sidecar demo --keep
      sidecar demo --cluster kind --opensearch docker
      sidecar demo --opensearch https://opensearch.example:9200    (with OPENSEARCH_USER and OPENSEARCH_PASSWORD)
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    from sidecar.dev.demo import demo as run_demo  # noqa: PLC0415 - needs the clients

    progress = Progress()
    report = run_demo(
        opensearch=opensearch,
        cluster=cluster,
        keep=keep,
        progress=progress,
        announce=lambda taken: announce(progress, taken),
    )
    progress.clear()
    show(report)


class Progress:
    """One line that is written over on a terminal; elsewhere a line for each new thing."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = ""

    def __call__(self, text: str, fraction: float | None = None) -> None:
        """Show what happens now, and how much of it is done (0 to 1)."""
        if self._terminal:
            bar = "" if fraction is None else f"[{'#' * round(fraction * _BAR):-<{_BAR}}] "
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[K{(bar + text)[:width]}", nl=False, err=True)
            return
        # A count of seconds or megabytes in a log file would be a line a second.
        head = text.partition(":")[0]
        if head != self._last:
            click.echo(f"... {text}", err=True)
            self._last = head

    def clear(self) -> None:
        """Take the line away."""
        if self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)


def announce(progress: Progress, taken: "Taken") -> None:
    """Say which parts were taken."""
    progress.clear()
    click.echo("Parts")
    for name, text in (
        ("OpenSearch", taken.opensearch.description),
        ("Cluster", taken.cluster),
        ("Fluent Bit", taken.fluent_bit),
    ):
        click.echo(f"  {name:<11} {text}")
    click.echo()


def show(report: "Report") -> None:
    """Print what OpenSearch holds."""
    owed = "" if report.expected is None else f" of {report.expected} owed"
    click.echo(
        f"OpenSearch holds {report.events} events{owed}, {report.twice} of them twice, after {report.seconds:.0f} s\n"
    )
    _table(
        "Events by reason",
        ("TYPE", "REASON", "DOCUMENTS"),
        [(kind, reason, str(n)) for kind, reason, n in report.by_reason],
    )
    _table(
        "Documents per index", ("INDEX", "DOCUMENTS"), [(name, str(n)) for name, n in sorted(report.by_index.items())]
    )
    click.echo("Workloads that failed")
    for problem in report.problems:
        _problem(problem)
    click.echo()
    _next(report)


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    click.echo(title)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for number, row in enumerate([heads, *rows]):
        line = "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        colour = "yellow" if row[0] == "Warning" else None
        click.secho(line, bold=number == 0, fg=colour)
    click.echo()


def _problem(problem: "Problem") -> None:
    resolved = problem.resolved_at
    state = f"resolved {_clock(resolved)} by {problem.resolved_by}" if resolved else "open"
    click.secho(f"  {problem.namespace}/{problem.name} ({problem.kind})", bold=True, nl=False)
    click.echo(f"  {', '.join(problem.reasons)}, {problem.count} times")
    click.echo(f"    failed {_clock(problem.first_seen)}, ", nl=False)
    click.secho(state, fg="green" if resolved else "red")
    width = max(shutil.get_terminal_size((100, 24)).columns - 6, 40)
    for line in textwrap.wrap(problem.message, width):
        click.echo(f"    {line}")


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"


def _next(report: "Report") -> None:
    if report.kept_folder:
        url = report.taken.opensearch.url
        click.echo(f"Left running: {report.taken.opensearch.description}")
        click.echo(f"Left in {report.kept_folder}: pipeline.yaml, the rendered files, logs\n")
        click.echo("Next: ask OpenSearch yourself")
        click.echo(f"  curl -s '{url}/eks-kubernetes-events-*/_search?q=reason:FailedMount&size=1&pretty'")
        click.echo(f"  sidecar render-config -c {report.kept_folder}/pipeline.yaml --stdout fluent-bit.yaml")
    else:
        click.echo("Nothing was left running. Next: keep it, and ask OpenSearch yourself")
        click.echo("  sidecar demo --keep      (in a checkout: make demo ARGS=--keep)")
