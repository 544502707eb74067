"""The `controlPlane` section: logs of the control plane, from CloudWatch Logs or from its own nodes."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from sidecar.config.family import Family, Rotation
from sidecar.config.names import AbsolutePath, IndexName
from sidecar.config.section import Many
from sidecar.config.show import quoted
from sidecar.config.units import Duration, Given

LogType = Literal["api", "audit", "authenticator", "controllerManager", "scheduler"]
LOG_TYPES: tuple[LogType, ...] = ("api", "audit", "authenticator", "controllerManager", "scheduler")


def _log_group(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_./#-]{1,512}", value):
        raise ValueError(f"expected a log group such as /aws/eks/CLUSTER/cluster, found {quoted(value)}")
    return value


_EKS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class ControlPlane(Family):
    """Logs of the control plane."""

    index: IndexName = "eks-control-plane-logs"
    """Index, or first part of its name where `rotate` adds a date."""
    rotate: Rotation = "daily"
    """How often a new index begins, by the record's own time (UTC). Old indices go as a whole, which is cheap."""
    retain: Annotated[Duration | None, Given] = None
    """How long documents are kept after the end of their index's day or month; 30d where nothing is said."""
    source: Literal["cloudwatch", "node"] = "cloudwatch"
    """Where they are. `cloudwatch`: EKS writes them to CloudWatch Logs, and a Lambda function, whose template is
    rendered, ships them. `node`: the control plane runs as static pods, and Fluent Bit on their node ships them here
    instead of to the indices of pod logs."""
    types: Many[LogType] = LOG_TYPES
    """Which of the control plane's logs are taken: api, audit, authenticator, controllerManager, scheduler."""
    log_group: Annotated[str | None, Given, AfterValidator(_log_group)] = None
    """Log group in CloudWatch Logs; that of EKS, `/aws/eks/CLUSTER/cluster`, where nothing is said. Where `cluster` is
    no name that EKS takes, such as an ARN, it must be said, or no function is rendered."""
    audit_log: Annotated[AbsolutePath | None, Given] = None
    """With `source: node`: file that the API server writes its audit log to, as its `--audit-log-path` says. Fluent Bit
    must see it under this path. Without it no audit log is read."""

    def log_group_for(self, cluster: str) -> str | None:
        """The log group of a cluster's control plane; None where EKS knows no cluster of that name and none is said."""
        if self.log_group or not _EKS_NAME.fullmatch(cluster):
            return self.log_group
        return f"/aws/eks/{cluster}/cluster"
