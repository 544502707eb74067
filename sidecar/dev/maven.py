"""Runs Apache Maven: the projects that it is given, how far it is, and why it failed.

`mvn` fetches from the repository and through the proxy that it is configured for, and keeps what it has in its own
local repository; so a run that was interrupted goes on where it stopped.
"""

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.dev.parts import Progress, when_killed
from sidecar.errors import DemoError

INSTALL = "install Apache Maven 3.8 or later"
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


def has_maven() -> bool:
    """Whether there is an `mvn` on PATH."""
    return shutil.which("mvn") is not None


def pom(name: str, dependencies: Iterable[str] = (), modules: Iterable[str] = ()) -> str:
    """A Maven project that only has dependencies, each `group:artifact:version`, and projects below it."""
    listed = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(
            *dependency.split(":")
        )
        for dependency in dependencies
    )
    below = "".join(f"<module>{module}</module>" for module in modules)
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>fluent-sidecar</groupId>"
        f"<artifactId>{name}</artifactId><version>1</version><packaging>pom</packaging>"
        f"<modules>{below}</modules><dependencies>{listed}</dependencies></project>\n"
    )


@dataclass
class Fetching:
    """How far mvn is, read from its output line by line.

    Args:
        expected: Bytes that it fetches when its local repository is empty, its own plugins included; about.
    """

    expected: float
    files: int = 0
    size: float = 0.0
    step: float = 0.0
    last: deque[str] = field(default_factory=lambda: deque(maxlen=400))

    def read(self, line: str) -> bool:
        """Take one line of output into account; whether it says that something went on."""
        self.last.append(line)
        if done := re.search(r"Downloaded from \S+ \S+ \(([\d.]+) (B|kB|MB|GB)\b", line):
            self.files += 1
            self.size += float(done[1]) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[done[2]]
        project = re.search(r"Building .*\[(\d+)/(\d+)\]\s*$", line)
        if project:
            self.step = (int(project[1]) - 1) / int(project[2])
        return bool(done or project)

    @property
    def fraction(self) -> float:
        """By bytes or by projects, whichever is further: with a warm local repository nothing is fetched."""
        return min(max(self.size / self.expected, self.step), 0.99)

    @property
    def text(self) -> str:
        """What has arrived so far."""
        return f"{self.files} files, {self.size / 1e6:.1f} MB fetched" if self.files else "resolving"

    def failure(self) -> tuple[str, str]:
        """Why mvn failed and what to do about it, in a line each."""
        errors = [line.removeprefix("[ERROR]").strip() for line in self.last if line.startswith("[ERROR]")]
        text = " ".join(errors) or " ".join(line.strip() for line in list(self.last)[-3:])
        text = re.sub(r"\s*\(?\w+://\S+", "", text)  # a mirror's address may hold a password
        if "offline mode" in text:
            return "mvn is in offline mode and lacks an artifact", "let mvn go online once"
        if missing := re.search(r"Could not find artifact (\S+)|(\S+) was not found in\b", text):
            return f"the repository has no {missing[1] or missing[2]}", "look at the mirrors in Maven's settings.xml"
        if unreachable := re.search(r"Could not transfer artifact (\S+)", text):
            return (
                f"mvn can't fetch {unreachable[1]}",
                "look at the network, the proxy and the mirrors in Maven's settings.xml",
            )
        return f"mvn failed: {text[:300] or 'it said nothing'}", "mvn -v shows whether Maven itself works"


def run_maven(
    goals: list[str], folder: Path, *, name: str, fetching: Fetching, progress: Progress, java_home: Path | None = None
) -> None:
    """Run mvn in a folder.

    Args:
        goals: Its arguments.
        folder: Where the project is, if there is one.
        name: What is made, for messages.
        fetching: Takes its output in; one for all the runs that make one thing.
        progress: Told whenever something has arrived.
        java_home: The Java for mvn to run on, where the environment names none.

    Raises:
        DemoError: mvn is missing or failed.
    """
    if not has_maven():
        raise DemoError(f"{name} can't be assembled: there is no mvn on PATH", hint=INSTALL)
    environment = dict(os.environ)
    if java_home and not environment.get("JAVA_HOME") and not shutil.which("java"):
        environment["JAVA_HOME"] = str(java_home)
    process = subprocess.Popen(  # noqa: S603 - the command is ours
        # -U: an artifact that was missing the last time is asked for again.
        ["mvn", "--batch-mode", "-U", *goals],  # noqa: S607 - mvn is the one that the user has
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    # Without this, an mvn that outlives us could write where the next run does.
    with when_killed(["/bin/sh", "-c", 'kill -KILL "$1"', "guard", str(process.pid)]), process:
        try:
            assert process.stdout
            for line in process.stdout:
                if fetching.read(re.sub(r"\x1b\[[\d;]*m", "", line)):
                    progress(f"{name}: {fetching.text}", fetching.fraction)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        what, hint = fetching.failure()
        raise DemoError(f"{name} can't be assembled: {what}", hint=hint)
