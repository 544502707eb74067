"""The reference of the commands, made from the commands: what `--help` says, as Markdown."""

import inspect
from collections.abc import Iterator

import click

_UNWRAPPED = "\b\n"
"""What click takes for "don't wrap this paragraph"."""


def commands_reference(root: click.Group, name: str) -> str:
    """Markdown: for each command a heading, what it does, its usage, its options and its examples.

    Args:
        root: The program; of a group in it the group comes first, then its commands.
        name: What the program is called.
    """
    context = click.Context(root, info_name=name, **root.context_settings)
    return "\n".join([*_section(context), *_below(context)])


def _below(context: click.Context) -> Iterator[str]:
    group = context.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command and not command.hidden:
            inner = click.Context(command, info_name=name, parent=context)
            yield from _section(inner)
            yield from _below(inner)


def _section(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"## {context.command_path}", "", f"`{usage}`", "")
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    examples = [text for text in paragraphs if _is_examples(text)]
    for text in paragraphs:
        if text not in examples:
            yield from _paragraph(text)
    yield from _options(context)
    for text in examples:
        yield from _examples(text)
    if command.epilog:
        yield from _paragraph(inspect.cleandoc(command.epilog))


def _is_examples(text: str) -> bool:
    return text.removeprefix(_UNWRAPPED).startswith("Example")


def _paragraph(text: str) -> Iterator[str]:
    if text.startswith(_UNWRAPPED):
        yield from ("```", inspect.cleandoc(text.removeprefix(_UNWRAPPED)), "```", "")
    else:
        yield from (_plain(" ".join(text.split())), "")


def _examples(text: str) -> Iterator[str]:
    _, *lines = text.removeprefix(_UNWRAPPED).splitlines()
    yield "```console"
    for line in inspect.cleandoc("\n".join(lines)).splitlines():
        # What goes on from the line before, and what is only said about the next one, is not typed at a prompt.
        yield line if line.startswith((" ", "#")) else f"$ {line}"
    yield from ("```", "")


def _options(context: click.Context) -> Iterator[str]:
    records = [found for param in context.command.get_params(context) if (found := param.get_help_record(context))]
    yield from ("| option | |", "| --- | --- |")
    for names, text in records:
        yield f"| `{_cell(names)}` | {_plain(_cell(text))} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _plain(text: str) -> str:
    """Text outside code, in which nothing is a mark of Markdown's: `<` and `*` are meant as they are."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)
