"""Kubernetes events and pod logs in OpenSearch, exactly once, beside Fluent Bit."""

__version__ = "0.1.0"
