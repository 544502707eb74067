"""`sidecar demo`: its options, its progress bar and its tables."""

import gc
import os
import shlex
import shutil
import sys
import textwrap
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sidecar.cli.terminal import echo

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
@click.option(
    "--report", "page", default="fluent-sidecar-report.html", show_default=True, metavar="FILE",
    help="Where the report goes, which stays.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Leave OpenSearch running, and the folder with logs and configuration.")
def demo(opensearch: str | None, cluster: str | None, page: str, *, keep: bool) -> None:
    """Show the main job from end to end: three workloads fail and recover, and OpenSearch knows. It ends with a report.

    A real OpenSearch, a recording of a real cluster, and the Fluent Bit that is there; it says which parts it took.

    \b
    Examples:
      sidecar demo
      sidecar demo --keep
      sidecar demo --cluster kind --opensearch docker
      sidecar demo --opensearch https://opensearch.example:9200

    For a server with users: OPENSEARCH_USER and OPENSEARCH_PASSWORD in the environment.
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    gc.enable()
    from sidecar.dev.demo import demo as run_demo  # noqa: PLC0415 - needs the clients

    progress = Progress()
    report = run_demo(
        opensearch=opensearch,
        cluster=cluster,
        page=Path(page),
        keep=keep,
        progress=progress,
        announce=lambda taken: announce(progress, taken),
    )
    progress.clear()
    show(report)


class Progress:
    """One line that is written over on a terminal; elsewhere a line for each new thing."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._last = ""

    def __call__(self, text: str, fraction: float | None = None) -> None:
        """Show what happens now, and how much of it is done (0 to 1)."""
        if self._terminal:
            bar = "" if fraction is None else f"[{'#' * round(fraction * _BAR):-<{_BAR}}] "
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[K{(bar + text)[:width]}", nl=False, err=True)
            return
        # A count of seconds, megabytes or events in a log file would be a line a second.
        head = text.partition(":")[0].lstrip("0123456789 ")
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
        echo(line, bold=(number == 0) or None, colour="yellow" if row[0] == "Warning" else None)
    click.echo()


def _problem(problem: "Problem") -> None:
    resolved = problem.resolved_at
    echo(f"  {problem.namespace}/{problem.name} ({problem.kind})", bold=True, newline=False)
    click.echo(f"  {', '.join(problem.reasons)}, seen {problem.count} times")
    click.echo(f"    failed   {_clock(problem.first_seen)}")
    if resolved:
        echo(f"    resolved {_clock(resolved)} by {problem.resolved_by}", colour="green")
    else:
        echo("    open", colour="red")
    width = max(shutil.get_terminal_size((100, 24)).columns - 6, 40)
    for line in textwrap.wrap(problem.message, width):
        click.echo(f"    {line}")


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"


def _next(report: "Report") -> None:
    program = shlex.quote(sys.argv[0])
    click.echo("The same and more as a page, to open in a browser:")
    click.echo(f"  {report.page.absolute().as_uri()}\n")
    if report.kept_folder is None:
        click.echo("Nothing else was left. Next: keep it, and ask OpenSearch yourself")
        click.echo(f"  {program} demo --keep")
        return
    folder, part = report.kept_folder, report.taken.opensearch
    click.echo("Next: ask OpenSearch yourself")
    click.echo(f"  curl -s '{part.url}/eks-kubernetes-events-*/_search?q=reason:FailedMount&size=1&pretty'")
    click.echo(f"  {program} render-config -c {folder}/pipeline.yaml --stdout fluent-bit.yaml")
    click.echo(f"Logs and rendered files are in {folder}. To stop and remove all:")
    click.echo(f"  {part.stop_command + '; ' if part.stop_command else ''}rm -r {folder}")
