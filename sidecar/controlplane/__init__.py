"""Logs of the EKS control plane: from CloudWatch Logs, by a Lambda function, to OpenSearch, exactly once.

The function's deployment package holds this package and what it imports, and neither pydantic nor orjson: what
pipeline.yaml says reaches it as JSON, which `sidecar render-config` makes of it.
"""
