"""`sidecar doctor`: its options, and its report for people and for scripts."""

import shutil
import sys
import textwrap
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import click

from sidecar.cli.manage import config_option, output_option
from sidecar.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sidecar.doctor import Finding, State

_WORDS = {"ok": ("OK", "green"), "warn": ("WARN", "yellow"), "fail": ("FAIL", "red"), "skip": ("--", "bright_black")}
_WORD_WIDTH, _LEAST_WIDTH = 4, 60
_NAMED = 2
"""So many of what was not looked at for the same reason are named; of more their number is told."""


@click.command(short_help="Check every link, and say how to mend what fails.")
@config_option
@click.option(
    "--kubeconfig", metavar="FILE", help="Without it: the pod's service account, $KUBECONFIG or ~/.kube/config."
)
@click.option("--context", metavar="NAME", help="A context of the kubeconfig, instead of its current one.")
@click.option("-n", "--namespace", metavar="NAME", help="The sidecar's; that of the pod or the context without it.")
@output_option
def doctor(
    config_file: str,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    output: Literal["text", "json"],
) -> None:
    """Check every link, from the API server's permissions to a document in each index, and say how to mend what fails.

    It writes one small document for each family of indices, to an index of its own (INDEX-doctor), and deletes it. All
    else it only reads. Exit code 1 if something failed; a warning is no failure.

    \b
    Examples:
      sidecar doctor -c pipeline.yaml
      sidecar doctor -c pipeline.yaml -n logging --context my-cluster
      sidecar doctor -c pipeline.yaml --output json
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    import json  # noqa: PLC0415 - see sidecar.cli.main
    from functools import partial  # noqa: PLC0415

    from sidecar import kube  # noqa: PLC0415
    from sidecar.config import load  # noqa: PLC0415
    from sidecar.doctor import State, examine  # noqa: PLC0415
    from sidecar.doctor.doctor import areas  # noqa: PLC0415
    from sidecar.render.dashboards.links import dashboard_links  # noqa: PLC0415

    config = load(config_file)
    connect = partial(kube.connect, kubeconfig=kubeconfig, context=context)
    found = examine(areas(config, config_file, connect=connect, namespace=namespace))
    links = dashboard_links(config)
    counts = _print(links, found) if output == "text" else None
    if counts is None:
        report = {area: [finding.as_json() for finding in findings] for area, findings in found}
        states = [finding["state"] for findings in report.values() for finding in findings]
        counts = {state: states.count(state.value) for state in State}
        body = {"ok": not counts[State.FAIL], "dashboards": links, "areas": report}
        click.echo(json.dumps(body, indent=2))
    sys.exit(1 if counts[State.FAIL] else 0)


def _print(links: "dict[str, str]", found: "Iterable[tuple[str, list[Finding]]]") -> "dict[State, int]":
    from sidecar.doctor import State  # noqa: PLC0415 - see sidecar.cli.main

    width = max(shutil.get_terminal_size((100, 24)).columns, _LEAST_WIDTH)
    counts = dict.fromkeys(State, 0)
    echo("Dashboards", bold=True)
    for title, address in links.items():
        click.echo(f"  {title:<{max(map(len, links))}}  {address}")
    if not links:
        click.echo("  dashboards.url is not set")
    for area, findings in found:
        click.echo()
        echo(area, bold=True)
        for finding in findings:
            counts[finding.state] += 1
        shown = list(_together(findings))
        names = max(len(finding.name) for finding in shown)
        for finding in shown:
            _line(finding, names, width)
    click.echo()
    told = {State.OK: "fine", State.WARN: "to be looked at", State.FAIL: "failed", State.SKIP: "not looked at"}
    summary = ", ".join(f"{counts[state]} {text}" for state, text in told.items() if counts[state])
    echo(summary, colour="red" if counts[State.FAIL] else "yellow" if counts[State.WARN] else "green", bold=True)
    return counts


def _together(findings: "list[Finding]") -> "Iterator[Finding]":
    """What was not looked at for the same reason, in one line."""
    from sidecar.doctor import State  # noqa: PLC0415 - see sidecar.cli.main

    for (state, text), group in groupby(findings, lambda finding: (finding.state, finding.text)):
        found = list(group)
        if state is State.SKIP and len(found) > 1:
            names = [one.name for one in found]
            yield replace(found[0], name=", ".join(names) if len(names) <= _NAMED else f"{len(names)} more", text=text)
        else:
            yield from found


def _line(finding: "Finding", names: int, width: int) -> None:
    word, colour = _WORDS[finding.state.value]
    indent = " " * (2 + _WORD_WIDTH + 2 + names + 2)
    if len(indent) > width // 2:  # a long name on a line of its own
        indent = " " * (2 + _WORD_WIDTH + 2)
    echo(f"  {word:<{_WORD_WIDTH}}  ", colour=colour, bold=finding.state.value == "fail", newline=False)
    lines = textwrap.wrap(finding.text, width - len(indent), break_on_hyphens=False) or [""]
    if len(indent) < 2 + _WORD_WIDTH + 2 + len(finding.name):
        click.echo(finding.name)
        click.echo(f"{indent}{lines[0]}")
    else:
        click.echo(f"{finding.name:<{len(indent) - 2 - _WORD_WIDTH - 2}}{lines[0]}")
    for line in lines[1:]:
        click.echo(f"{indent}{line}")
    for number, line in enumerate(textwrap.wrap(finding.hint, width - len(indent) - 3, break_on_hyphens=False)):
        echo(f"{indent}{'-> ' if not number else '   '}{line}", colour="cyan")
