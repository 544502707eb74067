"""How OpenSearch is assembled from its packages: the pure parts, and whole runs with an mvn that fetches nothing."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sidecar.dev.distribution import (
    MODULES,
    Module,
    assemble,
    default_cache,
    distribution,
    own_jars,
    plugin_class,
    plugin_descriptor,
    projects,
    server_dependencies,
)
from sidecar.dev.maven import Fetching, pom
from sidecar.errors import DemoError
from tests.support.waiting import wait_until

SERVER_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><dependencies>
<dependency><groupId>org.opensearch</groupId><artifactId>opensearch-core</artifactId><version>3.4.0</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.21.0</version>
<optional>true</optional></dependency></dependencies></project>"""

# Does what the two goals do, and says what mvn says, without a repository.
FAKE_MVN = f"""#!{sys.executable}
import os, pathlib, sys, time, zipfile
from xml.etree import ElementTree as ET
mode = os.environ.get("FAKE_MVN", "")
with open(os.environ["FAKE_MVN_CALLS"], "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if mode == "offline":
    print("[ERROR] Failed: Cannot access central (https://user:pw@mirror/x) in offline mode and the artifact "
          "a:b:jar:1 has not been downloaded from it before. -> [Help 1]")
    sys.exit(1)
options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("-D"))
if "artifact" in options:
    version = options["artifact"].split(":")[2]
    pathlib.Path(options["outputDirectory"], f"opensearch-{{version}}.pom").write_text({SERVER_POM!r})
    sys.exit(0)
names = [m.text for m in ET.parse("pom.xml").iterfind("modules/module")]
for number, name in enumerate(names, 2):
    print(f"[INFO] Building {{name}} 1          [{{number}}/{{len(names) + 1}}]", flush=True)
    jars = pathlib.Path(name, "jars")
    jars.mkdir()
    for d in ET.parse(f"{{name}}/pom.xml").iterfind("dependencies/dependency"):
        artifact, version = d.findtext("artifactId"), d.findtext("version").strip("[]").split(",")[-1]
        print(f"[INFO] Downloaded from central: https://r/{{artifact}}.jar (1.5 MB at 3 MB/s)", flush=True)
        with zipfile.ZipFile(jars / f"{{artifact}}-{{version}}.jar", "w") as jar:
            jar.writestr("org/opensearch/x/XPlugin.class", "")
    if name != "lib":
        (jars / "opensearch-core-3.4.0.jar").write_bytes(b"again")
    if mode == "missing" and name == "reindex":
        print("\\x1b[1;31m[ERROR]\\x1b[m Could not find artifact "
              "org.opensearch.plugin:reindex-client:jar:3.4.0 in central (https://r)")
        sys.exit(1)
    if mode == "hang":
        time.sleep(60)
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An mvn of our own on PATH; the file has a line for each of its runs."""
    executable = tmp_path / "bin" / "mvn"
    executable.parent.mkdir()
    executable.write_text(FAKE_MVN)
    executable.chmod(0o755)
    file = tmp_path / "calls"
    file.touch()
    monkeypatch.setenv("FAKE_MVN_CALLS", str(file))
    monkeypatch.setenv("PATH", f"{executable.parent}{os.pathsep}{os.environ['PATH']}")
    return file


def quiet(_text: str, _fraction: float | None) -> None:
    """No progress bar."""


def runs(calls: Path) -> int:
    return len(calls.read_text().splitlines())


# ------------------------------------------------------------------------------------------------------ pure parts


def test_pom_lists_dependencies_and_projects() -> None:
    root = ET.fromstring(pom("lib", ["org.opensearch:opensearch:3.4.0"], ["a", "b"]))
    assert root.findtext("packaging") == "pom"
    assert [entry.text for entry in root.iterfind("modules/module")] == ["a", "b"]
    assert [entry.text for entry in root.iterfind("dependencies/dependency/")] == [
        "org.opensearch", "opensearch", "3.4.0",
    ]  # fmt: skip


def test_optional_dependencies_of_the_server_are_wanted() -> None:
    assert server_dependencies(SERVER_POM) == [
        "org.opensearch:opensearch-core:3.4.0",
        "org.apache.logging.log4j:log4j-core:2.21.0",
    ]


def test_an_agent_comes_with_3_and_not_with_2() -> None:
    assert projects("3.4.0", SERVER_POM)["agent"] == ["org.opensearch:opensearch-agent:3.4.0"]
    assert "agent" not in projects("2.19.4", SERVER_POM)
    assert "org.opensearch:opensearch-plugin-classloader:[2.19.0,2.19.4]" in projects("2.19.4", SERVER_POM)["lib"]


def test_a_jar_is_not_there_twice() -> None:
    jars = ["reindex-client-3.4.0.jar", "jackson-core-2.18.2.jar", "jna-5.17.0.jar", "httpcore5-h2-5.3.4.jar"]
    assert own_jars(jars, ["jackson-core-2.18.2.jar", "jna-5.16.0.jar", "httpcore5-5.3.4.jar"]) == [
        "httpcore5-h2-5.3.4.jar",
        "reindex-client-3.4.0.jar",
    ]


def test_plugin_class() -> None:
    files = ["org/a/", "org/a/GrokPlugin.class", "org/a/GrokPlugin$1.class", "org/a/Other.class"]
    assert plugin_class(files) == "org.a.GrokPlugin"
    with pytest.raises(DemoError, match="2 plugin classes"):
        plugin_class(["a/APlugin.class", "a/BPlugin.class"])


@pytest.mark.parametrize(("version", "java"), [("3.4.0", "21"), ("2.19.4", "11")])
def test_plugin_descriptor(version: str, java: str) -> None:
    text = plugin_descriptor(Module("ingest-common", "ingest-common", ("lang-painless",)), version, "org.a.B")
    assert dict(line.split("=") for line in text.splitlines()) == {
        "name": "ingest-common",
        "description": "ingest-common",
        "version": version,
        "opensearch.version": version,
        "java.version": java,
        "classname": "org.a.B",
        "extended.plugins": "lang-painless",
        "has.native.controller": "false",
    }


def test_modules_come_after_those_that_they_extend() -> None:
    names = [module.name for module in MODULES]
    assert all(names.index(other) < names.index(module.name) for module in MODULES for other in module.extends)


def test_fetching_counts_what_arrives() -> None:
    fetching = Fetching(100e6)
    assert fetching.text == "resolving"
    assert fetching.read("[INFO] Downloaded from central: https://x/a.pom (512 B at 1 kB/s)\n")
    assert fetching.read("Downloaded from mirror: https://x/a.jar (24.5 MB at 3.1 MB/s)\n")
    assert not fetching.read("[INFO] Downloading from central: https://x/b.jar\n")
    assert fetching.text == "2 files, 24.5 MB fetched"
    assert fetching.fraction == pytest.approx(0.245, abs=1e-3)
    assert fetching.read("[INFO] Building reindex 1                      [5/8]\n")
    assert fetching.fraction == 0.5
    fetching.size = 300e6
    assert fetching.fraction == 0.99


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("[ERROR] Cannot access central (https://u:p@h/x) in offline mode", "offline mode"),
        ("[ERROR] Could not find artifact a:b:jar:1 in central (https://u:p@h/x)", "the repository has no a:b:jar:1"),
        ("[ERROR] a:b:pom:9 was not found in https://u:p@h/x during a previous", "the repository has no a:b:pom:9"),
        ("[ERROR] Could not transfer artifact a:b:pom:1 from/to central (https://u:p@h/x): h", "can't fetch a:b:pom:1"),
        ("The JAVA_HOME environment variable is not defined correctly", "JAVA_HOME environment variable is not"),
        ("[ERROR] settings.xml of https://u:p@h/x is odd", "settings.xml of is odd"),
    ],
)
def test_failure_says_why_and_tells_no_password(line: str, what: str) -> None:
    fetching = Fetching(1)
    fetching.read(line)
    text, hint = fetching.failure()
    assert what in text
    assert hint
    assert "u:p" not in text + hint


# ------------------------------------------------------------------------------------------------------ whole runs


def test_assembles_what_a_node_needs(calls: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    umask = os.umask(0o077)
    try:
        folder = assemble("3.4.0", cache=tmp_path / "cache", progress=lambda text, done: told.append((text, done)))
    finally:
        os.umask(umask)
    assert folder == tmp_path / "cache" / "opensearch" / "3.4.0" == distribution("3.4.0", tmp_path / "cache")
    assert (folder / "lib" / "log4j-core-2.21.0.jar").is_file()
    assert (folder / "agent" / "opensearch-agent-3.4.0.jar").is_file()
    module = folder / "modules" / "ingest-common"
    assert sorted(path.name for path in module.iterdir()) == [
        "ingest-common-3.4.0.jar",  # and not opensearch-core, which is in lib
        "plugin-descriptor.properties",
        "plugin-security.policy",
    ]
    assert "classname=org.opensearch.x.XPlugin\n" in (module / "plugin-descriptor.properties").read_text()
    unreadable = [
        path
        for path in (folder.parent.parent, folder.parent, folder, *folder.rglob("*"))
        if not path.stat().st_mode & (stat.S_IXOTH if path.is_dir() else stat.S_IROTH)
    ]
    assert unreadable == []
    fractions = [done for _, done in told if done is not None]
    assert fractions == sorted(fractions)
    assert told[-1] == ("OpenSearch 3.4.0 from Maven Central: 11 files, 16.5 MB fetched", 1.0)
    assert runs(calls) == 2
    assert sorted(path.name for path in folder.parent.iterdir()) == ["3.4.0", "3.4.0.lock"]


def test_a_whole_one_is_taken_as_it_is_without_mvn(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = assemble("3.4.0", cache=tmp_path, progress=quiet)
    monkeypatch.setenv("PATH", "/nowhere")
    assert assemble("3.4.0", cache=tmp_path, progress=quiet) == folder
    assert runs(calls) == 2


@pytest.mark.parametrize("damage", ["lost", "cut", "other recipe", "no manifest"])
def test_one_that_is_not_whole_is_assembled_anew(calls: Path, tmp_path: Path, damage: str) -> None:
    folder = assemble("3.4.0", cache=tmp_path, progress=quiet)
    manifest = folder / "manifest.json"
    if damage == "lost":
        (folder / "lib" / "opensearch-3.4.0.jar").unlink()
    elif damage == "cut":
        os.truncate(folder / "lib" / "opensearch-3.4.0.jar", 10)
    elif damage == "other recipe":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"recipe": "of another release"}))
    else:
        manifest.unlink()
    assert distribution("3.4.0", tmp_path) is None
    assert assemble("3.4.0", cache=tmp_path, progress=quiet) == folder
    assert distribution("3.4.0", tmp_path) == folder
    assert runs(calls) == 4


def test_no_mvn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DemoError) as error:
        assemble("3.4.0", cache=tmp_path, progress=quiet)
    assert str(error.value) == (
        "OpenSearch 3.4.0 can't be assembled: there is no mvn on PATH (install Apache Maven 3.8 or later)"
    )


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        ("offline", "mvn is in offline mode"),
        ("missing", "the repository has no org.opensearch.plugin:reindex-client:jar:3.4.0"),
    ],
)
@pytest.mark.usefixtures("calls")
def test_a_failed_run_is_told_and_leaves_nothing_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, what: str
) -> None:
    monkeypatch.setenv("FAKE_MVN", mode)
    with pytest.raises(DemoError, match=what):
        assemble("3.4.0", cache=tmp_path, progress=quiet)
    assert distribution("3.4.0", tmp_path) is None
    monkeypatch.delenv("FAKE_MVN")
    assert distribution("3.4.0", tmp_path) != assemble("3.4.0", cache=tmp_path, progress=quiet)


def test_a_killed_run_takes_its_mvn_along_and_leaves_nothing_that_counts(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import pathlib, sys; from sidecar.dev.distribution import assemble;"
        "assemble('3.4.0', cache=pathlib.Path(sys.argv[1]), progress=lambda *_: None)"
    )
    monkeypatch.setenv("FAKE_MVN", "hang")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    part = tmp_path / "opensearch" / "3.4.0.part"
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) as process:
        wait_until((part / "lib" / "jars" / "opensearch-3.4.0.jar").exists, 10, "mvn to fetch")
        wait_until(lambda: len(working_in(part)) == 1, 10, "mvn to run")
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not working_in(part), 10, "mvn to be killed")
    monkeypatch.delenv("FAKE_MVN")
    assert part.exists()
    assert distribution("3.4.0", tmp_path) is None
    assemble("3.4.0", cache=tmp_path, progress=quiet)
    assert not part.exists()
    assert distribution("3.4.0", tmp_path)
    assert runs(calls) == 4


def test_a_second_run_waits_for_the_first_and_takes_what_it_made(calls: Path, tmp_path: Path) -> None:
    assemble("3.4.0", cache=tmp_path, progress=quiet)
    folder = tmp_path / "opensearch" / "3.4.0"
    folder.rename(folder.with_name("aside"))
    told: list[str] = []
    with folder.with_name("3.4.0.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(
            target=lambda: assemble("3.4.0", cache=tmp_path, progress=lambda text, _: told.append(text))
        )
        second.start()
        wait_until(lambda: bool(told), 10, "the second run to say that it waits")
        folder.with_name("aside").rename(folder)
    second.join(10)
    assert told == ["OpenSearch 3.4.0: another run assembles it"]
    assert runs(calls) == 2


@pytest.mark.usefixtures("calls")
def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "opensearch").write_text("a file is in the way")
    with pytest.raises(DemoError, match=r"can't be assembled in .*/opensearch"):
        assemble("3.4.0", cache=tmp_path, progress=quiet)


def test_a_version_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no version of OpenSearch: 'latest'"):
        assemble("latest", cache=tmp_path, progress=quiet)


@pytest.mark.parametrize(
    ("account", "xdg", "folder"),
    [(0, "/x", "/var/cache/fluent-sidecar"), (1000, "/x", "/x/fluent-sidecar"), (1000, "", "/h/.cache/fluent-sidecar")],
)
def test_default_cache(monkeypatch: pytest.MonkeyPatch, account: int, xdg: str, folder: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: account)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/h")
    assert str(default_cache()) == folder


def working_in(folder: Path) -> list[int]:
    """The processes whose working directory is `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
