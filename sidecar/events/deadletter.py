"""What is kept of a document that OpenSearch does not take."""

import hashlib
import time

from sidecar.events.encode import encode
from sidecar.opensearch import Document, Outcome
from sidecar.render import fields
from sidecar.render.indices import DEAD_LETTER


def dead_letter(document: Document, outcome: Outcome, *, cluster: str) -> Document:
    """The dead letter of a refused document: the original as text, OpenSearch's reason, and where it was to go."""
    source = document.source.rstrip(b"\n").decode(errors="replace")
    letter = {
        fields.TIMESTAMP: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        fields.ID: document.id,
        fields.CLUSTER: cluster,
        "target": {"index": document.index},
        "error": {"status": outcome.status, "type": outcome.type, "reason": outcome.reason},
        "document": source,
    }
    # Of index and id: the same Event may be refused by several indices.
    key = hashlib.sha256(f"{document.index}/{document.id}".encode()).hexdigest()
    return Document(DEAD_LETTER, key, encode(letter))
