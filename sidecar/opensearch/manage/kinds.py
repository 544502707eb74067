"""The kinds of objects, in the order in which they are put in place; removed in the opposite one."""

from collections.abc import Sequence

from sidecar.config import Config
from sidecar.opensearch.client import Client
from sidecar.opensearch.manage.channels import Channels
from sidecar.opensearch.manage.kind import Kind
from sidecar.opensearch.manage.monitors import Monitors
from sidecar.opensearch.manage.policies import Policies
from sidecar.opensearch.manage.roles import Roles
from sidecar.opensearch.manage.saved_objects import SavedObjects
from sidecar.opensearch.manage.templates import ComponentTemplates, IndexTemplates
from sidecar.render.policies import policies
from sidecar.render.roles import roles
from sidecar.render.templates import templates


def first_kinds(config: Config, client: Client) -> Sequence[Kind]:
    """What must be there before the first document: it decides how documents are stored, and for how long.

    Policies come before the templates that make indices: the server attaches one only to what is younger.
    """
    wanted = templates(config)
    indices = IndexTemplates(client, wanted, config.cluster)
    return [
        ComponentTemplates(client, wanted, config, indices.composed_of),
        # A policy has the name of the template that makes its indices.
        Policies(client, policies(config), indices.users),
        indices,
    ]


def later_kinds(config: Config, client: Client) -> Sequence[Kind]:
    """What can wait: who may do what, alerts, dashboards. What fails here keeps no document back."""
    neighbours = IndexTemplates(client, templates(config), config.cluster).neighbours
    return [
        *([Roles(client, roles(config), neighbours)] if config.opensearch.roles else []),
        # A monitor's actions name channels.
        Channels(config, client),
        Monitors(config, client),
        *([SavedObjects(config, neighbours)] if config.dashboards.url else []),
    ]
