"""The `dashboards` section: OpenSearch Dashboards, for the saved objects."""

import re
from typing import Annotated

from pydantic import AfterValidator

from sidecar.config.address import checked_url
from sidecar.config.opensearch import BasicAuth, Tls
from sidecar.config.section import Section, section
from sidecar.config.show import quoted
from sidecar.config.units import Given


def _tenant(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", value):
        raise ValueError(f"expected the name of a tenant: letters, digits, '_' and '-'; found {quoted(value)}")
    return value


class DashboardsAuth(Section):
    """How the sidecar proves to OpenSearch Dashboards who it is."""

    basic: Annotated[BasicAuth | None, Given] = None
    """User and password."""


class Dashboards(Section):
    """OpenSearch Dashboards, for the saved objects."""

    url: Annotated[str | None, Given, AfterValidator(checked_url)] = None
    """Address, with the path that Amazon's domains have: `https://HOST/_dashboards`. Dashboards are imported where it
    is set, and rendered in any case."""
    tenant: Annotated[str, AfterValidator(_tenant)] = "global"
    """Tenant that the saved objects go to; `private` is that of the user alone. The one that all users share is the
    default."""
    auth: DashboardsAuth = section(DashboardsAuth)
    """Credentials, by reference; those for OpenSearch where nothing is said. OpenSearch Dashboards takes no client
    certificate: where OpenSearch wants one, a user and a password are needed here."""
    tls: Annotated[Tls | None, Given] = None
    """How the server's certificate is checked; as that of OpenSearch where nothing is said."""
