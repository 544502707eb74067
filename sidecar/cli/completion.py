"""`sidecar completion`: what a shell needs to complete commands, options and their values."""

from typing import TYPE_CHECKING, Literal

import click

from sidecar.errors import InputError

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete


@click.command(short_help="Print what completes commands and options in your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print what completes commands, options and their values in a shell.

    \b
    Examples:
      sidecar completion bash > ~/.local/share/bash-completion/completions/sidecar
      sidecar completion zsh > "${fpath[1]}/_sidecar"
      sidecar completion fish > ~/.config/fish/completions/sidecar.fish

    Bash must be 4.4 or newer. In place of a file, in ~/.bashrc or ~/.zshrc: source <(sidecar completion bash)
    """  # noqa: D301 - click's mark for "don't wrap" is the backspace itself
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - see sidecar.cli.main

    made: type[ShellComplete] | None = get_completion_class(shell)
    if made is None:
        raise InputError(f"{shell} can't be completed for", hint="bash, zsh and fish can")
    # Not `source()`: that starts the shell to ask for its version, and there may be none where this is written.
    whole = made(context.find_root().command, {}, "sidecar", "_SIDECAR_COMPLETE")
    click.echo(whole.source_template % whole.source_vars())
