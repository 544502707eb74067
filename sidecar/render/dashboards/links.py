"""Where the dashboards are, for people."""

from typing import Any

from sidecar.config.model import Config
from sidecar.render.dashboards import saved_objects

Json = dict[str, Any]


def dashboard_links(config: Config) -> dict[str, str]:
    """The addresses of the dashboards by their titles; none where `dashboards.url` is not set."""
    if config.dashboards.url is None:
        return {}
    dashboards = (thing for thing in saved_objects(config) if thing["type"] == "dashboard")
    return {thing["attributes"]["title"]: address(config, thing) for thing in dashboards}


def address(config: Config, dashboard: Json) -> str:
    """The address of a dashboard, in the tenant that it is in."""
    settings = config.dashboards
    return f"{settings.url}/app/dashboards?security_tenant={settings.tenant}#/view/{dashboard['id']}"
