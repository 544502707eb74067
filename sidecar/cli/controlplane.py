"""`sidecar lambda` and `sidecar controlplane`: control-plane logs from CloudWatch Logs."""

from pathlib import Path

import click

from sidecar.cli.demo import Progress
from sidecar.cli.manage import config_option

_MIB = 2**20


@click.group("lambda", short_help="The Lambda function for control-plane logs.")
def lambda_() -> None:
    """The Lambda function that ships the control plane's logs from CloudWatch Logs to OpenSearch.

    \b
    Example:
      sidecar lambda package
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself


@lambda_.command(short_help="Write the function's deployment package.")
@click.option("-o", "--output", default="fluent-sidecar-lambda.zip", show_default=True, metavar="FILE")
@click.option(
    "--ca", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CA certificates (PEM) for opensearch.tls.ca, which names a file that the function doesn't have.",
)  # fmt: skip
def package(output: str, ca: Path | None) -> None:
    """Write the function's deployment package: a zip of what it needs, for any architecture.

    The same version gives the same bytes. What pipeline.yaml says is not in it, but in controlplane/template.json,
    which render-config writes.

    \b
    Examples:
      sidecar lambda package
      sidecar lambda package -o build/function.zip --ca private-ca.pem
    """  # noqa: D301 - see above
    from sidecar.controlplane.package import HANDLER  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.controlplane.package import package as make  # noqa: PLC0415

    made = make(ca)
    Path(output).write_bytes(made.content)
    click.echo(f"{output}: {len(made.content) / _MIB:.2f} MiB, {len(made.files)} files, SHA-256 {made.digest}")
    click.echo(f"Handler {HANDLER}, Python 3.11 or newer, any architecture")


@click.group(short_help="Control-plane logs of CloudWatch Logs.")
def controlplane() -> None:
    """Control-plane logs that come from CloudWatch Logs.

    \b
    Example:
      sidecar controlplane replay -c pipeline.yaml failed.json
    """  # noqa: D301 - see above


@controlplane.command(short_help="Read saved payloads again, such as the on-failure queue's.")
@config_option
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--patience", default=120, show_default=True, metavar="SECONDS", type=click.IntRange(20, 86400),
              help="How long OpenSearch may take no line of a payload.")  # fmt: skip
def replay(config_file: str, files: tuple[Path, ...], patience: int) -> None:
    """Read payloads again that the function could not deliver. Safe to repeat: what is there is not stored again.

    A FILE is what `aws sqs receive-message` prints, the body of such a message, an invocation's event, a payload (gzip,
    or base64 of it on one line), or several of them, one after the other. Nothing is sent if anything in a FILE is no
    payload.

    \b
    Examples:
      aws sqs receive-message --queue-url URL --output json > failed.json
      sidecar controlplane replay -c pipeline.yaml failed.json
    """  # noqa: D301 - see above
    from sidecar.config import load  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.controlplane.replay import replay as read_again  # noqa: PLC0415
    from sidecar.controlplane.store import Store  # noqa: PLC0415
    from sidecar.opensearch import connect  # noqa: PLC0415
    from sidecar.render.controlplane import settings  # noqa: PLC0415

    config = load(config_file)
    told = settings(config)
    progress = Progress()
    try:
        found = read_again(
            files, told, Store(connect(config), told.template), progress=progress, patience=float(patience)
        )
    finally:
        progress.clear()
    if not found.payloads:
        click.echo("payloads: 0: the queue was empty")
        return
    result = found.result
    click.echo(
        f"payloads: {found.payloads}, lines: {found.documents}: {result.stored} stored, {result.there} there already, "
        f"{result.dead_lettered} refused and kept in the dead-letter index"
    )
