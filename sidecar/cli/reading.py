"""The options of the commands that read from OpenSearch, and what they mean."""

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sidecar.cli.terminal import note
from sidecar.errors import InputError, SidecarError

if TYPE_CHECKING:
    from sidecar.reading import Reader, Selection, Window
    from sidecar.reading.nothing import Nothing

Command = TypeVar("Command", bound=Callable[..., Any])

_IN_A_POD = "KUBERNETES_SERVICE_HOST"


def where_options(command: Command) -> Command:
    """Of which namespaces."""
    for option in (
        click.option("--context", metavar="NAME", help="The context whose namespace is meant, not the current one."),
        click.option("--kubeconfig", metavar="FILE", help="Of the context. Without it: $KUBECONFIG or ~/.kube/config."),
        click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces."),
        click.option("-n", "--namespace", metavar="NAME", help="In this namespace. Without it: in that of the "
                     "kubeconfig's context; in all, where there is no kubeconfig, and in a pod."),
    ):  # fmt: skip
        command = option(command)
    return command


def when_options(default: str) -> Callable[[Command], Command]:
    """From when to when.

    Args:
        default: What is said of `--since` where it is missing.
    """

    def add(command: Command) -> Command:
        command = click.option("--until", metavar="TIME", help="The end, written likewise. Without it: now.")(command)
        return click.option(
            "--since", metavar="TIME",
            help=f"The beginning: 30m, 2h, 3d, 14:05, 2026-11-26 or 2026-11-26T14:05Z. Without it: {default}.",
        )(command)  # fmt: skip

    return add


def reader(config_file: str) -> "Reader":
    """A reader for a pipeline.yaml."""
    from sidecar.config import load  # noqa: PLC0415 - see sidecar.cli.main
    from sidecar.reading import open_reader  # noqa: PLC0415

    return open_reader(load(config_file))


def namespace_of(namespace: str | None, kubeconfig: str | None, context: str | None, *, everywhere: bool) -> str:
    """The namespace that is meant; empty for all.

    Raises:
        SidecarError: What was asked for doesn't go together, or isn't there.
    """
    refuse_both(namespace, everywhere=everywhere)
    if namespace or everywhere:
        return namespace or ""
    if _IN_A_POD in os.environ and not (kubeconfig or context or os.environ.get("KUBECONFIG")):
        return ""
    from sidecar.kube.context import context_namespace  # noqa: PLC0415 - see sidecar.cli.main

    return context_namespace(kubeconfig, context) or ""


def refuse_both(namespace: str | None, *, everywhere: bool) -> None:
    """Raise InputError where one namespace and all of them are asked for."""
    if namespace and everywhere:
        raise InputError("-n and -A don't go together", hint="say one of them")


def window_of(since: str | None, until: str | None, default: timedelta | None) -> "Window":
    """The window that is meant."""
    from sidecar.reading import window  # noqa: PLC0415 - see sidecar.cli.main

    return window(since, until, now=now(), default=default)


def now() -> datetime:
    """Now, in the zone of this machine."""
    return datetime.now().astimezone()


def clock(moment: datetime) -> str:
    """A moment for people, in the zone of this machine, and how long ago it was, or how far ahead it is."""
    from sidecar.reading.rows import age  # noqa: PLC0415 - see sidecar.cli.main

    moment, current = moment.astimezone(), now()
    away = f"in {age(current, moment)}" if moment > current else f"{age(moment, current)} ago"
    return f"{moment:%Y-%m-%d %H:%M:%S} ({away})"


def said(wanted: "Selection", when: "Window") -> str:
    """What was looked for, in words."""
    parts = [f"in namespace {wanted.namespace}" if wanted.namespace else "in any namespace"]
    if wanted.target:
        parts.append(f"of {wanted.target}")
    for name, value in (
        ("type", ", ".join(wanted.types)), ("reason", ", ".join(wanted.reasons)),
        ("container", ", ".join(wanted.containers)),
    ):  # fmt: skip
        if value:
            parts.append(f"of {name} {value}")
    if wanted.level:
        parts.append(f"of level {wanted.level} or above")
    if wanted.words:
        parts.append(f'with "{wanted.words}"')
    if when.since:
        parts.append(f"since {clock(when.since)}")
    if when.until:
        parts.append(f"until {clock(when.until)}")
    return " ".join(parts)


def finish(opened: "Reader", pattern: str) -> None:
    """Say what of an answer may be missing, if anything may; exit 1 where OpenSearch did not answer for all of it.

    Args:
        opened: What it was read with.
        pattern: Where closed indices are looked for; nowhere where it is empty.
    """
    if pattern and opened.has_closed(pattern):
        note(f"note: of {pattern} there are closed indices, which are not searched: what is in them is missing")
    if opened.incomplete:
        note(f"warning: {opened.incomplete}: some may be missing")
        sys.exit(1)


def tell_nothing(what: str, nothing: "Nothing", wanted: "Selection", when: "Window") -> None:
    """Say where nothing was found, and what would find something."""
    from sidecar.reading.shown import one_line  # noqa: PLC0415 - see sidecar.cli.main

    note(f"No {what} {said(wanted, when)}")
    note(f"  {nothing.where(wanted)}")
    try:
        note(f"  -> {one_line(nothing.advice(wanted))}")
    except SidecarError as error:
        note(f"  -> what there is can't be told: {error.what}")
