"""Those that ship a node's pod logs: all three are Fluent Bit, and read the same files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.bench.peers.contestant import Contestant
from tests.support.bench.peers.stage import Place
from tests.support.bench.pod import in_pod, write_service_account
from tests.support.kubeapi import read_access
from tests.support.pipeline import Pipeline
from tests.support.podlogs.pipelines import bare, workshop, write
from tests.support.waiting import free_port, unique_name

SIDECAR, BARE, WORKSHOP = "fluent-sidecar and Fluent Bit", "Fluent Bit, bare", "Fluent Bit, the EKS workshop's"


@dataclass(frozen=True)
class Entry:
    """One that takes part.

    Attributes:
        start: Starts it in a place; `node` is the folder with `pods` and `containers`.
        joined: Whether a stack trace becomes one document.
    """

    start: Callable[..., Contestant]
    joined: bool = False


def fluent_sidecar(place: Place, node: Path) -> Contestant:
    """All defaults; the sidecar leads, so that what events cost it is in its figures too."""
    access = read_access(place.server.kubeconfig)
    write_service_account(place.folder / "account", token=access.token, ca=access.ca)
    pipeline = Pipeline(
        place.folder,
        url=place.url,
        kubeconfig=place.server.kubeconfig,
        start_process=in_pod(place.start, place.folder / "account", access.server),
        more={"paths": {"logs": str(node / "pods")}},
    )
    processes = [pipeline.start_sidecar(), pipeline.start_fluent_bit(place.fluent_bit)]
    return Contestant(SIDECAR, pipeline.config.logs.index, processes)


def plain(place: Place, node: Path) -> Contestant:
    """`tail` with the CRI parser, and the output with its defaults: no ids, no metadata, nothing on disk."""
    index = unique_name("bare")
    content = bare(f"{node}/pods/*/*/*.log", place.folder, _address(place.url), free_port(), index)
    return _fluent_bit(BARE, index, place, write(content, place.folder))


def of_the_workshop(place: Place, node: Path) -> Contestant:
    """The chart's settings in the EKS workshop; its kubernetes filter asks the real API server."""
    index = unique_name("workshop")
    access = read_access(place.server.kubeconfig)
    token, authority = place.folder / "token", place.folder / "ca.crt"
    token.touch(0o600)
    token.write_text(access.token)
    authority.write_text(access.ca)
    own = place.folder, _address(place.url), free_port(), index
    content = workshop(node / "containers", *own, (access.server, token))
    content["pipeline"]["filters"][0]["kube_ca_file"] = str(authority)
    return _fluent_bit(WORKSHOP, index, place, write(content, place.folder))


ENTRIES = {
    SIDECAR: Entry(fluent_sidecar, joined=True),
    BARE: Entry(plain),
    WORKSHOP: Entry(of_the_workshop),
}


def _fluent_bit(name: str, index: str, place: Place, file: Path) -> Contestant:
    return Contestant(name, index, [place.start([place.fluent_bit, "-c", file], name="fluent-bit")])


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80
