"""What the server keeps and the project makes: planned, put in place, and removed again. Nothing else is touched."""

from sidecar.opensearch.manage.change import Action, Change, Outcome
from sidecar.opensearch.manage.kind import Item, Kind, Present, Result
from sidecar.opensearch.manage.server import Feature, Server

__all__ = ["Action", "Change", "Feature", "Item", "Kind", "Outcome", "Present", "Result", "Server"]
