"""Rendered files on disk: whole or not at all, and nothing touched that isn't ours."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sidecar.agent import output
from sidecar.agent.output import difference, switch_link, write_file, write_tree
from sidecar.errors import RenderError
from sidecar.render import MANIFEST


def tree(**files: str) -> dict[str, str]:
    """Files with a manifest that names them; `__` in a name is a slash."""
    named = {name.replace("__", "/"): text for name, text in files.items()}
    return {**named, "manifest.json": json.dumps({"files": dict.fromkeys(named, "hash")})}


def there(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_tree_is_written(tmp_path: Path) -> None:
    files = tree(a="1\n", b__c="é\n")

    assert write_tree(tmp_path / "new" / "folder", files) == ["a", "b/c", "manifest.json"]
    assert there(tmp_path / "new" / "folder") == files


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    write_tree(tmp_path, tree(a="1", b="1"))
    before = {path: path.stat() for path in tmp_path.iterdir()}

    assert write_tree(tmp_path, tree(a="1", b="1")) == []
    assert {path: path.stat() for path in tmp_path.iterdir()} == before
    assert write_tree(tmp_path, tree(a="1", b="2")) == ["b"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_group_may_read_and_others_not(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_tree(tmp_path, tree(a="1"))
    finally:
        os.umask(before)

    assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == ["0o640", "0o640"]


def test_what_an_earlier_manifest_names_is_removed_and_nothing_else(tmp_path: Path) -> None:
    write_tree(tmp_path, tree(a="1", old__b="1", kept__c="1"))
    (tmp_path / "kept" / "mine").write_text("mine")

    assert sorted(write_tree(tmp_path, tree(a="1"))) == ["kept/c", "manifest.json", "old/b"]
    assert there(tmp_path) == {**tree(a="1"), "kept/mine": "mine"}
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize(
    "names",
    [
        ["../outside"],
        ["a/../../outside"],
        ["OUTSIDE"],
        ["link/outside"],
        ["link"],
        ["", ".", "..", "folder", "folder/", "nope", "a\0b", "x" * 5000, "\ud800", 5, None, ["a"]],
    ],
)
def test_a_manufactured_manifest_reaches_nothing(tmp_path: Path, names: list[Any]) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "in"
    outside.write_text("mine")
    (folder / "folder").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    listed = [str(outside) if name == "OUTSIDE" else name for name in names]
    (folder / "manifest.json").write_text(json.dumps({"files": listed}))

    assert "-mine" not in difference(folder, tree(a="1")).splitlines()
    assert write_tree(folder, tree(a="1")) == ["a", "manifest.json"]
    assert outside.read_text() == "mine"
    assert (folder / "folder").is_dir()
    assert (folder / "link").is_symlink()


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"x"', '{"files": 5}', '{"files": null}', "{}", "\xff"])
def test_a_broken_manifest_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))

    assert write_tree(tmp_path, tree(a="1")) == ["a", "manifest.json"]
    assert there(tmp_path) == tree(a="1")


@pytest.mark.parametrize("name", ["b", "manifest.json"])
def test_after_a_crash_the_manifest_is_not_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_tree(tmp_path, tree(a="1", old="1"))

    def crash(path: Path, text: str) -> None:
        if path.name == name:
            raise KeyboardInterrupt
        write_file(path, text)

    wanted = tree(a="2", b="2")
    with monkeypatch.context() as patch:
        patch.setattr(output, "write_file", crash)
        with pytest.raises(KeyboardInterrupt):
            # The manifest comes last, wherever it is in the map.
            write_tree(tmp_path, dict(reversed(wanted.items())))
    assert (tmp_path / "manifest.json").read_text() != wanted["manifest.json"]

    write_tree(tmp_path, wanted)
    assert there(tmp_path) == wanted


def test_a_reader_sees_the_old_text_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_file(path, "old")
    with path.open() as reader:
        write_file(path, "new")

        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_file(path, "old")

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(RenderError, match=f"^{tmp_path}: can't be written: No space left on device"):
        write_tree(tmp_path, tree(a="new"))
    assert path.read_text() == "old"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(RenderError, match=r"/a: can't be written: File exists \(is there space"):
        write_tree(tmp_path / "a", tree(a="1"))
    with pytest.raises(RenderError, match="can't be written: Not a directory"):
        write_tree(tmp_path / "a" / "b", tree(a="1"))


def test_a_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    with pytest.raises(RenderError, match="can't be written: Is a directory"):
        write_tree(tmp_path, tree(a="1"))


def test_no_difference_after_writing(tmp_path: Path) -> None:
    write_tree(tmp_path, tree(a="1\n", b__c="2\n"))

    assert difference(tmp_path, tree(a="1\n", b__c="2\n")) == ""


def test_the_difference_leads_from_what_is_there_to_what_should_be(tmp_path: Path) -> None:
    write_tree(tmp_path, tree(a="same\nold\n", gone="x\n"))
    lines = difference(tmp_path, tree(a="same\nnew\n", fresh="y\n")).splitlines()

    assert {"-old", "+new", "-x", "+y", " same", f"--- {tmp_path}/a", "+++ rendered/a"} <= set(lines)


@pytest.mark.parametrize("raw", [b"a\r\n", b"a", b"\xff", b""])
def test_other_bytes_are_a_difference(tmp_path: Path, raw: bytes) -> None:
    write_tree(tmp_path, tree(a="a\n"))
    (tmp_path / "a").write_bytes(raw)

    assert difference(tmp_path, tree(a="a\n"))
    assert write_tree(tmp_path, tree(a="a\n")) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"a\n"


def test_a_folder_that_is_not_there_differs_in_everything(tmp_path: Path) -> None:
    assert "+1" in difference(tmp_path / "nope", tree(a="1\n"))
    assert not (tmp_path / "nope").exists()


def test_a_link_is_switched_at_once(tmp_path: Path) -> None:
    link = tmp_path / "current"
    switch_link(link, "one")
    (tmp_path / ".current.new").symlink_to("left behind by a crash")
    switch_link(link, "two")

    assert link.readlink() == Path("two")
    assert list(tmp_path.iterdir()) == [link]


def test_a_new_folder_is_made_with_its_manifest_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a/b.json": "é\r\n", MANIFEST: "{}", "c.yaml": ""}
    written: list[str] = []
    write = output._write

    def recorded(path: str, text: str, mode: int) -> None:
        written.append(path)
        write(path, text, mode)

    monkeypatch.setattr(output, "_write", recorded)
    folder = tmp_path / "not/there"
    assert write_tree(folder, files) == list(files)

    assert written == [str(folder / name) for name in ("a/b.json", "c.yaml", MANIFEST)]
    assert {name: (folder / name).read_bytes().decode() for name in files} == files
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o640"}


def test_a_new_folder_that_was_not_finished_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a": "1", "b": "2", MANIFEST: '{"files": {"a": "", "b": ""}}'}
    write = output._write

    def full(path: str, text: str, mode: int) -> None:
        if path.endswith("/b"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, text, mode)

    with monkeypatch.context() as patch:
        patch.setattr(output, "_write", full)
        with pytest.raises(RenderError, match="No space left"):
            write_tree(tmp_path / "new", files)
    assert not (tmp_path / "new" / MANIFEST).exists()
    assert write_tree(tmp_path / "new", files) == ["b", MANIFEST]
