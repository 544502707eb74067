"""`sidecar logs`: its options, and lines as kubectl prints them."""

import gc
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli import terminal
from sidecar.cli.manage import long_config_option
from sidecar.cli.reading import (
    clock,
    finish,
    namespace_of,
    reader,
    tell_nothing,
    when_options,
    where_options,
    window_of,
)
from sidecar.errors import InputError

if TYPE_CHECKING:
    from sidecar.reading import Reader, Selection, Window

Json = dict[str, Any]

_DEFAULT = timedelta(hours=1)
_LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
_COLOURS = {"warn": "yellow", "error": "red", "fatal": "red"}
_TOGETHER = 5000
"""So many lines that arrived together are put in order."""


@click.command(short_help="Show pod logs like kubectl logs, of pods that may be gone.")
@click.argument("target", metavar="[POD | KIND/NAME]", required=False)
@long_config_option
@where_options
@click.option("-c", "--container", "containers", metavar="NAME", multiple=True, help="Of this container.")
@when_options("1h ago, or with --tail the beginning")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="The last N only; 0 with -f for none of them.")
@click.option(
    "--level", type=click.Choice(_LEVELS), help="This severe, or more; lines without a severity are left out."
)
@click.option("--grep", "words", metavar="WORDS", help="With these words, one behind the other; no pattern.")
@click.option("-p", "--previous", is_flag=True, help="Of the run of each container before its last one.")
@click.option("-f", "--follow", is_flag=True, help="Then show what arrives, until Ctrl+C.")
@click.option("--timestamps", is_flag=True, help="With the time of each line, to the nanosecond.")
@click.option("--prefix", is_flag=True, help="With pod and container of each line.")
@click.option("-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="json: a document a line.")  # fmt: skip
def logs(
    *,
    target: str | None,
    config_file: str,
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    containers: tuple[str, ...],
    since: str | None,
    until: str | None,
    tail: int | None,
    level: str | None,
    words: str | None,
    form: str,
    all_namespaces: bool,
    previous: bool,
    follow: bool,
    timestamps: bool,
    prefix: bool,
) -> None:
    """Show the lines of pods as kubectl logs does, but from OpenSearch: of pods, nodes and clusters that may be gone.

    Of a workload: of all its pods, in the order of time. Without one: of all pods. Lines of one record - a stack
    trace - stay together.

    \b
    Examples:
      sidecar logs deployment/web --since 2h --level error
      sidecar logs web-5d4f8c7b96-x2v7q -c main --tail 100
      sidecar logs -A --grep "connection refused" --since 1d --prefix
      sidecar logs deploy/web --previous               # before it was restarted
      sidecar logs deploy/web -f --timestamps
      sidecar logs deploy/web -o json | jq -r '.data.user.id'
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    gc.enable()  # there may be much to read
    from sidecar.reading import Selection, kinds  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading.logs import log_pattern  # noqa: PLC0415

    if follow and (until or previous):
        raise InputError("-f shows what arrives: it goes with neither --until nor --previous", hint="leave one out")
    if any("/" in name or "." in name for name in containers):
        hint = f"--config {containers[0]} is what you mean, or SIDECAR_CONFIG"
        raise InputError(f"-c {containers[0]}: here -c is a container, as for kubectl", hint=hint)
    if tail == 0 and not follow:
        raise InputError(
            "--tail 0 shows nothing", hint="say how many lines, or add -f for those that arrive from now on"
        )
    where = namespace_of(namespace, kubeconfig, context, everywhere=all_namespaces)
    about = kinds.target(target if "/" in target else f"pod/{target}") if target else None
    opened = reader(config_file)
    if not opened.config.logs.enabled:
        raise InputError(f"{config_file}: logs.enabled is false: no pod logs are shipped", hint="turn them on there")
    wanted = Selection(
        cluster=opened.config.cluster,
        namespace=where,
        target=about,
        containers=containers,
        level=level or "",
        words=words or "",
    )
    when = window_of(since, until, None if tail is not None or previous else _DEFAULT)
    show = _Form(json=form == "json", timestamps=timestamps, prefix=prefix)
    if follow:
        with terminal.until_ended():
            _follow(opened, wanted, when, tail, show)
    elif not _show(opened, wanted, when, tail, show, previous=previous):
        if previous:
            terminal.note("Of no container there are lines of two runs:")
        _tell_nothing(opened, wanted, when)
    finish(opened, "" if follow else log_pattern(opened))


class _Form:
    """How a record becomes lines."""

    def __init__(self, *, json: bool, timestamps: bool, prefix: bool) -> None:
        self._json, self._timestamps, self._prefix = json, timestamps, prefix

    def lines(self, record: Json) -> Iterator[str]:
        """The lines of a record."""
        from sidecar.render import fields  # noqa: PLC0415 - see sidecar.cli.main

        if self._json:
            from sidecar.opensearch.encode import encode  # noqa: PLC0415

            yield encode(record).decode()
            return
        front = self._front(record)
        colour = _COLOURS.get(str(record.get(fields.LEVEL)))
        for line in str(record.get(fields.LOG, "")).removesuffix("\n").split("\n"):
            yield front + terminal.style(line, colour)

    def _front(self, record: Json) -> str:
        """What stands before each line."""
        kubernetes = record.get("kubernetes")
        kubernetes = kubernetes if isinstance(kubernetes, dict) else {}
        where = f"[pod/{kubernetes.get('pod_name', '')}/{kubernetes.get('container_name', '')}] "
        time = f"{record.get('@timestamp', '')} " if self._timestamps else ""
        return (terminal.style(where, "cyan") if self._prefix else "") + time


def _show(
    opened: "Reader", wanted: "Selection", when: "Window", tail: int | None, form: _Form, *, previous: bool
) -> int:
    """Print lines; how many records there were."""
    from sidecar.reading import logs as read  # noqa: PLC0415 - see sidecar.cli.main

    runs = read.previous_runs(opened, wanted, when) if previous else None
    if tail:
        found: Iterable[Json] = read.last_lines(opened, wanted, when, tail, runs=runs)
    else:
        found = read.lines(opened, wanted, when, runs=runs)
    number = 0
    with terminal.output(pager=True) as write:
        for number, record in enumerate(found, 1):  # noqa: B007 - it counts
            for line in form.lines(record):
                write(line)
    return number


def _follow(opened: "Reader", wanted: "Selection", when: "Window", tail: int | None, form: _Form) -> None:
    from sidecar.reading import logs as read  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading.follow import Follower  # noqa: PLC0415
    from sidecar.reading.selection import log_query  # noqa: PLC0415

    def show(record: Json) -> None:
        for line in form.lines(record):
            terminal.put(line)

    def new() -> Iterator[Json]:
        arrived = follower.new()
        while together := list(islice(arrived, _TOGETHER)):
            yield from sorted(together, key=read.place)

    follower = Follower(opened, read.log_pattern(opened), log_query(wanted, when))
    hits = read.hits(opened, wanted, when, newest_first=tail is not None)
    there = follower.noting(hits)
    for record in _at_first(there, tail):
        show(record)
    terminal.follow(new, show)


def _at_first(there: Iterable[Json], tail: int | None) -> Iterable[Json]:
    """What is shown of the lines that are there when following begins; see `tail`."""
    from sidecar.reading import logs as read  # noqa: PLC0415 - see sidecar.cli.main

    if tail is None:
        return read.in_order(there)
    return read.last_of(there, tail) if tail else ()


def _tell_nothing(opened: "Reader", wanted: "Selection", when: "Window") -> None:
    from sidecar.reading.logs import log_pattern  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading.nothing import Nothing  # noqa: PLC0415
    from sidecar.reading.selection import log_query  # noqa: PLC0415

    tell_nothing("lines", Nothing(opened, log_pattern(opened), "lines of pods", log_query, clock), wanted, when)
