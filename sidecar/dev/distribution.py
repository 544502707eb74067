"""Assembles an OpenSearch distribution from its packages on Maven Central, in a cache folder.

A distribution appears under its final name at once and whole, and is found whole again, or is assembled anew.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sidecar.dev.maven import DEPENDENCY_PLUGIN, INSTALL, Fetching, has_maven, pom, run_maven
from sidecar.dev.parts import Progress
from sidecar.errors import DemoError

VERSION = "3.4.0"

LAYOUT = 1  # to be raised when the folder is laid out in another way: older ones are assembled anew
MANIFEST = "manifest.json"
FETCHED_BYTES = 86e6  # what mvn fetches, its own plugins included, when its local repository is empty

# A node of our own, reachable from this machine only, trusts its modules.
POLICY = "grant {\n  permission java.security.AllPermission;\n};\n"


@dataclass(frozen=True)
class Module:
    """A module of OpenSearch: its folder, its artifact, and the modules whose classes it sees."""

    name: str
    artifact: str
    extends: tuple[str, ...] = ()


# What templates, pipelines, searches and deletions by query need; the full distribution has some twenty more. Without
# analysis-common: a Java runtime without the data of all languages refuses every template with it.
MODULES = (
    Module("transport-netty4", "transport-netty4-client"),
    Module("lang-painless", "lang-painless"),
    Module("lang-mustache", "lang-mustache-client"),
    Module("mapper-extras", "mapper-extras-client"),
    Module("reindex", "reindex-client"),
    Module("ingest-common", "ingest-common", ("lang-painless",)),
)


def default_cache() -> Path:
    """Where distributions are kept.

    For root a folder outside its home: OpenSearch refuses to run as root, and nobody else may look in there.
    """
    if os.geteuid() == 0:
        return Path("/var/cache/fluent-sidecar")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluent-sidecar"


def distribution(version: str = VERSION, cache: Path | None = None) -> Path | None:
    """The folder of a distribution that is there and whole; None if there is none."""
    folder = _place(version, cache)
    return folder if _is_whole(folder, version) else None


def assemble(version: str, *, progress: Progress, cache: Path | None = None, java_home: Path | None = None) -> Path:
    """The folder of a distribution, assembled if it is not there yet.

    Args:
        version: OpenSearch's, e.g. "3.4.0".
        progress: Told as artifacts arrive.
        cache: Where distributions are kept; `default_cache()` if None.
        java_home: The Java for mvn to run on, where the environment names none.

    Returns:
        A folder with `lib`, `modules` and, from 3.0.0 on, `agent`; everybody may read it.

    Raises:
        DemoError: mvn is missing or failed, or the folder can't be written.
    """
    folder = _place(version, cache)
    name = f"OpenSearch {version}"
    try:
        if _is_whole(folder, version):
            return folder
        if not has_maven():
            raise DemoError(f"{name} can't be assembled: there is no mvn on PATH", hint=INSTALL)
        _make_public(folder.parent)
        with _locked(folder.with_name(f"{version}.lock"), progress, name):
            if not _is_whole(folder, version):  # another run may have been here meanwhile
                _build(version, folder, progress, java_home)
    except OSError as error:
        raise DemoError(f"{name} can't be assembled in {folder.parent}: {error.strerror or error}") from error
    return folder


def server_dependencies(server_pom: str) -> list[str]:
    """The dependencies that the server's POM names, `group:artifact:version` each.

    Maven leaves out the optional ones (log4j-core among them) where a project depends on the server; the server
    itself does not start without them.
    """
    entries = ET.fromstring(server_pom).iterfind("{*}dependencies/{*}dependency")  # noqa: S314 - mvn checked its sum
    keys = ("groupId", "artifactId", "version")
    return [":".join(entry.findtext(f"{{*}}{key}", "") for key in keys) for entry in entries]


def projects(version: str, server_pom: str) -> dict[str, list[str]]:
    """What to fetch: dependencies by the folder that they are for."""
    major, minor, _ = version.split(".")
    wanted = {
        "lib": [
            f"org.opensearch:opensearch:{version}",
            # Not published for every patch release; any of the same minor release serves.
            f"org.opensearch:opensearch-plugin-classloader:[{major}.{minor}.0,{version}]",
            *server_dependencies(server_pom),
        ]
    }
    if int(major) >= 3:  # noqa: PLR2004 - 3.0.0 replaced Java's security manager by an agent
        wanted["agent"] = [f"org.opensearch:opensearch-agent:{version}"]
    return wanted | {module.name: [f"org.opensearch.plugin:{module.artifact}:{version}"] for module in MODULES}


def own_jars(jars: Iterable[str], inherited: Iterable[str]) -> list[str]:
    """A module's jars without those that it inherits, in whichever version.

    OpenSearch refuses to start when a class is there twice ("jar hell").
    """
    known = {_unversioned(jar) for jar in inherited}
    return sorted(jar for jar in jars if _unversioned(jar) not in known)


def plugin_class(files: Iterable[str]) -> str:
    """A module's entry point: the one top-level class of its jar whose name ends in Plugin."""
    found = [name for name in files if re.fullmatch(r"[\w/]+Plugin\.class", name)]
    if len(found) != 1:
        raise DemoError(f"a module of OpenSearch has {len(found)} plugin classes where one is expected: {found}")
    return found[0].removesuffix(".class").replace("/", ".")


def plugin_descriptor(module: Module, version: str, classname: str) -> str:
    """The file that makes OpenSearch load a module; the jars on Maven Central come without."""
    lines = {
        "name": module.name,
        "description": module.name,
        "version": version,
        "opensearch.version": version,
        "java.version": "21" if int(version.split(".", maxsplit=1)[0]) >= 3 else "11",  # noqa: PLR2004 - what 3.x is built for
        "classname": classname,
        "extended.plugins": ",".join(module.extends),
        "has.native.controller": "false",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _unversioned(jar: str) -> str:
    return re.sub(r"-\d[^/]*\.jar$", "", jar)


def _place(version: str, cache: Path | None) -> Path:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise DemoError(f"no version of OpenSearch: {version!r}", hint="it looks like 3.4.0")
    return (cache or default_cache()).absolute() / "opensearch" / version


def _build(version: str, folder: Path, progress: Progress, java_home: Path | None) -> None:
    work = folder.with_name(f"{version}.part")
    shutil.rmtree(work, ignore_errors=True)  # of a run that was interrupted
    work.mkdir()
    name = f"OpenSearch {version} from Maven Central"
    fetching = Fetching(FETCHED_BYTES)
    run = partial(run_maven, name=name, fetching=fetching, progress=progress, java_home=java_home)
    run(
        [
            f"{DEPENDENCY_PLUGIN}:copy",
            f"-Dartifact=org.opensearch:opensearch:{version}:pom",
            f"-DoutputDirectory={work}",
        ],
        work,
    )
    wanted = projects(version, (work / f"opensearch-{version}.pom").read_text())
    for project, dependencies in wanted.items():
        (work / project).mkdir()
        (work / project / "pom.xml").write_text(pom(project, dependencies))
    (work / "pom.xml").write_text(pom("all", modules=wanted))
    # What ${...} means is for Maven to say, in each of the projects.
    jars = "-DoutputDirectory=${project.basedir}/jars"
    run([f"{DEPENDENCY_PLUGIN}:copy-dependencies", "-DincludeScope=runtime", jars], work)
    whole = _lay_out(version, work, wanted)
    _make_readable(whole)
    shutil.rmtree(folder, ignore_errors=True)
    whole.rename(folder)
    shutil.rmtree(work, ignore_errors=True)
    progress(f"{name}: {fetching.text}" if fetching.files else f"{name}: nothing to fetch", 1.0)


def _lay_out(version: str, work: Path, wanted: Mapping[str, list[str]]) -> Path:
    jars = {project: [jar.name for jar in (work / project / "jars").glob("*.jar")] for project in wanted}
    whole = work / "whole"
    for name in ("bin", "plugins"):  # OpenSearch creates them if they are missing, and may not
        (whole / name).mkdir(parents=True)
    for project in {"lib", "agent"} & set(wanted):
        (work / project / "jars").rename(whole / project)
    for module in MODULES:
        target = whole / "modules" / module.name
        target.mkdir(parents=True)
        inherited = jars["lib"] + [jar for other in module.extends for jar in jars[other]]
        for jar in own_jars(jars[module.name], inherited):
            (work / module.name / "jars" / jar).rename(target / jar)
        with zipfile.ZipFile(target / f"{module.artifact}-{version}.jar") as archive:
            classname = plugin_class(archive.namelist())
        (target / "plugin-descriptor.properties").write_text(plugin_descriptor(module, version, classname))
        (target / "plugin-security.policy").write_text(POLICY)
    sizes = {str(path.relative_to(whole)): path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    (whole / MANIFEST).write_text(json.dumps({"recipe": _recipe(version), "files": sizes}, indent=1))
    return whole


def _recipe(version: str) -> str:
    """Changes with what goes into a distribution, so that one of an older release is not taken for a new one."""
    return hashlib.sha256(repr((LAYOUT, version, MODULES, POLICY)).encode()).hexdigest()


def _is_whole(folder: Path, version: str) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files: dict[str, int] = manifest["files"]
        return bool(manifest["recipe"] == _recipe(version)) and all(
            (folder / name).stat().st_size == size for name, size in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make_public(folder: Path) -> None:
    """Create a folder that everybody may enter, whatever the umask; those that are there stay as they are."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


def _make_readable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@contextmanager
def _locked(file: Path, progress: Progress, name: str) -> Iterator[None]:
    """One run at a time; the kernel lets go of the lock when its holder dies."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"{name}: another run assembles it", None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
