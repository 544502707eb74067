"""The shell of the account with real files and a real database, and with a real Fluent Bit."""

import gzip
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from sidecar.agent.reloads import Reloads
from sidecar.agent.verdict import Verdict
from sidecar.config import loads
from sidecar.logs import tracking
from sidecar.logs.buffer import BufferWatch
from sidecar.logs.files import Position
from sidecar.logs.gz import readable_lines, unpacked_size
from sidecar.logs.metrics import LogMetrics
from sidecar.logs.positions import make_positions, read_positions, remove_positions
from sidecar.logs.scan import Scanner
from sidecar.logs.tracking import FileTracker
from sidecar.render.layout import Layout
from sidecar.render.logpaths import exclude_paths, include_paths
from tests.support.process import Process
from tests.support.waiting import free_port, wait_until

CREATE = (
    "CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER,"
    " created INTEGER, rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0,"
    " offset_marker_size INTEGER DEFAULT 0)"
)


class Node:
    """A node's folders, and a tracker on them."""

    def __init__(self, folder: Path, logs: str = "{}", port: int = 2020) -> None:
        paths = f"paths: {{logs: {folder}/pods, run: {folder}/run, state: {folder}/state}}"
        text = f"cluster: c1\nopensearch: {{url: http://localhost:9200}}\nlogs: {logs}\n{paths}\n"
        self.config = loads(f"{text}fluentbit: {{port: {port}}}\n")
        self.layout = Layout.of(self.config)
        for path in self.layout.state_folders:
            Path(path).mkdir(parents=True, exist_ok=True)
        self.logs = folder / "pods"
        self.container = self.logs / "ns_pod_uid" / "app"
        self.container.mkdir(parents=True, exist_ok=True)
        self.database = Path(self.layout.logs_db)
        self.up = 0.0
        self.reloads: list[bool] = []
        self.start()

    def start(self, boot: str = "boot-1") -> None:
        self.registry = CollectorRegistry()
        self.metrics = LogMetrics(self.registry)
        self.tracker = FileTracker(self.config, self.metrics, reload=self.reload, up_seconds=lambda: self.up, boot=boot)
        self.tracker.prepare()

    def reload(self) -> bool:
        self.reloads.append(True)
        return True

    def file(self, name: str, text: str = "") -> Path:
        path = self.container / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        return path

    def positions(self, **offsets: int) -> None:
        """Write the positions of files of the container as Fluent Bit does, which has the database open."""
        with sqlite3.connect(self.database) as connection:
            connection.execute(CREATE.replace("TABLE", "TABLE IF NOT EXISTS"))
            connection.execute("DELETE FROM in_tail_files")
            for name, offset in offsets.items():
                path = self.container / name
                row = (str(path), offset, path.stat().st_ino, int(time.time()))
                connection.execute("INSERT INTO in_tail_files (name, offset, inode, created) VALUES (?, ?, ?, ?)", row)
        connection.close()

    def counters(self, start: str, *done: Path) -> None:
        lines = [f"# fluent-sidecar counters 1\t{start}", *(f"done\t{path}\t1" for path in done)]
        (Path(self.layout.filter_state) / "counters.tsv").write_text("\n".join(lines) + "\n")

    @property
    def links(self) -> dict[str, Path]:
        root = Path(self.layout.backfill)
        return {str(path.relative_to(root)): path.readlink() for path in root.glob("*/*/*")}

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"sidecar_log_{name}", labels) or 0


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_gzip_file_that_was_not_read_gets_a_link_until_it_was(node: Node) -> None:
    node.file("0.log", "x")
    packed = node.file("0.log.20261122-100000.gz", "line\n" * 10)
    node.tracker.step()
    link = Path(node.layout.backfill) / "ns_pod_uid/app" / packed.name
    assert node.links == {f"ns_pod_uid/app/{packed.name}": packed}
    assert node.count("backfilling_files") == 1
    node.start()
    node.tracker.step()
    assert node.links, "also after a restart"
    node.counters("1", link)
    node.tracker.step()
    assert node.links == {}
    assert not link.parent.parent.exists()
    assert node.count("backfilled_files_total") == 1
    node.tracker._save()
    node.start()
    node.tracker.step()
    assert node.links == {}, "it stays done"


def test_a_link_that_nobody_wants_is_removed(node: Node) -> None:
    link = Path(node.layout.backfill) / "ns_old_uid/app/0.log.1.gz"
    link.parent.mkdir(parents=True)
    link.symlink_to("/nowhere/x.gz")
    node.tracker.step()
    assert node.links == {}


def test_a_plain_file_that_was_read_needs_no_backfill(node: Node) -> None:
    node.file("0.log", "new\n")
    old = node.file("0.log.20261122-100000", "line\n" * 10)
    node.positions(**{"0.log": 4, old.name: 50})
    for _ in range(2):
        node.tracker.step()
    node.file(f"{old.name}.gz", "line\n" * 10)
    old.unlink()
    node.tracker.step()
    assert node.links == {}
    assert node.count("unread_bytes") == 0


def test_what_is_lost_is_counted_and_said(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.file("0.log", "line\n" * 10)
    node.positions(**{"0.log": 20})
    with caplog.at_level(logging.WARNING):
        node.tracker.step()
        (node.container / "0.log").unlink()
        node.positions()
        node.tracker.step()
        node.tracker.step()
    assert node.count("bytes_lost_total", namespace="ns", pod="pod", container="app") == 30
    assert node.count("all_bytes_lost_total") == 30
    said = [record.getMessage() for record in caplog.records if "30 bytes" in record.getMessage()]
    assert len(said) == 1
    assert "ns/pod/app" in said[0]


@pytest.mark.parametrize(
    ("ourselves", "alarming"),
    [("pod-b2b2b", 0), ("pod-a1a1a", 30), ("other-b2b2b", 30), ("a1a1a", 30), ("", 30)],
)
def test_the_last_words_of_the_pod_before_us_are_counted_but_alarm_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ourselves: str, alarming: int
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "ns")
    monkeypatch.setenv("POD_NAME", ourselves)
    node = Node(tmp_path)
    file = node.logs / "ns_pod-a1a1a_uid" / "fluent-bit" / "0.log"
    file.parent.mkdir(parents=True)
    file.write_text("line\n" * 6)
    with caplog.at_level(logging.WARNING):
        node.tracker.step()
        file.unlink()
        node.positions()
        node.tracker.step()
        node.tracker.step()
    assert node.count("bytes_lost_total", namespace="ns", pod="pod-a1a1a", container="fluent-bit") == 30
    assert node.count("all_bytes_lost_total") == alarming
    assert ("went before they were read" in caplog.text) == bool(alarming)


def test_excluded_pods_are_not_followed(tmp_path: Path) -> None:
    node = Node(tmp_path, "{exclude: {namespaces: [ns]}}")
    node.file("0.log.1.gz", "x\n")
    node.tracker.step()
    assert (node.links, node.count("files")) == ({}, 0)


def test_after_a_crash_of_the_machine_positions_are_removed_before_fluent_bit_starts(node: Node) -> None:
    node.file("0.log", "line\n" * 10)
    node.positions(**{"0.log": 50})
    for name in ("-wal", "-shm"):
        node.database.with_name(node.database.name + name).touch()
    packed = node.file("0.log.1.gz", "x\n")
    node.tracker.step()
    node.counters("1", Path(node.layout.backfill) / "ns_pod_uid/app" / packed.name)
    node.tracker.step()
    assert node.links == {}
    node.tracker._save()
    node.start()
    assert node.database.exists(), "the same boot"
    node.reloads.clear()
    node.start("boot-2")
    assert [(path, path.stat().st_size) for path in node.database.parent.iterdir()] == [(node.database, 0)]
    assert node.count("rewinds_total", cause="boot") == 1
    assert node.reloads == [True], "in case that it is running already"
    node.tracker.step()
    assert node.links, "what the last start of Fluent Bit says of it does not count"
    node.counters("2", Path(node.layout.backfill) / "ns_pod_uid/app" / packed.name)
    node.tracker.step()
    assert node.links == {}
    node.start("boot-2")
    assert node.count("rewinds_total", cause="boot") == 0


def test_a_damaged_state_file_is_begun_anew(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    Path(node.layout.tracked).write_text('{"version": 1, "boot": ')
    node.start()
    assert "can't be read" in caplog.text
    node.tracker.step()


def test_the_state_of_a_version_to_come_is_begun_anew_and_said(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    Path(node.layout.tracked).write_text('{"version": 2, "files": []}')
    node.start()
    assert "is of another version, so that rotated log files are read again" in caplog.text
    node.tracker.step()


def test_a_folder_of_logs_that_is_not_there_is_told_with_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node(tmp_path)
    shutil.rmtree(node.logs)
    stopping = threading.Event()
    thread = threading.Thread(target=node.tracker.run, args=(stopping,))
    thread.start()
    wait_until(lambda: caplog.records, 5, "it is told")
    stopping.set()
    thread.join(5)
    assert f"tried again every second: {node.logs}: No such file or directory (check paths.logs" in caplog.text
    assert "set logs.enabled: false" in caplog.text


def test_a_gzip_file_with_a_torn_line_is_not_waited_for_for_ever(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.file("0.log.1.gz", "line\n" * 10 + "torn")
    node.file("0.log.2.gz", "line\n" * 10)
    node.tracker.step()
    monkeypatch.setattr(tracking, "_BROKEN_SECONDS", -1.0)
    for _ in range(3):
        node.tracker.step()
    assert list(node.links) == ["ns_pod_uid/app/0.log.2.gz"]
    assert node.count("all_bytes_lost_total") == 4


def test_the_size_of_what_is_in_a_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    text = os.urandom(2_000_000).replace(b"\n", b"") + b"\nend"
    path.write_bytes(gzip.compress(text))
    size = path.stat().st_size
    assert unpacked_size(path, size) == len(text)
    assert readable_lines(path) == len(text) - 3
    path.write_bytes(path.read_bytes()[: size // 2])
    assert readable_lines(path) == 0
    path.write_bytes(b"no gzip")
    assert readable_lines(path) == 0
    assert unpacked_size(tmp_path / "missing", 7) == 7


def test_the_last_bytes_of_a_torn_file_are_no_size(tmp_path: Path) -> None:
    torn = tmp_path / "torn.gz"
    torn.write_bytes(b"\x1f\x8b" + b"\xff" * 98)

    assert unpacked_size(torn, 100) == 100


def test_positions_are_read_while_they_are_written_and_never_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    assert read_positions(path) is None
    path.touch()
    assert read_positions(path) is None
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute(CREATE)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("INSERT INTO in_tail_files (name, offset, inode, created) VALUES ('x', 5, 7, 9)")
    assert read_positions(path) == {7: Position(5, 9)}
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE in_tail_files SET offset = 6")
    assert read_positions(path) == {7: Position(5, 9)}
    writer.execute("COMMIT")
    assert read_positions(path) == {7: Position(6, 9)}
    writer.close()
    before = sorted(file.name for file in tmp_path.iterdir())
    assert read_positions(path) == {7: Position(6, 9)}
    assert sorted(file.name for file in tmp_path.iterdir()) == before == ["logs.db"]
    path.write_bytes(b"x" * 5000)
    assert read_positions(path) is None
    assert remove_positions(path)
    assert not remove_positions(path)
    assert path.stat().st_size == 0


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


@pytest.mark.parametrize("ours", [True, False])
def test_a_log_that_we_make_as_fluent_bit_ends_is_one_that_it_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ours: bool
) -> None:
    """Found on a node: Fluent Bit, root without capabilities, could not write the sidecar's log, and never started."""
    path, log = tmp_path / "logs.db", tmp_path / "logs.db-wal"
    if ours:
        make_positions(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute(CREATE)
        seen = mode(log)
    assert not log.exists()
    assert mode(path) == seen
    assert (seen == "0o660") == ours
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda found: found == log or exists(found))  # it ends just after our look

    read_positions(path)

    assert exists(log), "SQLite makes one, in spite of mode=ro"
    assert mode(log) == "0o660"


def test_a_database_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "new/logs.db"
    make_positions(path)
    assert (mode(path), mode(path.parent)) == ("0o660", "0o770")
    path.write_bytes(b"x")
    path.chmod(0o644)

    make_positions(path)

    assert (path.read_bytes(), mode(path)) == (b"x", "0o644")


def test_a_look_sees_every_change(tmp_path: Path) -> None:
    scanner = Scanner(str(tmp_path), lambda _path: True)
    container = tmp_path / "ns_p_u" / "c"
    container.mkdir(parents=True)
    assert scanner.look().plain == {}
    for number in range(50):
        path = container / f"0.log.{number}"
        path.write_text("x" * number)
        (container / "0.log").write_text("y" * number)
        sight = scanner.look()
        assert sight.plain[f"ns_p_u/c/{path.name}"] == (path.stat().st_ino, number)
        assert sight.plain["ns_p_u/c/0.log"][1] == number
    path.unlink()
    (container / "0.log.1.gz").write_bytes(gzip.compress(b"12345"))
    sight = scanner.look()
    assert "ns_p_u/c/0.log.49" not in sight.plain
    assert sight.packed == {"ns_p_u/c/0.log.1": 5}
    with pytest.raises(FileNotFoundError):
        Scanner(str(tmp_path / "missing"), lambda _path: True).look()


def test_a_folder_that_may_not_be_listed_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)

    with pytest.raises(PermissionError):
        Scanner(str(tmp_path), lambda _path: True).look()


def test_a_folder_that_did_not_change_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = tmp_path / "ns_p_u" / "c"
    container.mkdir(parents=True)
    (container / "0.log").touch()
    for folder in (tmp_path, container.parent, container):
        os.utime(folder, (1, 1))
    scanner = Scanner(str(tmp_path), lambda _path: True)
    scanner.look()
    listed: list[str] = []

    def listing(path: str) -> list[str]:
        listed.append(path)
        return []

    monkeypatch.setattr(os, "listdir", listing)
    (container / "0.log").write_text("more")
    assert scanner.look().plain["ns_p_u/c/0.log"][1] == 4
    assert listed == []


# With a real Fluent Bit

LINE = "2026-11-22T10:00:00.000000000Z stdout F line {} " + "x" * 80 + "\n"


def fluent_bit_file(node: Node, folder: Path, port: int, output: dict[str, object]) -> Path:
    """The parts of the pipeline that decide here: both inputs, and what the filter says of the backfill."""
    counters = Path(node.layout.filter_state) / "counters.tsv"
    # As the filter does: a file of the backfill is done when its last byte was handed over.
    code = f"""
local start, seen = tostring(os.time()) .. tostring(math.random()), {{}}
function note(tag, time, record)
  local text = "# fluent-sidecar counters 1\\t" .. start .. "\\n"
  seen[record.path] = record.offset + #record.log + 1
  for path, bytes in pairs(seen) do
    local file = io.open(path, "rb")
    if file then
      file:seek("end", -4)
      local a, b, c, d = file:read(4):byte(1, 4)
      file:close()
      local size = a + b * 256 + c * 65536 + d * 16777216
      if bytes >= size then text = text .. "done\\t" .. path .. "\\t" .. bytes .. "\\n" end
    end
  end
  local out = io.open("{counters}.tmp", "w")
  out:write(text)
  out:close()
  os.rename("{counters}.tmp", "{counters}")
  return 0, time, record
end
"""
    script = folder / "note.lua"
    script.write_text(code)
    tail = {"name": "tail", "path_key": "path", "offset_key": "offset", "read_from_head": True, "refresh_interval": 1}
    tail |= {"storage.type": "filesystem", "rotate_wait": 3}
    content = {
        "service": {
            "flush": 0.2,
            "grace": 1,
            "http_server": True,
            "http_listen": "127.0.0.1",
            "http_port": port,
            "hot_reload": True,
            "hot_reload.ensure_thread_safety": False,
            "storage.path": node.layout.chunks,
            "storage.metrics": True,
            "scheduler.base": 1,
            "scheduler.cap": 2,
        },
        "pipeline": {
            "inputs": [
                tail
                | {
                    "alias": "logs",
                    "tag": "logs",
                    "path": ",".join(include_paths(node.config)),
                    "exclude_path": ",".join(exclude_paths(node.config)),
                    "db": node.layout.logs_db,
                },
                tail | {"alias": "backfill", "tag": "logs.backfill", "path": f"{node.layout.backfill}/*/*/*.gz"},
            ],
            "filters": [{"name": "lua", "match": "logs.backfill", "script": str(script), "call": "note"}],
            "outputs": [{"alias": "logs", "match": "logs*"} | output],
        },
    }
    file = folder / "fluent-bit.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def lines_in(folder: Path) -> list[int]:
    text = "".join(path.read_text() for path in folder.glob("*"))
    return [int(part.split("line ")[1].split(" ")[0]) for part in text.splitlines() if "line " in part]


def write(path: Path, start: int, count: int) -> None:
    with path.open("a") as file:
        file.writelines(LINE.format(number) for number in range(start, start + count))


def pack(path: Path) -> None:
    """As the kubelet does it."""
    fresh = path.with_name(f"{path.name}.tmp")
    fresh.write_bytes(gzip.compress(path.read_bytes()))
    fresh.replace(path.with_name(f"{path.name}.gz"))
    path.unlink()


def test_what_was_rotated_and_packed_while_fluent_bit_was_away_arrives(
    tmp_path: Path, fluent_bit: Path, start_process: Callable[..., Process]
) -> None:
    port = free_port()
    node = Node(tmp_path, port=port)
    out = tmp_path / "out"
    out.mkdir()
    current, old = node.container / "0.log", node.container / "0.log.20261122-100000"
    write(current, 0, 1000)
    file = fluent_bit_file(node, tmp_path, port, {"name": "file", "path": str(out)})

    def until(condition: Callable[[], object], what: str) -> None:
        def step() -> object:
            node.tracker.step()
            return condition()

        wait_until(step, 20, lambda: f"{what}; links {node.links}, {len(lines_in(out))} lines", interval=0.2)

    process = start_process([fluent_bit, "-c", file], name="fluent-bit")
    until(lambda: len(lines_in(out)) == 1000 and not node.count("unread_bytes"), "the first lines")

    # Rotated while it is read: nothing to be read again.
    current.rename(old)
    write(old, 1000, 100)
    write(current, 1100, 100)
    until(lambda: len(lines_in(out)) == 1200, "lines after the rotation")
    until(lambda: "ns_pod_uid/app/" + old.name in node.tracker._tracker.account.done, "the rotated file to be done")
    pack(old)
    for _ in range(3):
        node.tracker.step()
    assert node.links == {}

    # Rotated and packed while nobody reads: half of it is in the gzip file only.
    process.kill()
    write(current, 1200, 500)
    second = node.container / "0.log.20261122-110000"
    current.rename(second)
    write(current, 1700, 50)
    node.tracker.step()
    pack(second)
    node.tracker.step()
    assert list(node.links) == [f"ns_pod_uid/app/{second.name}.gz"]
    process.start()
    until(lambda: not node.links, "the link to go")
    until(lambda: set(lines_in(out)) == set(range(1750)), "every line")
    assert node.count("backfilled_files_total") == 1
    assert node.count("all_bytes_lost_total") == 0


def test_what_was_evicted_in_an_outage_is_read_again(
    tmp_path: Path, fluent_bit: Path, start_process: Callable[..., Process]
) -> None:
    port, sink = free_port(), free_port()
    node = Node(tmp_path, port=port)
    out = tmp_path / "out"
    out.mkdir()
    kept, other = node.container / "0.log", node.logs / "ns_other_uid2" / "app" / "0.log"
    other.parent.mkdir(parents=True)
    write(kept, 0, 5_000)
    output = {"name": "forward", "host": "127.0.0.1", "port": sink, "retry_limit": "no_limits"}
    file = fluent_bit_file(node, tmp_path, port, output | {"storage.total_limit_size": "5M"})
    start_process([fluent_bit, "-c", file], name="fluent-bit")
    reloads = Reloads(port)
    watch = BufferWatch(port, Path(node.layout.chunks), 5 * 2**20, node.metrics, node.tracker.rewind)
    node.tracker._reload = lambda: reloads.reload() is Verdict.DONE

    def until(condition: Callable[[], object], what: str, seconds: float) -> None:
        def step() -> object:
            watch.step()
            node.tracker.step()
            return condition()

        wait_until(step, seconds, what, interval=0.3)

    until(lambda: node.count("files") and not node.count("unread_bytes"), "the first file to be in the buffer", 20)
    write(other, 10_000, 60_000)
    until(lambda: node.count("records_evicted_total") > 5_000, "an eviction", 20)
    until(lambda: not node.count("unread_bytes"), "all to be read", 20)
    shutil.rmtree(other.parents[1])  # its pod is gone, and what was dropped of it can't be had again
    receiver = tmp_path / "sink.yaml"
    receiver.write_text(
        yaml.safe_dump(
            {
                "pipeline": {
                    "inputs": [{"name": "forward", "listen": "127.0.0.1", "port": sink}],
                    "outputs": [{"name": "file", "match": "*", "path": str(out)}],
                }
            }
        )
    )
    start_process([fluent_bit, "-c", receiver], name="sink")
    until(lambda: node.count("rewinds_total", cause="evicted") == 1, "a rewind", 30)
    until(lambda: set(range(5_000)) <= set(lines_in(out)), "every line that is still on the node", 30)
    assert node.database.exists(), "the reloaded Fluent Bit has a new one"
