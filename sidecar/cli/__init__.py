"""The command line: parses, calls one function, prints. The only package that imports `click`."""

from sidecar.cli.main import main

__all__ = ["main"]
