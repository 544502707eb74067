"""OpenSearch: client, bulk, templates, queries, over plain HTTP."""

from sidecar.opensearch.access import Access
from sidecar.opensearch.client import Client, connect
from sidecar.opensearch.documents import Document, Documents, Outcome, Verdict

__all__ = ["Access", "Client", "Document", "Documents", "Outcome", "Verdict", "connect"]
