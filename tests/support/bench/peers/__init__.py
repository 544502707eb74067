"""What fluent-sidecar is compared with: other shippers, run and counted in one way."""
