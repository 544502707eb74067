"""Names that no pipeline.yaml changes. No model: a Lambda function, which has no pydantic, uses them too."""

DEAD_LETTER = "fluent-sidecar-dead-letter"
"""Index of the documents that OpenSearch refused; no other index's pattern matches it."""
UNDATED = "undated"
"""Stands for the date of a document without one: an Event without a creation time, which no API server makes, a line
that no container runtime wrote, and one that came with a time which is none."""

TIMESTAMP, ID, CLUSTER, LEVEL, DATA = "@timestamp", "id", "cluster", "level", "data"
"""Fields that documents of more than one source have; `sidecar.render.fields` says what they are."""
