"""`sidecar report`: its options."""

import gc
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from sidecar.cli.manage import config_option
from sidecar.cli.reading import now, refuse_both, when_options, window_of
from sidecar.errors import InputError


@click.command(short_help="Write what a cluster went through as one HTML file.")
@config_option
@click.option(
    "-o", "--output", default="report.html", show_default=True, metavar="FILE",
    help="An earlier report is replaced; - prints it.",
)  # fmt: skip
@when_options("24 hours ago")
@click.option("-n", "--namespace", metavar="NAME", help="This one alone.")
@click.option("-A", "--all-namespaces", is_flag=True, help="All of them; so it is without -n too.")
@click.option("--title", metavar="TEXT", help="Of the page. Default: one that names the cluster.")
@click.option("--force", is_flag=True, help="Replace a file that is no report.")
def report(
    *,
    config_file: str,
    output: str,
    since: str | None,
    until: str | None,
    namespace: str | None,
    title: str | None,
    all_namespaces: bool,
    force: bool,
) -> None:
    """Write what a cluster went through as one HTML file: problems, events, warnings, logs and how the pipeline does.

    It takes what OpenSearch has, which may be older than what Kubernetes remembers. The file needs no network and no
    script: mail it, print it, keep it.

    \b
    Examples:
      sidecar report -c pipeline.yaml
      sidecar report --since 2h -n payments -o payments.html
      sidecar report --since 2026-11-26T14:00Z --until 2026-11-26T16:00Z --title "Outage of Thursday"
      sidecar report --since 7d -o - | gzip > week.html.gz
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    gc.enable()
    from sidecar.config import load  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.report.file import write  # noqa: PLC0415
    from sidecar.report.make import make  # noqa: PLC0415
    from sidecar.report.page import page  # noqa: PLC0415

    refuse_both(namespace, everywhere=all_namespaces)
    if not output or output.endswith("/") or Path(output).is_dir():
        raise click.UsageError(f"-o wants a file, and {output!r} is none.")
    moment, when = now(), window_of(since, until, timedelta(days=1))
    # Before 1970 there were no clusters, and of the future nothing is known.
    start, end = max(when.since or moment, datetime.fromtimestamp(0, UTC)), min(when.until or moment, moment)
    if start >= end:
        told = f"--since {since} is not in the past" if start >= moment else f"--until {until} is too long ago"
        raise InputError(told, hint="an age counts back from now")
    made = make(load(config_file), start=start, end=end, now=moment, namespace=namespace or "", title=title or "")
    html = page(made)
    if output == "-":
        click.echo(html, nl=False)
    else:
        write(Path(output), html, force=force)
        click.echo(f"{output}: {made.summary()}")
        click.echo(f"Open it in a browser: {Path(os.path.abspath(output)).as_uri()}")  # noqa: PTH100 - a link stays one
    if not made.is_whole:
        click.echo(f"warning: {made.missing}", err=True)
        sys.exit(1)
