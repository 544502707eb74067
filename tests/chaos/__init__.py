"""What Events survive, at full length: `make chaos`."""
