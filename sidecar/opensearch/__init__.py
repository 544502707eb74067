"""OpenSearch: client, bulk, templates, queries, over plain HTTP."""

from sidecar.opensearch.client import Client, connect
from sidecar.opensearch.documents import Document, Documents, Outcome, Verdict

__all__ = ["Client", "Document", "Documents", "Outcome", "Verdict", "connect"]
