"""The Kubernetes API server: connection, list and watch. The only package that imports `kubernetes`."""

from sidecar.kube.client import ApiServer, connect
from sidecar.kube.listing import Page, pages
from sidecar.kube.watching import Watch

__all__ = ["ApiServer", "Page", "Watch", "connect", "pages"]
