"""The kinds of objects, in the order in which they are put in place; removed in the opposite one."""

from collections.abc import Sequence

from sidecar.config import Config
from sidecar.opensearch.client import Client
from sidecar.opensearch.manage.kind import Kind
from sidecar.opensearch.manage.saved_objects import SavedObjects


def first_kinds(config: Config, client: Client) -> Sequence[Kind]:  # noqa: ARG001 - they follow
    """What must be there before the first document: it decides how documents are stored, and for how long."""
    return ()


def later_kinds(config: Config, client: Client) -> Sequence[Kind]:  # noqa: ARG001 - they follow
    """What can wait: who may do what, alerts, dashboards. What fails here keeps no document back."""
    return [SavedObjects(config)] if config.dashboards.url else []
