"""`sidecar version`: of all parts, as far as they are there."""

import json
import os
import re
from pathlib import Path
from typing import Any, Literal

import click

from sidecar import __version__
from sidecar.cli.manage import output_option


@click.command(short_help="Tell the versions of all parts.")
@click.option("-c", "--config", "config_file", envvar="SIDECAR_CONFIG", metavar="FILE",
              help="The configuration: then OpenSearch is asked for its version, for 3 s at most. Also: "
              "SIDECAR_CONFIG; pipeline.yaml where it is there.")  # fmt: skip
@click.option("--kubeconfig", metavar="FILE", help="Then, or with --context, the API server is asked too.")
@click.option("--context", metavar="NAME", help="A context of the kubeconfig, instead of its current one.")
@output_option
def version(
    *, config_file: str | None, kubeconfig: str | None, context: str | None, output: Literal["text", "json"]
) -> None:
    """Tell the versions of all parts; of one that isn't there, why. That is never a failure.

    \b
    Examples:
      sidecar version
      sidecar version -c pipeline.yaml --output json
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    from sidecar.doctor.versions import versions  # noqa: PLC0415 - see sidecar.cli.main

    if not config_file and Path("pipeline.yaml").is_file():
        config_file = "pipeline.yaml"
    asked = bool(kubeconfig or context or os.environ.get("KUBERNETES_SERVICE_HOST"))
    told = versions(config_file or "", kubeconfig, context, cluster=asked)
    if output == "json":
        click.echo(json.dumps({_key(name): _as_json(part) for name, part in told.items()}, indent=2))
        return
    click.echo(f"sidecar {__version__}")
    rest = {name: part for name, part in told.items() if name != "sidecar"}
    for name, part in rest.items():
        click.echo(f"  {name:<{max(map(len, rest))}}  {part.version or '-'}{f'  ({part.text})' if part.text else ''}")


def _key(name: str) -> str:
    """`fluent-bit image` -> `fluentBitImage`, which jq takes without quotes."""
    first, *rest = re.split(r"\W", name.lower())
    return first + "".join(word.capitalize() for word in rest)


def _as_json(part: Any) -> dict[str, Any]:
    return {"version": part.version or None, **({"note": part.text} if part.text else {})}
