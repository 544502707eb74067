"""The chart as helm renders it, and what is in it."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.chart import CHART

Json = dict[str, Any]

KUBERNETES = "1.31.2-eks-1"
"""The version that is rendered for: some builds of helm believe in one that is too old. With a provider's suffix."""
MINIMAL: Json = {"pipeline": {"cluster": "c", "opensearch": {"url": "https://h"}}}


class HelmError(Exception):
    """Helm refused; what it printed."""


def call(helm: Path, *arguments: str | Path, text: str = "") -> str:
    """What helm prints.

    Args:
        helm: The program.
        arguments: Its command and options.
        text: Its standard input, for `-f -`.

    Raises:
        HelmError: It failed.
    """
    done = subprocess.run([helm, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


def render(helm: Path, values: Json | Path, *options: str, release: str = "test") -> list[Json]:
    """The objects of the chart, in helm's order.

    Raises:
        HelmError: It refuses the values.
    """
    # As JSON: what YAML calls a number, its readers don't agree on.
    text = values.read_text() if isinstance(values, Path) else json.dumps(values)
    return [found for found in yaml.load_all(_rendered(helm, text, options, release), UniqueKeys) if found]


@cache
def _rendered(helm: Path, values: str, options: tuple[str, ...], release: str) -> str:
    where = ("-n", "logging", "--kube-version", KUBERNETES)
    return call(helm, "template", release, CHART, *where, "-f", "-", *options, text=values)


def one(objects: Sequence[Json], kind: str) -> Json:
    """The one object of a kind."""
    [found] = [found for found in objects if found["kind"] == kind]
    return found


def pod_of(objects: Sequence[Json]) -> Json:
    """The pod of the DaemonSet."""
    pod: Json = one(objects, "DaemonSet")["spec"]["template"]["spec"]
    return pod


def containers(pod: Json) -> dict[str, Json]:
    """Its containers by name, those that begin before the others included."""
    return {found["name"]: found for found in [*pod.get("initContainers", []), *pod["containers"]]}


def mounts(container: Json) -> dict[str, Json]:
    """Where it mounts what, by the volume's name."""
    return {found["name"]: found for found in container["volumeMounts"]}


def pods_in(objects: Sequence[Json]) -> Iterator[Json]:
    """The pods of everything that makes some."""
    for found in objects:
        if found["kind"] in {"DaemonSet", "Job"}:
            yield found["spec"]["template"]["spec"]


class UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is there twice, as the API server does with a strict look."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A map, none of whose keys is there twice."""
        names = [key.value for key, _ in node.value]
        assert len(names) == len(set(names)), f"twice in a map, line {node.start_mark.line + 1}: {sorted(names)}"
        return super().construct_mapping(node, deep)
