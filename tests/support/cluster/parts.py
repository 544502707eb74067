"""Where a cluster with nodes is had from, and how the sidecar's image gets into it.

KUBECONFIG is taken where it has a node that is ready; it must have the image already, under the name in SIDECAR_IMAGE.
Otherwise kind makes a cluster, Docker builds the image, and both are gone in the end.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.support.kubeapi import Api
from tests.support.parts import Missing
from tests.support.waiting import unique_name

NODE, HELM, KUBECTL = "a Kubernetes node", "helm", "kubectl"
_PROJECT = Path(__file__).parents[3]
_MINUTES = 60


@dataclass(frozen=True)
class Cluster:
    """A cluster with at least one node.

    Attributes:
        kubeconfig: Of an administrator.
        image: The sidecar's, as its nodes have it.
        node_address: Of a node, as its pods and this machine know it.
        description: In a line.
    """

    kubeconfig: Path
    image: str
    node_address: str
    description: str

    def run(self, program: str, *words: str | Path, stdin: str = "") -> str:
        """Run helm or kubectl against it; returns what it said.

        Raises:
            AssertionError: It failed.
        """
        done = self.try_to(program, *words, stdin=stdin)
        assert done.returncode == 0, f"{program} {' '.join(map(str, words))}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_to(self, program: str, *words: str | Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run helm or kubectl against it, whatever comes of it."""
        return subprocess.run(
            [program, *map(str, words)],
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=5 * _MINUTES,
            check=False,
        )

    def host_address(self) -> str:
        """This machine's address, as nodes and pods reach it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((self.node_address, 9))  # sends nothing
            return str(probe.getsockname()[0])


@contextmanager
def open_cluster(folder: Path) -> Iterator[Cluster]:
    """The cluster for tests.

    Args:
        folder: Where a kubeconfig may be put.

    Raises:
        Missing: There is none, or nothing to install with.
    """
    for program in (HELM, KUBECTL):
        if not shutil.which(program):
            raise Missing(program, "not on PATH")
    given = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if given:
        kubeconfig = Path(given).expanduser()
        if address := _ready_node(kubeconfig):
            image = os.environ.get("SIDECAR_IMAGE", "")
            if not image:
                raise Missing("the sidecar's image in the cluster of KUBECONFIG", "SIDECAR_IMAGE doesn't name one")
            yield Cluster(kubeconfig, image, address, f"a node of KUBECONFIG={given}")
            return
    if not (shutil.which("kind") and _docker_answers()):
        raise Missing(
            NODE,
            "KUBECONFIG has none that is ready, and no kind and Docker"
            if given
            else "no KUBECONFIG, no kind and Docker",
        )
    with _kind(folder) as cluster:
        yield cluster


def _ready_node(kubeconfig: Path) -> str:
    """The address of a node that takes pods; empty where there is none."""
    try:
        api = Api(kubeconfig, timeout=5)
        nodes = api.get("/api/v1/nodes")["items"]
        api.close()
    except (OSError, ValueError, AssertionError, urllib3.exceptions.HTTPError):
        return ""
    return next((_address(node) for node in nodes if _is_ready(node)), "")


def _is_ready(node: dict[str, Any]) -> bool:
    states = {one["type"]: one["status"] for one in node["status"].get("conditions", ())}
    return states.get("Ready") == "True"


def _address(node: dict[str, Any]) -> str:
    found = {one["type"]: one["address"] for one in node["status"].get("addresses", ())}
    return str(found.get("InternalIP", ""))


def _docker_answers() -> bool:
    if not shutil.which("docker"):
        return False
    asked = subprocess.run(["docker", "info"], capture_output=True, timeout=_MINUTES, check=False)
    return asked.returncode == 0


@contextmanager
def _kind(folder: Path) -> Iterator[Cluster]:
    name, image, kubeconfig = unique_name("fluent-sidecar"), "fluent-sidecar:tests", folder / "kubeconfig"
    _call("docker", "build", "--tag", image, _PROJECT)
    try:
        _call("kind", "create", "cluster", "--name", name, "--kubeconfig", kubeconfig, "--wait", "120s")
        _call("kind", "load", "docker-image", image, "--name", name)
        address = _ready_node(kubeconfig)
        assert address, "kind made a cluster without a node that is ready"
        yield Cluster(kubeconfig, image, address, "kind")
    finally:
        _call("kind", "delete", "cluster", "--name", name)


def _call(*words: str | Path) -> None:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=20 * _MINUTES, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
