"""`sidecar events`: its options, and Events as kubectl prints them."""

import gc
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from sidecar.cli import terminal
from sidecar.cli.eventforms import Form, Printer, Wish
from sidecar.cli.manage import config_option
from sidecar.cli.reading import clock, namespace_of, reader, said, tell_nothing, when_options, where_options, window_of
from sidecar.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidecar.reading import Reader, Selection, Window
    from sidecar.reading.nothing import Nothing

Json = dict[str, Any]

_DEFAULT = timedelta(hours=1)


@click.command(short_help="Show Events like kubectl get events, of any time.")
@config_option
@where_options
@click.option(
    "--for",
    "target",
    metavar="KIND/NAME",
    help="About this object, and what it has made: of a Deployment also its pods.",
)
@click.option("--types", metavar="TYPE,...", help="Of these types: Normal, Warning.")
@click.option("--reason", "reasons", metavar="REASON,...", help="With these reasons, such as BackOff.")
@when_options("1h ago, or with --last the beginning")
@click.option("--last", type=click.IntRange(1), metavar="N", help="The newest N only.")
@click.option("--sort-by", metavar="PATH", help="By a field, such as .metadata.creationTimestamp or .count.")
@click.option("-w", "--watch", is_flag=True, help="Then show each new version as it arrives, until Ctrl+C.")
@click.option("-o", "--output", "form", type=click.Choice(["wide", "json", "yaml", "name"]), help="Another form.")
@click.option("--no-headers", is_flag=True, help="Without the heads of the columns.")
@click.option(
    "--source", type=click.Choice(["opensearch", "cluster"]), default="opensearch", show_default=True,
    help="cluster asks the API server instead, for comparison.",
)  # fmt: skip
def events(
    *,
    config_file: str,
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    target: str | None,
    types: str | None,
    reasons: str | None,
    since: str | None,
    until: str | None,
    last: int | None,
    sort_by: str | None,
    form: Form | None,
    source: Literal["opensearch", "cluster"],
    all_namespaces: bool,
    watch: bool,
    no_headers: bool,
) -> None:
    """Show Events as kubectl get events does, but of any time: from OpenSearch, which keeps them.

    One row is one Event, in its newest version; the one that was seen last comes last. A row with the reason EventGap
    says that Events may be missing, and from when to when.

    \b
    Examples:
      sidecar events                                   # of the last hour
      sidecar events -A --types Warning --since 3d
      sidecar events -n shop --for deployment/web --last 20
      sidecar events -A --since 2026-11-26 --until 2026-11-27
      sidecar events -A -w
      sidecar events -A -o json | jq -r '.items[].reason' | sort | uniq -c
      sidecar events -A --source cluster               # what the API server has
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    gc.enable()  # there may be much to read
    from sidecar.reading import Selection, kinds  # noqa: PLC0415 - see sidecar.cli.main

    if watch and (until or sort_by):
        raise InputError("-w shows what arrives: it goes with neither --until nor --sort-by", hint="leave one out")
    where = namespace_of(namespace, kubeconfig, context, everywhere=all_namespaces)
    opened = reader(config_file)
    wanted = Selection(
        cluster=opened.config.cluster,
        namespace=where,
        target=kinds.target(target) if target else None,
        types=_words(types),
        reasons=_words(reasons),
    )
    when = window_of(since, until, None if last else _DEFAULT)
    wish = Wish(form, last, _path(sort_by), namespaces=not where, heads=not no_headers, watch=watch)
    printer = Printer(wish)
    if source == "cluster":
        with terminal.until_ended():
            _from_cluster(wanted, when, printer, kubeconfig, context)
        return
    if watch:
        with terminal.until_ended():
            _watch(opened, wanted, when, printer)
    elif not printer.newest(_found(opened, wanted, when, wish)):
        tell_nothing("events", _nothing(opened), wanted, when)
    if opened.incomplete:
        terminal.note(f"warning: {opened.incomplete}: some may be missing")
        sys.exit(1)


def _found(opened: "Reader", wanted: "Selection", when: "Window", wish: Wish) -> "Iterator[Json]":
    from sidecar.reading.events import versions  # noqa: PLC0415 - see sidecar.cli.main

    return versions(opened, wanted, when, only=wish.only, newest_first=True, gaps=wish.table)


def _watch(opened: "Reader", wanted: "Selection", when: "Window", printer: Printer) -> None:
    """Show what is there, then what arrives; of neither anything twice."""
    from sidecar.reading.events import event_pattern  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading.follow import Follower  # noqa: PLC0415
    from sidecar.reading.selection import event_query  # noqa: PLC0415

    query, pattern = event_query(wanted, when, gaps=printer.wish.table), event_pattern(opened)
    follower = Follower(opened, pattern, query, only=printer.wish.only)
    there = opened.hits(pattern, query, only=printer.wish.only, newest_first=True)
    printer.newest(follower.noting(there))
    terminal.follow(follower.new, printer.version)


def _from_cluster(
    wanted: "Selection", when: "Window", printer: Printer, kubeconfig: str | None, context: str | None
) -> None:
    from sidecar import kube  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading.cluster import ClusterEvents  # noqa: PLC0415

    api = kube.connect(kubeconfig=kubeconfig, context=context)
    source = ClusterEvents(api, wanted, when)
    number = printer.newest(source.there())
    if printer.wish.watch:
        terminal.follow(source.new, printer.version)
    elif not number:
        terminal.note(f"No events {said(wanted, when)}")
        terminal.note(f"  looked in the API server at {api.url}, which keeps them for an hour or so")
        terminal.note("  -> without --source cluster they are looked for in OpenSearch, which keeps them longer")


def _nothing(opened: "Reader") -> "Nothing":
    from sidecar.reading.events import event_pattern  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading.nothing import Nothing  # noqa: PLC0415
    from sidecar.reading.selection import event_query  # noqa: PLC0415

    return Nothing(opened, event_pattern(opened), "events", lambda one, time: event_query(one, time, gaps=False), clock)


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _path(text: str | None) -> str | None:
    """`{.metadata.name}`, `.metadata.name` or `metadata.name` -> `metadata.name`."""
    if text is None:
        return None
    path = text.strip("{}").lstrip(".")
    if not path or not all(part.isidentifier() for part in path.split(".")):
        raise InputError(f"--sort-by {text!r} is no field", hint="write one such as .metadata.creationTimestamp")
    return path
