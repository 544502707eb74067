"""What is looked at, for one pipeline.yaml."""

from collections.abc import Callable
from functools import partial

from sidecar.config import Config
from sidecar.doctor.cluster import Cluster
from sidecar.doctor.configuration import configuration_area
from sidecar.doctor.document import try_document
from sidecar.doctor.finding import Finding, skip
from sidecar.doctor.fluentbit import fluent_bit_area
from sidecar.doctor.inplace import TITLE as IN_PLACE
from sidecar.doctor.inplace import dashboards_area, in_place_area
from sidecar.doctor.itself import sidecar_area
from sidecar.doctor.link import Link
from sidecar.doctor.run import Area, Check
from sidecar.kube import ApiServer
from sidecar.render.indices import IndexFamily, families

_MOST = 20
"""Indices that are written to: each is made and deleted, which takes a server some tenths of a second."""


_PATIENCE = 30.0
"""Seconds for one of them: a busy server takes its time to make an index, and what is left behind is left there."""
_SLOW = "the server is slow to make indices: see health; delete INDEX-doctor if it is left there"


def areas(config: Config, file: str, *, connect: Callable[[], ApiServer], namespace: str | None) -> list[Area]:
    """Everything.

    Args:
        config: pipeline.yaml.
        file: Its name.
        connect: Finds the API server.
        namespace: Of the sidecar; that of the pod, or of the kubeconfig's context, where it is None.
    """
    return [
        configuration_area(config, file),
        Cluster(config, connect, namespace).area(),
        fluent_bit_area(config),
        sidecar_area(config),
        *opensearch_areas(Link(config)),
        dashboards_area(config),
    ]


def opensearch_areas(link: Link) -> list[Area]:
    """OpenSearch: the way there, what is in place, and a document of each kind."""
    return [link.area(), in_place_area(link), _documents(link)]


def _documents(link: Link) -> Area:
    """Writes, in an index of each family, once it is known what is in place."""
    return Area("Documents", partial(_tries, link), after=IN_PLACE)


def _tries(link: Link) -> list[Check]:
    found = list(families(link.config))
    checks = [
        Check(family.index, partial(_try, link, family), slow=_SLOW, seconds=_PATIENCE) for family in found[:_MOST]
    ]
    if len(found) > _MOST:
        name = f"{len(found) - _MOST} more"
        checks.append(Check(name, partial(skip, name, f"not tried: the {_MOST} before stand for them")))
    return checks


def _try(link: Link, family: IndexFamily) -> Finding:
    return try_document(link.client, family, mapped=family.index in link.mapped)
