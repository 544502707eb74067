"""Sections that later versions act on; this one reads and checks them, so that a file can have them already."""

import re
from typing import Annotated

from pydantic import AfterValidator

from sidecar.config.opensearch import checked_url
from sidecar.config.section import Section
from sidecar.config.show import quoted
from sidecar.config.units import Given


def _tenant(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", value):
        raise ValueError(f"expected the name of a tenant: letters, digits, '_' and '-'; found {quoted(value)}")
    return value


class Dashboards(Section):
    """OpenSearch Dashboards, for the saved objects."""

    url: Annotated[str | None, Given, AfterValidator(checked_url)] = None
    """Address, with the path that Amazon's domains have: `https://HOST/_dashboards`."""
    tenant: Annotated[str, AfterValidator(_tenant)] = "global"
    """Tenant that the saved objects go to. The one that all users share is the default."""
