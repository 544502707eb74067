"""The Kubernetes API server: connection, list and watch. The only package that imports `kubernetes`, and only late."""

from sidecar.kube.client import ApiServer, connect
from sidecar.kube.listing import Page, pages
from sidecar.kube.watching import Change, Watch, initial_supported

__all__ = ["ApiServer", "Change", "Page", "Watch", "connect", "initial_supported", "pages"]
