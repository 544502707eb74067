"""The versions of all parts. One that is absent or silent is no failure: why is told in its place."""

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import quote

from sidecar import __version__, kube
from sidecar.config import Config, load
from sidecar.config.node import FluentBit
from sidecar.errors import SidecarError
from sidecar.opensearch import Client, connect
from sidecar.render.templates import index_template_name, index_templates

_LIBRARIES = ("click", "pydantic", "PyYAML", "orjson", "urllib3", "kubernetes", "prometheus-client", "botocore")
_SECONDS = 3.0
_NOT_ASKED = "not asked: neither --kubeconfig nor --context says so"


@dataclass(frozen=True)
class Part:
    """A part's version.

    Attributes:
        version: It; empty where it can't be told.
        text: Why it can't be told, or what else matters.
    """

    version: str
    text: str = ""


def versions(config_file: str, kubeconfig: str | None, context: str | None, *, cluster: bool) -> dict[str, Part]:
    """Versions by part.

    Args:
        config_file: pipeline.yaml; OpenSearch isn't asked where it is empty.
        kubeconfig: See `sidecar.kube.connect`.
        context: As well.
        cluster: Whether the API server is asked.
    """
    config, problem = _config(config_file)
    pinned = (config.fluentbit if config else FluentBit()).version
    return {
        "sidecar": Part(__version__),
        "python": Part(platform.python_version(), platform.python_implementation()),
        **{f"library {name}": _library(name) for name in _LIBRARIES},
        "fluent-bit": _fluent_bit(),
        "fluent-bit image": Part(pinned, "fluentbit.version" if config else "the default of fluentbit.version"),
        **(_server(config) if config else dict.fromkeys(("opensearch", "templates"), Part("", problem))),
        "api server": _kubernetes(kubeconfig, context) if cluster else Part("", _NOT_ASKED),
    }


def _config(file: str) -> tuple[Config | None, str]:
    if not file:
        return None, "not asked: no pipeline.yaml is named"
    try:
        return load(file), ""
    except (SidecarError, OSError) as error:
        return None, _short(str(error))


def _library(name: str) -> Part:
    try:
        return Part(metadata.version(name))
    except metadata.PackageNotFoundError:
        return Part("", "not installed")


def _fluent_bit() -> Part:
    """What `fluent-bit` on PATH says of itself."""
    program = shutil.which("fluent-bit")
    if program is None:
        return Part("", "not on PATH")
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - it is on PATH
    except (OSError, subprocess.TimeoutExpired) as error:
        return Part("", f"{program} does not answer: {_short(str(error))}")
    match = re.search(r"v?([0-9]+(?:\.[0-9]+)+)", done.stdout)
    return Part(match[1], program) if match else Part("", f"{program} tells none")


def _server(config: Config) -> dict[str, Part]:
    """OpenSearch, and the templates that are there."""
    try:
        client = connect(config, seconds=_SECONDS)
        number = str(client.request("GET", "/")["version"]["number"])
    except SidecarError as error:
        return dict.fromkeys(("opensearch", "templates"), Part("", _short(error.what)))
    except (KeyError, TypeError):
        return dict.fromkeys(("opensearch", "templates"), Part("", "what answers there is no OpenSearch"))
    return {"opensearch": Part(number, client.url), "templates": _templates(config, client)}


def _templates(config: Config, client: Client) -> Part:
    """By the template of Events: which sidecar has put it there, and whether this one would put the same."""
    name = index_template_name(config.events.index)
    try:
        answer = client.request("GET", f"/_index_template/{quote(name)}", params={"filter_path": "**._meta"})
        found = answer["index_templates"][0]["index_template"]["_meta"]
        same = found["hash"] == index_templates(config)[name]["_meta"]["hash"]
        return Part(
            str(found["version"]), "as this sidecar makes them" if same else "others: `sidecar plan` shows them"
        )
    except (KeyError, IndexError, TypeError):
        return Part("", "not there: `sidecar apply` puts them")
    except SidecarError as error:
        return Part("", "not there: `sidecar apply` puts them" if " 404 " in error.what else _short(error.what))


def _kubernetes(kubeconfig: str | None, context: str | None) -> Part:
    try:
        api = kube.connect(kubeconfig=kubeconfig, context=context)
        return Part(str(api.get("/version", seconds=_SECONDS).get("gitVersion") or ""), api.url)
    except SidecarError as error:
        return Part("", _short(error.what))


def _short(text: str) -> str:
    return text.splitlines()[0][:200] if text else ""
