"""The OpenSearch of a demonstration: one that is there already, in Docker, or a node of our own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType

import urllib3

from sidecar.dev import java as runtime
from sidecar.dev import maven
from sidecar.dev.distribution import VERSION, assemble, default_cache, distribution
from sidecar.dev.docker import docker_opensearch, has_docker
from sidecar.dev.java import Java, find_java
from sidecar.dev.node import (
    Home,
    check_reachable,
    java_command,
    reachable_java,
    settings_file,
    unprivileged,
    write_home,
)
from sidecar.dev.parts import Part, Progress, hold, wait_until_healthy
from sidecar.errors import DemoError

ANSWER_SECONDS = 10.0
STOP_SECONDS = 20.0

# Kills the node, lets the kernel finish that, and removes its folder.
LAST_WILL = 'kill -KILL "$1"; [ -z "$2" ] || { sleep 1; rm -rf -- "$2"; }'


def open_opensearch(
    choice: str | None,
    *,
    progress: Progress,
    keep: bool = False,
    heap: str = "512m",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AbstractContextManager[Part]:
    """The OpenSearch that the user chose.

    Args:
        choice: "embedded", "docker", the URL of one that runs, or None: embedded if mvn and Java are there,
            else Docker.
        progress: Told what happens.
        keep: Leave what is started running.
        heap: Java's memory for what is started.
        settings: More settings of OpenSearch for what is started.

    Raises:
        DemoError: The choice is unknown or can't be had; also when the block is entered.
    """
    if choice is None:
        choice = best_choice()
    if choice.startswith(("http://", "https://")):
        return running_opensearch(choice)
    if choice == "docker":
        return docker_opensearch(progress=progress, heap=heap, settings=settings, keep=keep)
    if choice == "embedded":
        return embedded_opensearch(progress=progress, heap=heap, settings=settings, keep=keep)
    raise DemoError(f"no such OpenSearch: {choice!r}", hint="a URL, docker or embedded")


def best_choice() -> str:
    """What this machine can do: "embedded" or "docker".

    Raises:
        DemoError: Neither; with what to install.
    """
    java = _find_java(VERSION)
    if java and (maven.has_maven() or distribution()):
        return "embedded"
    if has_docker():
        return "docker"
    missing = ([] if java else [runtime.INSTALL]) + ([] if maven.has_maven() else [maven.INSTALL])
    raise DemoError(
        "there is no OpenSearch: neither mvn and Java to assemble one, nor Docker",
        hint=f"{' and '.join(missing)}; or install Docker; or name one that runs by its URL",
    )


@contextmanager
def running_opensearch(url: str) -> Iterator[Part]:
    """One that runs already; used as it is, and only asked who it is.

    The user and the password come from OPENSEARCH_USER and OPENSEARCH_PASSWORD, if they are set.

    Raises:
        DemoError: It does not answer within 10 s, or it is not OpenSearch.
    """
    parsed = urllib3.util.parse_url(url)
    if parsed.auth:
        raise DemoError(
            f"the URL of OpenSearch at {parsed.host} holds a password",
            hint="leave it out, and set OPENSEARCH_USER and OPENSEARCH_PASSWORD",
        )
    url = url.rstrip("/")
    user = os.environ.get("OPENSEARCH_USER")
    basic = f"{user}:{os.environ.get('OPENSEARCH_PASSWORD', '')}" if user else None
    timeout = urllib3.Timeout(total=ANSWER_SECONDS)
    try:
        headers = urllib3.make_headers(basic_auth=basic)
        answer = urllib3.request("GET", f"{url}/", headers=headers, timeout=timeout, retries=False)
    except urllib3.exceptions.SSLError as error:
        hint = "let SSL_CERT_FILE name the file of its certificate authority"
        raise DemoError(f"{url}: its certificate is not trusted", hint=hint) from error
    except urllib3.exceptions.HTTPError as error:
        raise DemoError(f"{url} does not answer", hint="is it running, and the address right?") from error
    yield Part("OpenSearch", f"OpenSearch {version_of(url, answer.status, answer.data)} at {url}", url)


def version_of(url: str, status: int, body: bytes) -> str:
    """The version in what OpenSearch answers to a GET of its root.

    Raises:
        DemoError: It refused, or it is something else.
    """
    if status in {401, 403}:
        raise DemoError(f"{url} refuses with {status}", hint="set OPENSEARCH_USER and OPENSEARCH_PASSWORD")
    try:
        root = urllib3.response.HTTPResponse(body).json()
        version = root["version"]
        # A managed domain may pretend to be an older Elasticsearch; the tagline gives it away.
        if version.get("distribution") == "opensearch" or "OpenSearch" in root.get("tagline", ""):
            return str(version["number"])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DemoError(f"{url} answers {status}, but not as OpenSearch does", hint="is the address right?")


@contextmanager
def embedded_opensearch(
    *,
    progress: Progress,
    cache: Path | None = None,
    folder: Path | None = None,
    port: int | None = None,
    heap: str = "512m",
    settings: Mapping[str, str] = MappingProxyType({}),
    keep: bool = False,
    version: str = VERSION,
) -> Iterator[Part]:
    """A single node on 127.0.0.1, without users and passwords, assembled from Maven Central.

    It is stopped when the block is left, and killed when this process is. As root, it runs as nobody.

    Args:
        progress: Told what happens.
        cache: Where the distribution is kept; see `default_cache`.
        folder: The node's own folder, which then stays, with its data; one that is removed if None.
        port: Where it answers; a free one if None.
        heap: Java's memory, e.g. "512m"; the process takes about as much again.
        settings: More settings of OpenSearch.
        keep: Leave it running, with its folder.
        version: OpenSearch's.

    Raises:
        DemoError: No Java, no mvn, or OpenSearch does not start: with the end of its log.
    """
    cache = (cache or default_cache()).absolute()
    java = _find_java(version)
    if java is None:
        raise DemoError(f"OpenSearch {version} can't be run: there is no suitable Java", hint=runtime.INSTALL)
    opensearch = assemble(version, progress=progress, cache=cache, java_home=java.home)
    home = Home((folder or Path(tempfile.mkdtemp(prefix="fluent-sidecar-opensearch-"))).absolute())
    try:
        process = launch(java, home, opensearch, cache, heap=heap, settings=settings_file(home, port, settings))
    except BaseException as error:
        _clear(home, folder)
        if isinstance(error, OSError):
            raise DemoError(f"OpenSearch {version} can't be started: {error.strerror or error}") from error
        raise

    def start() -> Part:
        name = f"OpenSearch {version}"
        url = wait_until_healthy(
            home.url,
            name=name,
            lives=lambda: process.poll() is None,
            log=lambda: home.log.read_text(errors="replace"),
            progress=progress,
        )
        removal = "" if folder else f"; rm -r {home.folder}"
        stop_command = f"kill {process.pid}{removal}" if keep else ""
        return Part("OpenSearch", f"{name} assembled from Maven Central, Java {java.major}", url, stop_command)

    def stop() -> None:
        stop_node(process)
        _clear(home, folder)

    scratch = "" if folder else str(home.folder)
    last_will = ["/bin/sh", "-c", LAST_WILL, "guard", str(process.pid), scratch]
    try:
        with hold(start, stop=stop, last_will=last_will, keep=keep) as part:
            yield part
    finally:
        if process.returncode is None:
            process.returncode = 0  # it stays, on purpose: no warning that it has not been waited for


def _find_java(version: str) -> Java | None:
    if int(version.split(".", maxsplit=1)[0]) >= 3:  # noqa: PLR2004 - 3.0.0 needs Java 21
        return find_java(21)
    return find_java(17, 23)  # 2.x needs the security manager, which Java 24 no longer has


def launch(
    java: Java, home: Home, opensearch: Path, cache: Path, *, heap: str, settings: str
) -> subprocess.Popen[bytes]:
    """Start a node, under an account without rights where this one is root's.

    Args:
        java: What to run it on.
        home: Its own folder; `config` may hold more than is written here.
        opensearch: The distribution.
        cache: For a copy of a Java that the account can't reach.
        heap: Java's memory, e.g. "512m".
        settings: opensearch.yml.

    Raises:
        DemoError: The account can't reach what it needs.
        OSError: Something can't be written or run.
    """
    account = unprivileged()
    java = reachable_java(java, account, cache)
    check_reachable(opensearch, account, "choose another cache folder")
    write_home(home, settings, account)
    check_reachable(home.folder, account, "let TMPDIR name a folder that everybody may enter, such as /tmp")
    agent = next((opensearch / "agent").glob("opensearch-agent-[0-9]*.jar"), None)
    with home.log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            java_command(java, home, opensearch, heap, agent),
            cwd=home.folder,
            env={key: os.environ[key] for key in ("PATH", "LANG", "TZ") if key in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl+C is for us; the node is stopped after what uses it
            user=account,
            group=account,
            extra_groups=None if account is None else [],
        )


def stop_node(process: subprocess.Popen[bytes]) -> None:
    """End a node that `launch` started, and wait for its end."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _clear(home: Home, folder: Path | None) -> None:
    if folder is None:
        shutil.rmtree(home.folder, ignore_errors=True)
