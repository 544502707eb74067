"""The files and the command line of a single OpenSearch node, and the account that it runs under: no process yet."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.dev.java import Java
from sidecar.errors import DemoError

NOBODY = 65534  # the user and group without rights, by convention; they need no entry in /etc/passwd

# Everything goes to standard output, which is written to one file, together with what Java itself says.
LOGGING = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class Home:
    """The folder of one node: what is its own, beside the distribution that nodes share."""

    folder: Path

    @property
    def own(self) -> dict[str, Path]:
        """The folders in it: config, data, logs, tmp."""
        return {name: self.folder / name for name in ("config", "data", "logs", "tmp")}

    @property
    def log(self) -> Path:
        """What the node says."""
        return self.folder / "logs" / "opensearch.log"

    @property
    def ports(self) -> Path:
        """Where the node writes the addresses that it listens on, once it does."""
        return self.folder / "logs" / "http.ports"

    def url(self) -> str | None:
        """Where the node answers; None as long as it has not said so."""
        try:
            lines = self.ports.read_text().splitlines()
        except OSError:
            return None
        port = lines[0].rpartition(":")[2] if lines else ""
        return f"http://127.0.0.1:{port}" if port.isdecimal() else None


def settings_file(home: Home, port: int | None, more: Mapping[str, str]) -> str:
    """opensearch.yml; port 0 lets the kernel choose one that is free."""
    settings = {
        "cluster.name": "fluent-sidecar",
        "node.name": "node-1",
        "network.host": "127.0.0.1",
        "http.port": str(port or 0),
        "transport.port": "0",
        "node.portsfile": "true",
        "discovery.type": "single-node",
        "path.data": str(home.own["data"]),
        "path.logs": str(home.own["logs"]),
        # No block on writing because the machine's disk is rather full.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        **more,
    }
    # A JSON string is a YAML string; OpenSearch reads numbers and booleans from strings too.
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())


def java_command(java: Java, home: Home, distribution: Path, heap: str, agent: Path | None) -> list[str]:
    """The command that runs a node.

    Args:
        java: What to run it on.
        home: Its own folder.
        distribution: OpenSearch itself.
        heap: Java's memory, e.g. "512m".
        agent: The jar that replaces Java's security manager, from OpenSearch 3.0.0 on; None before.
    """
    tmp, logs = home.own["tmp"], home.own["logs"]
    options = [
        f"-Xms{heap}",
        f"-Xmx{heap}",
        # For a node that lives for minutes: a start takes 12 s of CPU instead of 20, and 380 MB instead of 590.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        f"-XX:ErrorFile={logs}/java-crash.log",
        f"-Djava.io.tmpdir={tmp}",
        "-Djava.awt.headless=true",
        "-Dfile.encoding=UTF-8",
        "-Djna.nosys=true",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
    ]
    if agent:
        options += [f"-javaagent:{agent}", "--enable-native-access=ALL-UNNAMED"]
    else:
        options += ["-Djava.security.manager=allow"]
    if java.major >= 24:  # noqa: PLR2004 - it warns about sun.misc.Unsafe, which Lucene and Netty use
        options += ["--sun-misc-unsafe-memory-access=allow"]
    options += [
        f"-Dopensearch.path.home={distribution}",
        f"-Dopensearch.path.conf={home.own['config']}",
        "-Dopensearch.distribution.type=tar",
        "-Dopensearch.bundled_jdk=false",
    ]
    return [str(java.executable), *options, "-cp", f"{distribution}/lib/*", "org.opensearch.bootstrap.OpenSearch"]


def write_home(home: Home, settings: str, account: int | None) -> None:
    """Create a node's folders and files, all owned by the account that it runs under (None: by this one)."""
    for folder in home.own.values():
        folder.mkdir(parents=True, exist_ok=True)
    home.ports.unlink(missing_ok=True)  # of a node that ran here before
    (home.own["config"] / "opensearch.yml").write_text(settings)
    (home.own["config"] / "log4j2.properties").write_text(LOGGING)
    if account is not None:
        for path in (home.folder, *home.folder.rglob("*")):
            os.chown(path, account, account, follow_symlinks=False)


def unprivileged() -> int | None:
    """The account to run a node under, if this one is root's: OpenSearch refuses root. None: this one will do."""
    return NOBODY if os.geteuid() == 0 else None


def check_reachable(path: Path, account: int | None, hint: str) -> None:
    """Raise a DemoError if an account can't get to a folder."""
    if blocked := _blocked_at(path, account):
        raise DemoError(f"OpenSearch does not run as root, and others can't enter {blocked}", hint=hint)


def reachable_java(java: Java, account: int | None, cache: Path) -> Java:
    """A Java that the account can run: a copy in the cache of one that is below a private folder."""
    if not _blocked_at(java.executable.resolve().parent, account):
        return java
    copy = cache / f"java-{java.major}"
    if not (copy / "bin" / "java").exists():
        part = copy.with_name(f"{copy.name}.{os.getpid()}.part")
        shutil.copytree(java.home, part)
        for path in (part, *part.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        if copy.exists():  # half of one: it has no bin/java
            shutil.rmtree(copy)
        part.rename(copy)
    return Java(copy, java.major)


def _blocked_at(path: Path, account: int | None) -> Path | None:
    if account is None:
        return None
    real = path.resolve()
    for folder in (real, *real.parents):
        status = folder.stat()
        if not status.st_mode & (0o100 if status.st_uid == account else 0o001):
            return folder
    return None
