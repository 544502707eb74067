"""The commands. Each loads what it needs when it is called: `render-config` starts without the clients."""

import errno
import gc
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Literal

import click

from sidecar import __version__
from sidecar.cli.completion import completion
from sidecar.cli.controlplane import controlplane, lambda_
from sidecar.cli.demo import demo
from sidecar.cli.doctor import doctor
from sidecar.cli.events import events
from sidecar.cli.logs import logs
from sidecar.cli.manage import apply, config_option, plan
from sidecar.cli.problems import problems
from sidecar.cli.report import report
from sidecar.cli.version import version
from sidecar.errors import SidecarError

EPILOG = "Exit codes: 0 done, 1 failed, 2 wrong input."


class _Failure(click.ClickException):
    """Shows a SidecarError as it is meant: what happened, and below it what to do."""

    def __init__(self, error: SidecarError) -> None:
        super().__init__(error.what)
        self._hint = error.hint
        self.exit_code = error.exit_code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.format_message(), file=file or sys.stderr)
        if self._hint:
            click.echo(f"  -> {self._hint}", file=file or sys.stderr)


class _Commands(click.Group):
    """Turns every SidecarError into a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SidecarError as error:
            raise _Failure(error) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read has read enough; click ends quietly
                raise
            raise _Failure(SidecarError(f"{error.filename or 'the output'}: {error.strerror}")) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(__version__, "-V", "--version", prog_name="sidecar")
def cli() -> None:
    """Kubernetes events and pod logs in OpenSearch, each exactly once.

    One file, pipeline.yaml, says everything; the smallest has three lines:

    \b
      cluster: my-cluster
      opensearch:
        url: https://opensearch.example:9200
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself


@cli.command(short_help="Write a commented pipeline.yaml to begin with.")
@click.option("-o", "--output", default="pipeline.yaml", show_default=True, metavar="FILE", help="- prints it.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(output: str, *, force: bool) -> None:
    """Write a commented pipeline.yaml to begin with: every key, what it means, and its default.

    \b
    Examples:
      sidecar init
      sidecar init -o -
    """  # noqa: D301 - see above
    from sidecar.agent.output import write_file  # noqa: PLC0415 - see the module
    from sidecar.config.starter import starter  # noqa: PLC0415

    if output == "-":
        click.echo(starter(), nl=False)
        return
    path = Path(output)
    if not output or output.endswith("/") or path.is_dir():
        raise click.UsageError(f"-o wants a file, and {output!r} is none.")
    if (path.exists() or path.is_symlink()) and not force:
        raise SidecarError(f"{output} is there already", hint="--force replaces it, -o FILE writes another one")
    write_file(path, starter())
    click.echo(f"{output}: written. Set cluster and opensearch.url, then: sidecar validate -c {output}")


@cli.command(short_help="Check pipeline.yaml.")
@config_option
@click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="For people or scripts."
)
def validate(config_file: str, output: Literal["text", "json"]) -> None:
    """Check pipeline.yaml: every problem at once, with its line; exit code 2 if there is one.

    A key that is right and has no effect is noted. Secrets are not read, and no server is asked.

    \b
    Examples:
      sidecar validate -c pipeline.yaml
      sidecar validate -c pipeline.yaml --output json
    """  # noqa: D301 - see above
    import json  # noqa: PLC0415 - see the module

    from sidecar.config import UNUSED, load  # noqa: PLC0415
    from sidecar.errors import ConfigError, Problem  # noqa: PLC0415

    problems: list[Problem] = []
    unused: tuple[str, ...] = ()
    try:
        unused = load(config_file).unused()
    except ConfigError as error:
        if output == "text":
            raise
        problems = error.problems
    if output == "text":
        click.echo(f"{config_file}: fine")
        for key in unused:
            click.echo(f"note: {key}: {UNUSED}", err=True)
        return
    found = {"file": config_file, "problems": [asdict(problem) for problem in problems], "unused": unused}
    click.echo(json.dumps(found, indent=2))
    sys.exit(2 if problems else 0)


@cli.command(short_help="Print the JSON Schema of pipeline.yaml.")
def schema() -> None:
    """Print the JSON Schema of pipeline.yaml, for editors.

    \b
    Example:
      sidecar schema > pipeline.schema.json
    """  # noqa: D301 - see above
    import json  # noqa: PLC0415 - see the module

    from sidecar.config.schema import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(), indent=2))


@cli.command("render-config", short_help="Write all that pipeline.yaml means, as files.")
@config_option
@click.option("-o", "--output", metavar="DIR", help="Write all files below this folder.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 with a diff if DIR is not what the YAML says.")
@click.option("--stdout", "name", metavar="NAME", help="Print one file, such as fluent-bit.yaml, and write nothing.")
@click.option("--diff", "other", metavar="DIR", help="Print what differs from the files in this folder; write nothing.")
@click.option(
    "--verify", is_flag=True, help="First start the fluent-bit on PATH with it, harmlessly; exit 1 if it can't."
)
def render_config(
    config_file: str, output: str | None, name: str | None, other: str | None, *, check: bool, verify: bool
) -> None:
    """Write what pipeline.yaml means: Fluent Bit's configuration, templates, policies, roles, alerts and dashboards.

    The same file gives the same bytes. Neither Kubernetes nor OpenSearch is asked.

    \b
    Examples:
      sidecar render-config -c pipeline.yaml -o rendered --verify
      sidecar render-config -c pipeline.yaml -o rendered --check
      sidecar render-config -c pipeline.yaml --diff /run/fluent-sidecar/current
      sidecar render-config -c pipeline.yaml --stdout fluent-bit.yaml
    """  # noqa: D301 - see above
    from sidecar.config import load  # noqa: PLC0415 - see the module
    from sidecar.render import render  # noqa: PLC0415

    # An empty DIR is a shell variable that isn't set; it doesn't mean the current folder.
    wanted = [bool(output), bool(name), bool(other)].count(True)
    if wanted > 1 or (check and not output) or (not wanted and not verify):
        raise click.UsageError(
            "Say one of -o DIR (with or without --check), --stdout NAME and --diff DIR, or --verify."
        )
    config = load(config_file)
    files = render(config)
    if verify:
        from sidecar.agent.trial import verify as try_it  # noqa: PLC0415 - starts a process

        click.echo(f"Fluent Bit {try_it(config)} starts with it", err=bool(name or other))
    if name:
        if name not in files:
            raise click.UsageError("\n  ".join([f"There is no file {name!r}; there are", *files]))
        click.echo(files[name], nl=False)
    elif output or other:
        _write_or_compare(config_file, Path(output or other or ""), files, check=check, write=bool(output))


def _write_or_compare(config_file: str, folder: Path, files: dict[str, str], *, check: bool, write: bool) -> None:
    from sidecar.agent.output import difference, write_tree  # noqa: PLC0415 - see the module
    from sidecar.errors import RenderError  # noqa: PLC0415

    if write and not check:
        changed = write_tree(folder, files)
        click.echo(f"{folder}: {len(files)} files, {len(changed)} changed")
        return
    diff = difference(folder, files)
    click.echo(diff, nl=False)
    if diff and check:
        raise RenderError(f"{folder} is not what {config_file} says", hint="without --check it is written again")


@cli.command(short_help="Watch a cluster's events, and see them arrive in OpenSearch.")
@config_option
@click.option(
    "--kubeconfig", metavar="FILE", help="Without it: the pod's service account, $KUBECONFIG or ~/.kube/config."
)
@click.option("--context", metavar="NAME", help="A context of the kubeconfig, instead of its current one.")
@click.option(
    "--without-fluent-bit", is_flag=True, help="Nothing ships the journal: the sidecar sends every event itself."
)
@click.option("--log-format", type=click.Choice(["auto", "json", "text"]), default="auto", show_default=True,
              help="auto: text on a terminal, JSON elsewhere.")  # fmt: skip
def run(
    config_file: str,
    kubeconfig: str | None,
    context: str | None,
    log_format: Literal["auto", "json", "text"],
    *,
    without_fluent_bit: bool,
) -> None:
    """Watch the events of a cluster until Ctrl+C or SIGTERM, write them for Fluent Bit, and see them arrive.

    Start Fluent Bit with the file that this writes: current/fluent-bit.yaml below paths.run. A changed pipeline.yaml
    takes effect within seconds; one that Fluent Bit does not work with is rolled back.

    \b
    Examples:
      sidecar run -c pipeline.yaml
      sidecar run -c pipeline.yaml --kubeconfig ~/.kube/config --context my-cluster
    """  # noqa: D301 - see above
    gc.enable()
    gc.set_threshold(50_000, 20, 50)  # events make many objects, and hardly ever cycles of them
    from sidecar.agent.signals import stop_on_signals  # noqa: PLC0415 - see the module

    stopping = stop_on_signals()
    from sidecar import kube  # noqa: PLC0415
    from sidecar.agent import log  # noqa: PLC0415
    from sidecar.agent.first import choose, note_unused  # noqa: PLC0415
    from sidecar.agent.supervisor import Supervisor  # noqa: PLC0415

    first = choose(config_file)
    log.set_up(log_format)
    note_unused(first.loaded.config)
    api = kube.connect(kubeconfig=kubeconfig, context=context)
    Supervisor(config_file, first, api, stopping=stopping, fluent_bit=not without_fluent_bit).run()


for command in (plan, apply, doctor, events, problems, logs, report, lambda_, controlplane, demo, completion, version):
    cli.add_command(command)
