"""`sidecar plan` and `sidecar apply`: their options, and what they print."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sidecar.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.config import Config
    from sidecar.opensearch import Client
    from sidecar.opensearch.manage import Change, Kind, Outcome, Server

_SIGNS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "delete": ("-", "red"),
    "release": ("=", "yellow"),
    "refused": ("!", "red"),
    "unsupported": ("!", "yellow"),
    "waiting": ("…", "blue"),
}
_DONE = {
    "create": "created", "update": "updated", "delete": "deleted", "release": "given up", "waiting": "asked again",
}  # fmt: skip
_NAMED = 3

output_option = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="For people or scripts."
)
_config = partial(
    click.option, default="pipeline.yaml", show_default=True, envvar="SIDECAR_CONFIG", metavar="FILE",
    help="The configuration. Also: SIDECAR_CONFIG.",
)  # fmt: skip
config_option = _config("-c", "--config", "config_file")
long_config_option = _config("--config", "config_file")
"""Where `-c` is something else."""


class _Session:
    """One look at a server, and how long it took.

    Attributes:
        kinds: In the order in which they are put.
        server: What it is.
    """

    def __init__(self, config_file: str) -> None:
        from sidecar.config import load  # noqa: PLC0415 - see sidecar.cli.main
        from sidecar.opensearch import connect  # noqa: PLC0415
        from sidecar.opensearch.manage.kinds import first_kinds, later_kinds  # noqa: PLC0415
        from sidecar.opensearch.manage.probe import probe  # noqa: PLC0415

        self.config: Config = load(config_file)
        self._client: Client = connect(self.config, self.config.opensearch.manager_auth)
        self._began = time.monotonic()
        self.server: Server = probe(self._client, self.config.opensearch.version)
        self.kinds: Sequence[Kind] = [*first_kinds(self.config, self._client), *later_kinds(self.config, self._client)]

    def cost(self) -> dict[str, Any]:
        """Requests and seconds so far."""
        return {"requests": self._client.requests, "seconds": round(time.monotonic() - self._began, 3)}

    def about(self) -> dict[str, Any]:
        """The server, for scripts."""
        features = sorted(feature.value for feature in self.server.features)
        return {
            "url": self._client.url, "version": self.server.number, "plugins": features,
            "amazon": self.server.amazon, "notes": self.server.notes,
        }  # fmt: skip

    def tell(self) -> None:
        """The server, for people."""
        told = self.about()
        plugins = ", ".join(told["plugins"]) or "none of the plugins that matter here"
        click.echo(f"OpenSearch {told['version']} at {told['url']}: {plugins}")
        for note in told["notes"]:
            click.echo(f"note: {note}", err=True)


@click.command(short_help="Show what apply would change in OpenSearch.")
@config_option
@output_option
@click.option("--check", is_flag=True, help="Exit 1 if there is anything to change, or that can't be.")
def plan(config_file: str, output: Literal["text", "json"], *, check: bool) -> None:
    """Show, as a diff, what apply would change in OpenSearch, and what that does to the indices that are there.

    Nothing is changed. After apply there is nothing to show.

    \b
    Examples:
      sidecar plan -c pipeline.yaml
      sidecar plan -c pipeline.yaml --check --output json
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    from sidecar.opensearch.manage.engine import changes  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.opensearch.manage.engine import plan as make_plan  # noqa: PLC0415

    session = _Session(config_file)
    found = list(changes(make_plan(session.kinds, session.server)))
    pending = any(change.action.changes or change.action.value == "refused" for change in found)
    if output == "json":
        told = {
            "server": session.about(), "changes": [change.as_json() for change in found],
            "summary": _counts(found), "empty": not pending, **session.cost(),
        }  # fmt: skip
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        session.tell()
        for change in found:
            _tell_plan(change)
        _tell_leftovers(found)
        click.echo(_summary("to ", _counts(found), session.cost()))
    if check and pending:
        sys.exit(1)


@click.command(short_help="Put templates, retention and the rest in place in OpenSearch.")
@config_option
@output_option
@click.option("--delete", is_flag=True, help="Remove what fluent-sidecar made instead; never an index.")
@click.option(
    "--leftovers", is_flag=True, help="With --delete: what it made and this file doesn't name, instead of what it does."
)
@click.option("--yes", is_flag=True, help="With --delete: don't ask.")
@click.option(
    "--backup", default="opensearch-backup", show_default=True, metavar="DIR",
    help="Where what is overwritten is kept; made when it is needed.",
)  # fmt: skip
def apply(
    config_file: str, output: Literal["text", "json"], backup: str, *, delete: bool, leftovers: bool, yes: bool
) -> None:
    """Put in place in OpenSearch what pipeline.yaml says; a second time changes nothing.

    What is there and was not made by fluent-sidecar is left alone. A half-done run is safe to repeat.

    \b
    Examples:
      sidecar apply -c pipeline.yaml
      sidecar apply -c pipeline.yaml --delete
    """  # noqa: D301 - see above
    from sidecar.opensearch.manage import engine  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.opensearch.manage.backup import Backup  # noqa: PLC0415

    if (leftovers or yes) and not delete:
        raise click.UsageError("--leftovers and --yes go with --delete.")
    session = _Session(config_file)
    text = output == "text"
    if text:
        session.tell()
    if delete:
        planned = engine.plan_removal(session.kinds, session.server, leftovers=leftovers)
        _confirm(list(engine.changes(planned)), yes=yes, text=text)
    else:
        planned = engine.plan(session.kinds, session.server)
    outcomes = []
    for outcome in engine.carry_out(planned, Backup(Path(backup))):
        outcomes.append(outcome)
        if text:
            _tell_outcome(outcome)
    if text:
        _tell_leftovers([outcome.change for outcome in outcomes])
        click.echo(_summary("", _done(outcomes), session.cost()))
    else:
        told = {
            "server": session.about(), "outcomes": [outcome.as_json() for outcome in outcomes],
            "summary": _done(outcomes), **session.cost(),
        }  # fmt: skip
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    failed = sum(1 for outcome in outcomes if _failed(outcome))
    if failed:
        raise SidecarError(
            f"{failed} of {len(outcomes)} could not be done", hint="mend it and run this again: what is done stays"
        )


def _confirm(found: Sequence["Change"], *, yes: bool, text: bool) -> None:
    going = [change for change in found if change.action.value == "delete"]
    if yes or not going:
        return
    if not (text and _is_terminal()):
        raise click.UsageError("--delete wants --yes where nobody can be asked.")
    for change in going:
        _tell_plan(change)
    click.confirm(f"Delete these {len(going)}? Indices and their documents stay", abort=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _tell_plan(change: "Change") -> None:
    if change.action.value in _SIGNS:
        sign, colour = _SIGNS[change.action.value]
        by_hand = ", which somebody changed by hand" if change.edited else ""
        click.secho(f"{sign} {_title(change)}: {change.action.value}{by_hand}", fg=colour, bold=True)
        for line in change.diff.splitlines()[2:]:  # without the names of the two sides
            click.secho(f"    {line}", fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))
        for text in (change.effect, change.reason):
            if text:
                click.echo(f"    {text}")
    if change.warning:
        click.secho(f"warning: {_title(change)}: {change.warning}", fg="yellow", err=True)


def _tell_outcome(outcome: "Outcome") -> None:
    change = outcome.change
    if change.warning:
        click.secho(f"warning: {_title(change)}: {change.warning}", fg="yellow", err=True)
    if outcome.error or change.action.value == "refused":
        click.secho(f"! {_title(change)}: {outcome.error or change.reason}", fg="red", err=True)
    elif change.action.value == "unsupported":
        click.secho(f"warning: {_title(change)}: {change.reason}", fg="yellow", err=True)
    elif change.action.value in _DONE:
        sign, colour = _SIGNS[change.action.value]
        more = [change.effect if change.action.value != "waiting" else "", outcome.note]
        if outcome.backup:
            whose = "somebody had changed it by hand; " if change.edited else ""
            more.append(f"{whose}what was there: {outcome.backup}")
        click.echo(f"{click.style(sign, fg=colour, bold=True)} {_title(change)}: {_DONE[change.action.value]}")
        for text in filter(None, more):
            click.echo(f"    {text}")


def _tell_leftovers(found: Iterable["Change"]) -> None:
    names = [f"{change.kind} {change.name}" for change in found if change.action.value == "leftover"]
    if names:
        more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        click.echo(
            f"note: left alone, of an earlier pipeline.yaml: {', '.join(names[:_NAMED])}{more}",
            err=True,
        )


def _title(change: "Change") -> str:
    return f"{change.kind} {change.name}".rstrip()


def _counts(found: Iterable["Change"]) -> dict[str, int]:
    return dict(Counter(change.action.value for change in found))


def _failed(outcome: "Outcome") -> bool:
    return bool(outcome.error) or outcome.change.action.value == "refused"


def _done(outcomes: Iterable["Outcome"]) -> dict[str, int]:
    return dict(
        Counter(
            "failed" if _failed(outcome) else _DONE.get(outcome.change.action.value, outcome.change.action.value)
            for outcome in outcomes
        )
    )


def _summary(word: str, counts: dict[str, int], cost: dict[str, Any]) -> str:
    told = [f"{count} {word if key in {'create', 'update', 'delete'} else ''}{key}" for key, count in counts.items()]
    return f"{', '.join(told) or 'nothing'}; {cost['requests']} requests in {cost['seconds']} s"
