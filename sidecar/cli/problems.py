"""`sidecar problems`: its options, and its report for people and for scripts."""

import gc
import shutil
import sys
import textwrap
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from sidecar.cli import terminal
from sidecar.cli.manage import config_option
from sidecar.cli.reading import clock, namespace_of, now, reader, said, when_options, where_options, window_of

if TYPE_CHECKING:
    from sidecar.events.problems import Problem

_DEFAULT = timedelta(days=1)
_HEADS = ("STATE", "WORKLOAD", "REASON", "SINCE", "LAST SEEN", "COUNT")
_INDENT, _LEAST_WIDTH = " " * 10, 60
_LONGEST = 600
"""Characters of a message that people see; scripts see all."""


@click.command(short_help="Tell what is wrong in the cluster, and what was until lately.")
@config_option
@where_options
@click.option("--for", "target", metavar="KIND/NAME", help="Of one workload or object.")
@when_options("1d ago")
@click.option("--open", "state", flag_value="open", help="Only those that are not over.")
@click.option("--resolved", "state", flag_value="resolved", help="Only those that are over.")
@click.option("--all", "state", flag_value="all", default=True, help="Both; this is the default.")
@click.option("--check", is_flag=True, help="Exit 1 if one is open, for scripts.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="For people or scripts.")  # fmt: skip
def problems(
    *,
    config_file: str,
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    target: str | None,
    since: str | None,
    until: str | None,
    state: str,
    output: Literal["text", "json"],
    all_namespaces: bool,
    check: bool,
) -> None:
    """Tell what is wrong in the cluster, by workload, and what was: since when, how often, and how it ended.

    From the Events in OpenSearch alone. A problem is one workload's; it is over when one of its containers has started
    after the last sign of it. One that came back within half an hour is the same still. Of what was seen in the time
    that is asked for, the beginning is told even if it is older.

    \b
    Examples:
      sidecar problems -A
      sidecar problems -n shop --since 7d --resolved
      sidecar problems -A --check > /dev/null || echo "something is wrong"
      sidecar problems -A --open -o json | jq -r '.problems[].workload'
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    gc.enable()  # there may be much to read
    from sidecar.reading import Selection, kinds  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading.problems import problems_in  # noqa: PLC0415

    where = namespace_of(namespace, kubeconfig, context, everywhere=all_namespaces)
    opened = reader(config_file)
    wanted = Selection(opened.config.cluster, namespace=where, target=kinds.target(target) if target else None)
    when = window_of(since, until, _DEFAULT)
    told = problems_in(opened, wanted, when)
    shown = [problem for problem in told if state in {"all", problem.state}]
    # What is wrong now, and lately, is what people look for.
    shown.sort(key=lambda problem: problem.resolved_at or problem.last_seen, reverse=True)
    shown.sort(key=lambda problem: problem.state)
    if output == "json":
        _print_json(shown, opened.config.cluster, opened.incomplete)
    elif shown:
        _print(shown, namespaces=not where)
    number = sum(problem.state == "open" for problem in told)
    if output == "text":
        where_looked = "" if told else f", in cluster {opened.config.cluster} at {opened.url}"
        terminal.note(f"{_summary(told)} {said(wanted, when)}{where_looked}")
    if opened.incomplete:
        terminal.note(f"warning: {opened.incomplete}: some may be missing")
    sys.exit(1 if opened.incomplete or (check and number) else 0)


def _summary(told: "list[Problem]") -> str:
    states = [problem.state for problem in told]
    return f"{states.count('open')} open, {states.count('resolved')} resolved" if told else "No problems"


def _print(shown: "list[Problem]", *, namespaces: bool) -> None:
    from sidecar.reading.rows import age, one_line  # noqa: PLC0415 - see sidecar.cli.main

    moment = now()
    heads = ("STATE", *(("NAMESPACE",) if namespaces else ()), *_HEADS[1:])
    rows = [_cells(problem, moment, namespaces=namespaces) for problem in shown]
    laid = terminal.Columns(heads, rows, gap=2)
    width = max(shutil.get_terminal_size((100, 24)).columns, _LEAST_WIDTH)
    with terminal.output(pager=True) as write:
        write(laid.head())
        for problem, cells in zip(shown, rows, strict=True):
            write(terminal.style(laid.line(cells), "red" if problem.state == "open" else "green"))
            for line in _wrapped(one_line(problem.message), width):
                write(line)
            if problem.resolved_at:
                lasted = age(problem.first_seen, problem.resolved_at)
                text = f"resolved {clock(problem.resolved_at)} by {problem.resolved_by}, after {lasted}"
                for line in _wrapped(text, width):
                    write(terminal.style(line, "green"))


def _cells(problem: "Problem", moment: datetime, *, namespaces: bool) -> tuple[str, ...]:
    from sidecar.reading.rows import age  # noqa: PLC0415 - see sidecar.cli.main

    return (
        problem.state,
        *((problem.namespace or "-",) if namespaces else ()),
        _workload(problem),
        ",".join(problem.reasons),
        age(problem.first_seen, moment),
        age(problem.last_seen, moment),
        str(problem.count),
    )


def _wrapped(text: str, width: int) -> list[str]:
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    if not sys.stdout.isatty():
        return [_INDENT + text]
    return textwrap.wrap(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def _workload(problem: "Problem") -> str:
    return f"{problem.kind.lower()}/{problem.name}"


def _print_json(shown: "list[Problem]", cluster: str, incomplete: str) -> None:
    import json  # noqa: PLC0415 - see sidecar.cli.main

    told = {"cluster": cluster, "problems": [_as_json(problem) for problem in shown], "incomplete": incomplete}
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


def _as_json(problem: "Problem") -> dict[str, Any]:
    return {
        "state": problem.state,
        "namespace": problem.namespace,
        "workload": _workload(problem),
        "kind": problem.kind,
        "name": problem.name,
        "reasons": list(problem.reasons),
        "message": problem.message,
        "count": problem.count,
        "firstSeen": problem.first_seen.isoformat(),
        "lastSeen": problem.last_seen.isoformat(),
        "resolvedAt": problem.resolved_at.isoformat() if problem.resolved_at else None,
        "resolvedBy": problem.resolved_by or None,
    }
