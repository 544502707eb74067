"""What the tests share: real parts, processes, and Events made through the API."""
