"""The peers' programs, which nobody needs for the tests: taken from the environment or from PATH."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.parts import Missing


@dataclass(frozen=True)
class Program:
    """A peer's program, and its version where it tells one."""

    path: Path
    version: str


def find_event_exporter() -> Program:
    """kubernetes-event-exporter, of EVENT_EXPORTER or PATH; it doesn't tell its version: EVENT_EXPORTER_VERSION does.

    Raises:
        Missing: There is none.
    """
    path = _find("kubernetes-event-exporter", "EVENT_EXPORTER", "kubernetes-event-exporter")
    return Program(path, os.environ.get("EVENT_EXPORTER_VERSION", "of unknown version"))


def find_collector() -> Program:
    """An OpenTelemetry Collector with the receiver `k8sobjects`, of OTELCOL or PATH.

    Raises:
        Missing: There is none.
    """
    path = _find("OpenTelemetry Collector", "OTELCOL", "otelcol-k8s", "otelcol-contrib")
    parts = subprocess.run([path, "components"], capture_output=True, text=True, timeout=60, check=False).stdout
    if "k8sobjects" not in parts:
        raise Missing("OpenTelemetry Collector", f"{path} has no receiver k8sobjects")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    found = re.search(r"\d+\.\d+\.\d+", told)
    return Program(path, found[0] if found else "of unknown version")


def _find(part: str, variable: str, *names: str) -> Path:
    given = os.environ.get(variable)
    found = given if given and os.access(given, os.X_OK) else next(filter(None, map(shutil.which, names)), None)
    if given and found != given:
        raise Missing(part, f"{variable}={given} can't be run")
    if not found:
        raise Missing(part, f"neither {variable} nor {' or '.join(names)} on PATH")
    return Path(found)
