"""Options that several commands have."""

import click

config_option = click.option(
    "-c", "--config", "config_file", default="pipeline.yaml", show_default=True, envvar="SIDECAR_CONFIG",
    metavar="FILE", help="The configuration. Also: SIDECAR_CONFIG.",
)  # fmt: skip
