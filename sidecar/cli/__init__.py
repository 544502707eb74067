"""The command line: parses, calls one function, prints. The only package that imports `click`."""

import gc


def main() -> None:
    """The console script."""
    # What a command loads at its start all stays: looking for garbage in it takes a tenth of the time. The commands
    # that go on for long turn it on again.
    gc.disable()
    from sidecar.cli.main import cli  # noqa: PLC0415 - see above

    cli(prog_name="sidecar")
