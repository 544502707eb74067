"""The parts of a control plane: what `component` says of a line, by the type of log that EKS enables."""

from collections.abc import Mapping

from sidecar.config.controlplane import LogType
from sidecar.config.model import Config

COMPONENTS: dict[LogType, tuple[str, ...]] = {
    "api": ("kube-apiserver",),
    "audit": ("audit",),
    "authenticator": ("authenticator",),
    # EKS writes both to the log of this type.
    "controllerManager": ("kube-controller-manager", "cloud-controller-manager"),
    "scheduler": ("kube-scheduler",),
}
CONTAINERS: Mapping[str, str] = {
    **{name: name for names in COMPONENTS.values() for name in names if name not in {"audit", "authenticator"}},
    "aws-cloud-controller-manager": "cloud-controller-manager",
    "aws-iam-authenticator": "authenticator",
}
"""Components by their containers' names in the namespace kube-system, where they run as pods."""


def components(config: Config) -> tuple[str, ...]:
    """What `component` may say of the lines that are taken."""
    return tuple(name for kind in config.control_plane.types for name in COMPONENTS[kind])
