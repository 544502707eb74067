"""The tests' own tools: what checks the product must itself be right."""

import base64
import datetime as dt
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from tests.support import binaries, parts
from tests.support.apiserver import ApiServer, access_of, new_private_key
from tests.support.background import Background, SessionOver
from tests.support.events import Truth, Writer, create_events, wanted_updates
from tests.support.kubeapi import Api, ApiError, read_access, write_kubeconfig
from tests.support.leaks import in_text
from tests.support.markers import MARKER, secret
from tests.support.process import Process, run
from tests.support.shapes import CORE, EVENTS_K8S_IO, shape
from tests.support.waiting import free_port, unique_name, wait_until

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)


# Waiting


def test_free_ports_differ_and_can_be_bound() -> None:
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    for port in ports:
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))


def test_unique_names_differ() -> None:
    assert len({unique_name("x") for _ in range(100)}) == 100


def test_wait_until_returns_what_the_condition_returned() -> None:
    answers: Iterator[list[int]] = iter([[], [], [7]])
    assert wait_until(lambda: next(answers), 5, "an answer", interval=0) == [7]


def test_wait_until_says_what_did_not_happen_and_why() -> None:
    def fails() -> bool:
        raise OSError("port closed")

    with pytest.raises(AssertionError, match=r"not within 0\.02 s: the server \(last: OSError: port closed\)"):
        wait_until(fails, 0.02, lambda: "the server", interval=0.01, ignore=(OSError,))
    with pytest.raises(OSError, match="port closed"):
        wait_until(fails, 5, "the server")


# Processes


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_process_keeps_its_output_over_restarts(start_process: Callable[..., Process]) -> None:
    process = start_process([sys.executable, "-c", "import os; print(os.environ['A'])"], name="env", env={"A": "ü!"})
    assert process.wait(5) == 0
    process.start()
    assert process.wait(5) == 0
    assert process.output() == "ü!\nü!\n"
    assert process.log.name == "env.log"
    with pytest.raises(AssertionError, match=r"env ended with 0\n--- the end of .*env\.log ---\nü!\nü!"):
        process.check()


def test_a_process_can_be_killed_and_restarted(start_process: Callable[..., Process]) -> None:
    process = start_process(["sleep", "100"])
    first = process.pid
    assert process.running
    process.kill()
    assert process.returncode == -signal.SIGKILL
    process.start()
    process.restart()
    assert process.running
    assert process.pid != first
    assert process.terminate(5) == -signal.SIGTERM
    assert repr(process) == "<sleep ended with -15>"


def test_a_process_that_ignores_sigterm_is_killed_and_reported(start_process: Callable[..., Process]) -> None:
    process = start_process(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"])
    wait_until(lambda: "ready" in process.output(), 5, process.tail)
    with pytest.raises(AssertionError, match=r"(?s)sh did not end within 0\.2 s.*ready"):
        process.terminate(0.2)
    assert process.returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_says_so(start_process: Callable[..., Process]) -> None:
    process = start_process(["/nowhere/program"])
    assert process.wait(5) == 127
    assert "/nowhere/program: No such file or directory" in process.tail()


def test_close_ends_what_a_process_left_running(tmp_path: Path) -> None:
    with Process(["sh", "-c", "sleep 100 & echo $!; exit 3"], log=tmp_path / "log") as process:
        assert process.wait(5) == 3
        child = int(process.output())
        assert not gone(child)
    wait_until(lambda: gone(child), 5, "the child has ended")


def test_a_process_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[Process] = []
    thread = threading.Thread(target=lambda: started.append(Process(["sleep", "100"], log=tmp_path / "log")))
    thread.start()
    thread.join()
    with started[0] as process:
        time.sleep(0.2)
        assert process.running


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_a_process_dies_with_a_session_that_is_killed(start_process: Callable[..., Process], tmp_path: Path) -> None:
    script = f"""
        import pathlib, time
        from tests.support.process import Process
        print(Process(["sleep", "100"], log=pathlib.Path({str(tmp_path)!r}) / "inner.log").pid, flush=True)
        time.sleep(100)
    """
    session = start_process([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT)
    wait_until(lambda: session.output().endswith("\n"), 5, session.tail)
    child = int(session.output())
    assert not gone(child)
    session.kill()
    wait_until(lambda: gone(child), 5, "the session's process has ended")


def test_run_gives_output_or_fails_with_it(tmp_path: Path) -> None:
    assert run(["sh", "-c", "echo $A"], log=tmp_path / "log", timeout=5, A="1") == "1\n"
    with pytest.raises(AssertionError, match=r"(?s)exit 4 ended with 4.*oops"):
        run(["sh", "-c", "echo oops; exit 4"], log=tmp_path / "log", timeout=5)
    with pytest.raises(AssertionError, match="did not end"):
        run(["sleep", "100"], log=tmp_path / "log", timeout=0.2)


def test_run_is_ended_by_its_tick(tmp_path: Path) -> None:
    def tick() -> None:
        raise SessionOver

    with pytest.raises(SessionOver):
        run(["sleep", "100"], log=tmp_path / "log", timeout=50, tick=tick)


# kubeconfig


def kubeconfig(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    config = {
        "current-context": "b",
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in ("a", "b")],
        "clusters": [{"name": "a", "cluster": {"server": "https://a"}}, {"name": "b", "cluster": cluster}],
        "users": [{"name": "a", "user": {"token": "a"}}, {"name": "b", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_current_context_is_read(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "token").write_text("secret\n")
    access = read_access(
        kubeconfig(
            tmp_path / "config",
            {"server": "https://b:1/", "certificate-authority": "ca.crt"},
            {
                "tokenFile": "token",
                "client-certificate-data": base64.b64encode(b"CERT").decode(),
                "client-key-data": base64.b64encode(b"KEY").decode(),
            },
        )
    )
    assert (access.server, access.ca, access.token, access.verify) == ("https://b:1", "CA", "secret", True)
    assert (access.cert, access.key) == ("CERT", "KEY")
    assert "secret" not in repr(access)
    assert "KEY" not in repr(access)


def test_a_kubeconfig_that_asks_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="come from a program"):
        read_access(kubeconfig(tmp_path / "config", {"server": "https://b"}, {"exec": {"command": "aws"}}))


@pytest.mark.parametrize("text", ["", "[]", "current-context: x\ncontexts: []", "{"])
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(ValueError, match="not a kubeconfig with a current context"):
        read_access(tmp_path / "config")


def test_a_written_kubeconfig_is_private_and_reads_back(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "x" / "config", server="https://h:1", ca="CA", user="u", token="t")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    access = read_access(path)
    assert (access.server, access.ca, access.token) == ("https://h:1", "CA", "t")


# The API server's programs and its pieces


def test_the_cache_belongs_to_the_versions_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "go.mod").write_text("1")
    (tmp_path / "go.sum").write_text("1")
    first = binaries.cache_folder(tmp_path)
    assert first.parent == tmp_path / "cache" / "fluent-sidecar" / "apiserver"
    (tmp_path / "go.sum").write_text("2")
    assert binaries.cache_folder(tmp_path) != first


def test_without_go_and_without_a_cache_go_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(binaries.GoMissing):
        binaries.build(print)


def test_the_build_is_cached_and_stamped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    # Writes its arguments to what follows -o.
    go.write_text(
        '#!/bin/sh\necho build >> "$LOG"\nfor last; do [ "$was" = -o ] && echo "$@" > "$last"; was=$last; done\n'
    )
    go.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    for _ in range(2):
        built = binaries.build(lambda _: None)
    assert (tmp_path / "log").read_text() == "build\n" * 2  # one for each program, once
    assert "go.etcd.io/etcd/server/v3" in built.etcd.read_text()
    assert f"version.gitVersion={built.version}" in built.kube_apiserver.read_text()


def test_the_module_asks_for_one_version_of_kubernetes() -> None:
    go_mod = (binaries.MODULE / "go.mod").read_text()
    version = binaries.kubernetes_version(go_mod)
    assert version.startswith("v1.35.")
    replaced = [line.split() for line in go_mod.splitlines() if "=>" in line]
    assert {words[-1] for words in replaced} == {version.replace("v1.", "v0.")}


def test_a_private_key_is_der_in_pem() -> None:
    first, *middle, last = new_private_key().splitlines()
    der = base64.b64decode("".join(middle))
    assert (first, last) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
    assert der[:7] == bytes.fromhex("3031 020101 0420")
    assert len(der) == 2 + 0x31
    assert new_private_key() != new_private_key()


def test_rules_name_every_access() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["events", "pods"], "verbs": ["list"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]},
    ]
    assert access_of(rules) == [
        {"group": "", "resource": "events", "verb": "list"},
        {"group": "", "resource": "pods", "verb": "list"},
    ]


# Events


def test_events_are_like_those_of_a_cluster() -> None:
    made = [shape(index, "shop", NOW) for index in range(1000)]
    assert [each.body for each in made] == [shape(index, "shop", NOW).body for index in range(1000)]
    assert len({each.name for each in made}) == 1000
    core = [each.body for each in made if each.collection == CORE]
    new = [each.body for each in made if each.collection == EVENTS_K8S_IO]
    assert (len(core), len(new)) == (900, 100)
    assert {body["type"] for body in core} == {"Normal", "Warning"}
    assert len({body["reason"] for body in core}) == 11
    assert {body["involvedObject"]["kind"] for body in core} == {"Pod", "ReplicaSet", "Deployment"}
    assert all(body["firstTimestamp"] == "2026-03-01T12:00:00Z" and body["count"] == 1 for body in core)
    long = [len(body["message"].encode()) for body in core if len(body["message"].encode()) >= 1000]
    assert len(long) == 100
    assert max(long) <= 3072
    assert sum("\N{ROCKET}" in body["message"] for body in core) > 100
    assert {body["reason"] for body in new} == {"Scheduled", "FailedScheduling"}
    assert all(body["eventTime"] == "2026-03-01T12:00:00.123456Z" and len(body["note"].encode()) < 1024 for body in new)
    assert not any({"count", "firstTimestamp", "lastTimestamp", "source"} & body.keys() for body in new)


def test_every_update_changes_something() -> None:
    core, new = shape(0, "shop", NOW), shape(5, "shop", NOW)
    assert core.update(1, NOW) == {"count": 2, "lastTimestamp": "2026-03-01T12:00:00Z"}
    assert new.update(2, NOW) == {"series": {"count": 3, "lastObservedTime": "2026-03-01T12:00:00.123456Z"}}


def answer(uid: str, version: int) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}}


def test_the_truth_knows_every_version_and_the_last() -> None:
    truth, later = Truth(), Truth(seconds=2)
    for uid, version in [("a", 1), ("b", 2), ("a", 10), ("a", 10)]:
        truth.add(answer(uid, version))
    later.add(answer("b", 11))
    truth.update(later)
    assert truth.ids == {"a.1", "b.2", "a.10", "b.11"}
    assert truth.last_ids == {"a.10", "b.11"}
    assert truth.writes_per_second == 2
    assert truth.compare(["a.1", "a.1", "b.2", "b.11", "c.1"]) == (["a.10"], ["a.1"], ["c.1"])
    assert truth.compare(sorted(truth.ids)) == ([], [], [])


def test_updates_are_a_mapping_or_a_function() -> None:
    assert [wanted_updates({1: 3}, index) for index in (0, 1)] == [0, 3]
    assert wanted_updates(lambda index: index * 2, 4) == 8
    assert wanted_updates(None, 4) == 0


class OddApi(Api):
    """An API server that answers every write with the same error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def request(self, *_args: Any, **_options: Any) -> dict[str, Any]:
        raise self.error


class LossyApi(Api):
    """Stores every write, and loses the answer to each first one; a create and a PUT conflict with themselves."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.version = 0

    def request(self, method: str, path: str, body: Any = None, *, content_type: str = "") -> dict[str, Any]:
        del body, content_type
        self.asked.append(method)
        if method == "GET" or (method == "PATCH" and self.asked.count("PATCH") == 2):
            return answer(path, self.version)
        if self.asked.count(method) == 1:
            self.version += 1
            raise urllib3.exceptions.ProtocolError("connection lost")
        raise ApiError(method, path, 409, "AlreadyExists")


def test_a_write_whose_answer_was_lost_is_counted_once() -> None:
    api = LossyApi()
    writer = Writer(api, "shop", patience=5)
    wanted = shape(0, "shop", NOW)
    path = f"/api/v1/namespaces/shop/events/{wanted.name}"
    truth = Truth()
    truth.add(writer.create(wanted))
    truth.add(writer.update(wanted, answer("x", 1), 1))
    truth.add(writer.update(wanted, answer("x", 2), 2))
    assert api.asked == ["POST", "POST", "GET", "PATCH", "PATCH", "PUT", "PUT", "GET"]
    assert truth.versions == {path: ["1", "2", "3"]}


def test_a_write_that_is_refused_or_never_answered_fails() -> None:
    closed = OddApi(urllib3.exceptions.ProtocolError("connection refused"))
    refusing = OddApi(ApiError("POST", "/events", 409, "AlreadyExists"))
    with pytest.raises(urllib3.exceptions.ProtocolError):
        Writer(closed, "shop", patience=0.2).create(shape(0, "shop", NOW))
    with pytest.raises(ApiError, match="409"):
        Writer(refusing, "shop", patience=5).create(shape(0, "shop", NOW))


# Real parts


def test_what_did_not_run_is_counted_by_name() -> None:
    reasons = ["Skipped: NOT RUN: kind (no Docker)", "only Linux", *["Skipped: NOT RUN: fluent-bit (not on PATH)"] * 7]
    assert parts.not_run_lines(reasons) == [
        "NOT RUN: fluent-bit (not on PATH): 7 tests",
        "NOT RUN: kind (no Docker): 1 test",
    ]


def test_a_part_that_is_required_fails_its_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_REAL_PARTS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"NOT RUN: kind \(no Docker\)"):
        parts.not_run("kind", "no Docker")
    monkeypatch.setenv("REQUIRE_REAL_PARTS", "1")
    with pytest.raises(pytest.fail.Exception, match=r"NOT RUN: kind \(no Docker\), but REQUIRE_REAL_PARTS is set"):
        parts.not_run("kind", "no Docker")


def test_tests_are_marked_and_ordered_by_their_fixtures() -> None:
    assert parts.markers_of(["tmp_path"]) == set()
    assert parts.markers_of(["tmp_path", "api_server", "fluent_bit"]) == {"apiserver", "fluentbit"}
    groups: list[set[str]] = [set(), {"fluentbit"}, {"opensearch", "fluentbit"}, {"opensearch", "apiserver"}]
    assert [parts.order(group) for group in groups] == [0, 1, 2, 3]


def test_fluent_bit_is_found_on_path_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(parts.Missing, match="not on PATH"):
        parts.find_fluent_bit()
    program = tmp_path / "fluent-bit"
    program.write_text("#!/bin/sh\necho Fluent Bit v5.1.1\n")
    program.chmod(0o755)
    assert parts.find_fluent_bit() == (program, "5.1.1")
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(AssertionError, match="--version: 1"):
        parts.find_fluent_bit()


def test_a_part_is_opened_held_and_left_by_one_thread() -> None:
    seen: list[int] = []

    @contextmanager
    def opener(progress: Callable[[str], None]) -> Iterator[str]:
        progress("opening")
        seen.append(threading.get_ident())
        yield "value"
        seen.append(threading.get_ident())

    part = Background("part", opener)
    part.start()
    assert part.get(5) == part.get(5) == "value"
    assert part.doing == "opening"
    assert len(seen) == 1
    part.close()
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_who_needs_a_part_gets_why_it_did_not_start() -> None:
    missing: Exception | None = parts.Missing("part", "no luck")

    @contextmanager
    def opener(_progress: Callable[[str], None]) -> Iterator[str]:
        if missing is not None:
            raise missing
        yield "value"

    part = Background("part", opener)
    for _ in range(2):
        with pytest.raises(parts.Missing, match="no luck"):
            part.get(5)
    part.close()


def test_a_start_ends_when_the_session_does() -> None:
    left = threading.Event()

    @contextmanager
    def opener(progress: Callable[[str], None]) -> Iterator[str]:
        try:
            while not left.is_set():
                progress("building")
                time.sleep(0.01)
            yield "never"
        finally:
            left.set()

    part = Background("part", opener)
    part.start()
    with pytest.raises(AssertionError, match=r"part: still building after 0\.1 s"):
        part.get(0.1)
    part.close(5)
    assert left.is_set()


def test_a_part_that_ends_badly_says_so() -> None:
    @contextmanager
    def opener(_progress: Callable[[str], None]) -> Iterator[str]:
        yield "value"
        raise RuntimeError("does not stop")

    part = Background("part", opener)
    assert part.get(5) == "value"
    with pytest.raises(RuntimeError, match="does not stop"):
        part.close(5)


def session(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in a folder under this project's rules."""
    plugins = ("-p", "no:cacheprovider", "-p", "tests.conftest")
    command = [sys.executable, "-m", "pytest", *plugins, "-c", "pyproject.toml", "-v", str(folder)]
    variables = {"PATH": str(folder), "XDG_CACHE_HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_a_session_names_the_groups_that_did_not_run(tmp_path: Path) -> None:
    (tmp_path / "test_groups.py").write_text(
        textwrap.dedent("""
            import pytest
            from tests.support.parts import not_run

            def test_a(fluent_bit): pass
            def test_b(fluent_bit): pass
            def test_c(api_server): pass
            def test_d(kubernetes_kubeconfig): pass
            def test_kind(): not_run("kind", "no Docker")
            def test_unit(request): assert request.node.get_closest_marker("timeout").args == (60,)
            @pytest.mark.timeout(99)
            def test_slow(request): assert request.node.get_closest_marker("timeout").args == (99,)
        """)
    )
    result = session(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    for line in (
        "NOT RUN: fluent-bit (not on PATH): 2 tests",
        "NOT RUN: kind (no Docker): 1 test",
        "NOT RUN: real API server (no KUBECONFIG, no go): 1 test",
        "NOT RUN: real API server (no go): 1 test",
    ):
        assert line in result.stdout.splitlines(), result.stdout
    ran = [line.split()[0].rpartition("::")[2] for line in result.stdout.splitlines() if "::test_" in line]
    assert set(ran[:3]) == {"test_kind", "test_unit", "test_slow"}
    assert set(ran[3:5]) == {"test_a", "test_b"}


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("start_process(['/bin/echo', text], name='loud').wait(5)", "loud.log: <secret>"),
        ("(tmp_path / 'rendered').mkdir(); (tmp_path / 'rendered/a.json').write_text('{' + text)", "a.json: {<secret>"),
        ("(tmp_path / 'answers').write_text(base64.b64encode(b'ada:' + text.encode()).decode())", "answers: "),
        ("logging.getLogger('x').warning('it is %s', text)", "a secret is in the captured log call: "),
        ("print(text)", "a secret is in the captured stdout call: <secret>"),
    ],
)
def test_a_session_fails_if_a_secret_is_shown(tmp_path: Path, line: str, where: str) -> None:
    code = "import base64, logging\nfrom tests.support.markers import secret\n\ntext = secret('x')\n\n"
    (tmp_path / "test_leak.py").write_text(f"{code}def test_it(tmp_path, start_process):\n    {line}\n")
    (tmp_path / "secrets").mkdir()  # what is found in there is this test's own doing
    result = session(tmp_path, TMPDIR=str(tmp_path / "secrets"))
    assert result.returncode == 1, result.stdout + result.stderr
    assert where in result.stdout
    assert MARKER not in result.stdout.partition("complaints")[2]


def test_a_session_does_not_mind_secrets_where_they_belong(tmp_path: Path) -> None:
    (tmp_path / "test_no_leak.py").write_text(
        textwrap.dedent("""
            from tests.support.markers import secret

            def test_it(tmp_path):
                for name in ("secrets/password", "run/environment/OPENSEARCH_PASSWORD"):
                    (tmp_path / name).parent.mkdir(parents=True)
                    (tmp_path / name).write_text(secret("x"))
        """)
    )
    result = session(tmp_path, TMPDIR=str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("before", range(4))
def test_a_secret_is_found_in_base64_wherever_it_begins(before: int) -> None:
    text = base64.b64encode(b"u" * before + secret("x").encode()).decode()
    assert "<secret>" in in_text(f"Authorization: Basic {text}")
    assert MARKER not in in_text(text)
    assert not in_text(base64.b64encode(b"u" * before + b"something else altogether").decode())


# The real API server


def listed(api: Api, namespace: str) -> set[str]:
    items = api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    return {f"{item['metadata']['uid']}.{item['metadata']['resourceVersion']}" for item in items}


def watched(api: Api, namespace: str, version: str) -> list[dict[str, Any]]:
    """What a watch of one second from a resourceVersion answers."""
    path = f"/api/v1/namespaces/{namespace}/events?watch=1&timeoutSeconds=1&resourceVersion={version}"
    return [json.loads(line) for line in api.raw("GET", path).data.splitlines()]


def test_every_version_written_is_known_until_it_is_compacted(api_server: ApiServer) -> None:
    api, namespace = Api(api_server.kubeconfig), unique_name("events")
    before = api.get("/api/v1/events?limit=1")["metadata"]["resourceVersion"]
    truth = create_events(api_server.kubeconfig, namespace, 40, updates=lambda index: index % 4)
    assert len(truth.ids) == 100
    assert listed(api, namespace) == truth.last_ids
    objects = [change["object"]["metadata"] for change in watched(api, namespace, before)]
    assert truth.compare(f"{each['uid']}.{each['resourceVersion']}" for each in objects) == ([], [], [])

    oldest = api_server.compact()
    (expired,) = watched(api, namespace, before)
    assert (expired["type"], expired["object"]["code"]) == ("ERROR", 410)
    assert watched(api, namespace, str(oldest)) == []
    assert listed(api, namespace) == truth.last_ids
    api.close()


def test_a_restart_of_the_api_server_does_not_blur_the_truth(api_server: ApiServer) -> None:
    api, namespace = Api(api_server.kubeconfig), unique_name("events")
    before = api.get("/api/v1/events?limit=1")["metadata"]["resourceVersion"]
    truths: list[Truth] = []
    thread = threading.Thread(
        target=lambda: truths.append(create_events(api_server.kubeconfig, namespace, 200, updates=lambda _: 3))
    )
    thread.start()
    wait_until(lambda: len(listed(api, namespace)) > 50, 30, "the first Events are there")
    api_server.restart_apiserver(kill=True)
    thread.join()
    (truth,) = truths
    assert len(truth.ids) == 800
    objects = [change["object"]["metadata"] for change in watched(api, namespace, before)]
    assert truth.compare(f"{each['uid']}.{each['resourceVersion']}" for each in objects) == ([], [], [])
    api.close()


def test_a_user_may_do_what_was_granted_and_no_more(api_server: ApiServer) -> None:
    name = unique_name("user")
    api = Api(api_server.kubeconfig_for(name))
    assert api.raw("GET", "/api/v1/events").status == 403
    api_server.grant(name, [{"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}])
    assert api.raw("GET", "/api/v1/events").status == 200
    assert api.raw("GET", "/api/v1/pods").status == 403
    api.close()
    stranger = write_kubeconfig(
        api_server.folder / "stranger",
        server=api_server.url,
        ca=read_access(api_server.kubeconfig).ca,
        user="stranger",
        token="wrong",
    )
    assert Api(stranger).raw("GET", "/api/v1/events").status == 401
