"""The parts of the EKS control plane: what `component` says of a line, by the type of log that EKS enables."""

from sidecar.config.controlplane import LogType

COMPONENTS: dict[LogType, tuple[str, ...]] = {
    "api": ("kube-apiserver",),
    "audit": ("audit",),
    "authenticator": ("authenticator",),
    # EKS writes both to the log of this type.
    "controllerManager": ("kube-controller-manager", "cloud-controller-manager"),
    "scheduler": ("kube-scheduler",),
}
