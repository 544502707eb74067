"""The reference of the commands: made from any commands, whatever their help looks like."""

import click

from sidecar.cli.reference import commands_reference


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="In the end.")
def tool() -> None:
    """Does things.

    \b
      as: it is
    """


@tool.command()
@click.option("--of", type=click.Choice(["a", "b"]), default="a", show_default=True, help="Less than <x>, or *.")
def one(of: str) -> None:
    """Do one `<thing>`.

    \b
    Examples:
      # This way:
      tool one --of a \\
          --help
    """


@tool.command(hidden=True)
def two() -> None:
    """Not to be seen."""


@tool.group()
def more() -> None:
    """More of it."""


@more.command()
@click.argument("file", metavar="FILE")
def three(file: str) -> None:
    """Do three."""


TEXT = """\
## tool

`tool [OPTIONS] COMMAND [ARGS]...`

Does things.

```
as: it is
```

| option | |
| --- | --- |
| `-h, --help` | Show this message and exit. |

In the end.

## tool more

`tool more [OPTIONS] COMMAND [ARGS]...`

More of it.

| option | |
| --- | --- |
| `-h, --help` | Show this message and exit. |

## tool more three

`tool more three [OPTIONS] FILE`

Do three.

| option | |
| --- | --- |
| `FILE` |  |
| `-h, --help` | Show this message and exit. |

## tool one

`tool one [OPTIONS]`

Do one `<thing>`.

| option | |
| --- | --- |
| `--of [a\\|b]` | Less than &lt;x>, or \\*. [default: a] |
| `-h, --help` | Show this message and exit. |

```console
# This way:
$ tool one --of a \\
    --help
```
"""


def test_every_command_that_is_not_hidden_is_told_of() -> None:
    assert commands_reference(tool, "tool") == TEXT
