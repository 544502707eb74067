"""What is kept of a document that OpenSearch does not take."""

import hashlib
import time

from sidecar.config.fixed import CLUSTER, DEAD_LETTER, ID, TIMESTAMP
from sidecar.opensearch.documents import Document, Outcome
from sidecar.opensearch.encode import encode


def dead_letter(document: Document, outcome: Outcome, *, cluster: str) -> Document:
    """The dead letter of a refused document: the original as text, OpenSearch's reason, and where it was to go."""
    source = document.source.rstrip(b"\n").decode(errors="replace")
    letter = {
        TIMESTAMP: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        ID: document.id,
        CLUSTER: cluster,
        "target": {"index": document.index},
        "error": {"status": outcome.status, "type": outcome.type, "reason": outcome.reason},
        "document": source,
    }
    # Of index and id: the same Event may be refused by several indices.
    key = hashlib.sha256(f"{document.index}/{document.id}".encode()).hexdigest()
    return Document(DEAD_LETTER, key, encode(letter))
