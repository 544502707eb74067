import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sidecar.config.function import VARIABLE
from sidecar.controlplane.package import HANDLER, MODULES, package
from sidecar.errors import OpenSearchError
from tests.support.controlplane import LINES, TEMPLATE, invocation, settings
from tests.support.fakes.opensearch import FakeOpenSearch

MIB = 2**20
# What Lambda does, with nothing to import but the package; -S leaves out what is installed here.
LAMBDA = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
module, _, name = sys.argv[2].rpartition(".")
handler = getattr(importlib.import_module(module), name)
class Context:
    def get_remaining_time_in_millis(self):
        return 60_000
print(json.dumps(handler(json.load(sys.stdin), Context())))
print(json.dumps(list(sys.modules)))
"""


def test_the_same_sources_give_the_same_bytes() -> None:
    first, second = package(), package()
    assert first.content == second.content
    assert first.digest == second.digest
    with zipfile.ZipFile(io.BytesIO(first.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(archive.namelist()) == list(first.files)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}


def test_it_is_small_and_python_alone() -> None:
    made = package()
    assert len(made.content) < 2 * MIB
    assert {Path(name).suffix for name in made.files} == {".py", ".txt"}
    assert any("LICENSE" in name for name in made.files)


def test_it_needs_nothing_else_and_holds_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(package().content)) as archive:
        archive.extractall(tmp_path)
    with FakeOpenSearch() as server:
        server.templates[TEMPLATE] = {}
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", LAMBDA, tmp_path, HANDLER],
            input=json.dumps(invocation("audit", LINES["audit"])),
            env={VARIABLE: settings(url=server.url).to_json()},
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
    assert done.returncode == 0, done.stderr
    *_, result, loaded = done.stdout.splitlines()
    assert json.loads(result) == {"stored": len(LINES["audit"]), "there": 0, "deadLettered": 0}
    assert len(server.documents) == len(LINES["audit"])
    own = {name for name in json.loads(loaded) if name.split(".")[0] == "sidecar"}
    packed = {f"sidecar/{name}".removesuffix("/__init__").replace("/", ".") for name in MODULES}
    assert own == packed


def test_the_certificate_of_a_private_ca_goes_along(tmp_path: Path) -> None:
    file = tmp_path / "any-name.crt"
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    assert "ca.pem" in package(file).files
    file.write_text("-----BEGIN EC PRIVATE KEY-----\n")
    with pytest.raises(OpenSearchError, match="has no certificate"):
        package(file)
