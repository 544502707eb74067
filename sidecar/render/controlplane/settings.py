"""What the function has to know, and whether there is one."""

from typing import Any

from sidecar.config.function import Settings
from sidecar.config.model import Config
from sidecar.render.components import components
from sidecar.render.templates import index_template_name

Json = dict[str, Any]


def settings(config: Config) -> Settings:
    """What the function has to know; nothing secret."""
    family, server = config.control_plane, config.opensearch
    return Settings(
        cluster=config.cluster,
        index=family.index,
        rotate=family.rotate,
        template=template_name(config),
        components=components(config),
        url=server.url or "",
        verify=server.tls.verify,
        private_ca=server.tls.ca is not None,
        auth=_auth(config),
    )


def has_function(config: Config) -> bool:
    """Whether there is a function to deploy: it knows no client certificate, and needs a log group."""
    family = config.control_plane
    wanted = family.source == "cloudwatch" and bool(family.types)
    return wanted and config.opensearch.auth.mtls is None and family.log_group_for(config.cluster) is not None


def template_name(config: Config) -> str:
    """Name of the index template of the control plane's logs."""
    return index_template_name(config.control_plane.index)


def log_group(config: Config) -> str:
    """The log group of the control plane, of a configuration that has one."""
    group = config.control_plane.log_group_for(config.cluster)
    if group is None:
        raise ValueError(f"the cluster {config.cluster} has no log group")
    return group


def _auth(config: Config) -> Json:
    auth = config.opensearch.auth
    if auth.ssm:
        return {"ssm": {"path": auth.ssm.path, "region": auth.ssm.region}}
    if auth.sigv4:
        found = {"region": auth.sigv4.region, "service": auth.sigv4.service}
        return {"sigv4": {**found, **({"roleArn": auth.sigv4.role_arn} if auth.sigv4.role_arn else {})}}
    return {"secret": True} if auth.basic else {}
