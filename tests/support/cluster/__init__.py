"""A cluster with nodes, the release that is tested there, and what else it runs."""
