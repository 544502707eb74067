"""The Fluent Bit of a demonstration: the one on PATH, else one in Docker, else none."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sidecar.config.model import OLDEST_FLUENT_BIT
from sidecar.dev.docker import has_docker
from sidecar.dev.parts import log_end, running
from sidecar.errors import DemoError

IMAGE = "fluent/fluent-bit:" + ".".join(map(str, OLDEST_FLUENT_BIT))


@dataclass(frozen=True)
class FluentBitChoice:
    """Which Fluent Bit: its command (without the file of its configuration), or none."""

    description: str
    command: tuple[str, ...] = ()


def choose_fluent_bit(folder: Path) -> FluentBitChoice:
    """What there is on this machine.

    Args:
        folder: Everything that it reads and writes lies below.
    """
    program = shutil.which("fluent-bit")
    if program:
        version = version_of(program)
        if version and version >= OLDEST_FLUENT_BIT:
            return FluentBitChoice(f"Fluent Bit {'.'.join(map(str, version))} on PATH", (program,))
    if has_docker():
        name = f"fluent-sidecar-fluent-bit-{secrets.token_hex(4)}"
        command = [
            "docker",
            "run",
            "--rm",
            "--name",
            name,
            "--network",
            "host",
            "--user",
            f"{os.getuid()}:{os.getgid()}",
        ]
        command += ["--volume", f"{folder}:{folder}", "--entrypoint", "/fluent-bit/bin/fluent-bit", IMAGE]
        return FluentBitChoice(f"{IMAGE} in Docker", tuple(command))
    return FluentBitChoice(
        "none: no fluent-bit of 5.1.1 or newer on PATH, no Docker; the sidecar sends the events itself"
    )


def version_of(program: str) -> tuple[int, ...] | None:
    """The version that a fluent-bit says it has; None where it says nothing of the kind."""
    try:
        answer = subprocess.run(  # noqa: S603 - the program that the user has
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, match.groups())) if match else None


@contextmanager
def running_fluent_bit(choice: FluentBitChoice, file: Path, log: Path) -> Iterator[None]:
    """Run it on a configuration until the block is left.

    Raises:
        DemoError: It ended while the block ran without an error of its own; with the end of its log.
    """
    if not choice.command:
        yield
        return
    with running([*choice.command, "-c", str(file)], log) as process:
        yield
        if process.poll() is not None:
            raise DemoError(f"Fluent Bit ended; the end of its log:\n{log_end(log.read_text(errors='replace'))}")
