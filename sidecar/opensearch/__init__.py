"""OpenSearch: client, bulk, templates, queries. The only package that imports `opensearchpy`."""

from sidecar.opensearch.client import Client, connect
from sidecar.opensearch.documents import Document, Documents, Outcome, Verdict

__all__ = ["Client", "Document", "Documents", "Outcome", "Verdict", "connect"]
