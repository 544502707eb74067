"""The real parts that tests run against: which one is taken, and what is said where none can be had."""

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import urllib3

from tests.support.apiserver import ApiServer
from tests.support.background import Background
from tests.support.binaries import GoMissing, build
from tests.support.kubeapi import Api

if TYPE_CHECKING:
    from tests.support.secureserver import SecureOpenSearch

# The marker that a test gets for using a fixture.
MARKERS = {
    "opensearch_url": "opensearch",
    "secure_opensearch": "opensearch",
    "kubernetes_kubeconfig": "apiserver",
    "api_server": "apiserver",
    "fluent_bit": "fluentbit",
}
OPENSEARCH, API_SERVER, FLUENT_BIT = "OpenSearch", "real API server", "fluent-bit"
SECURE_OPENSEARCH = "OpenSearch with its security plugin"

_NOT_RUN = "NOT RUN: "
# Set where every part is to be had, such as in CI: then a part that is missing fails its tests.
_REQUIRE = "REQUIRE_REAL_PARTS"


class Missing(Exception):  # noqa: N818 - it is a state, and reads better so
    """A real part can't be had on this machine, and that is nobody's fault."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(part, why)
        self.part = part
        self.why = why


def not_run(part: str, why: str) -> NoReturn:
    """Skip the test for want of a real part, so that the summary names the part and counts the test.

    With REQUIRE_REAL_PARTS=1 in the environment the test fails instead.

    Args:
        part: What is missing, such as `kind`.
        why: The reason, such as `no Docker`.
    """
    text = f"{_NOT_RUN}{part} ({why})"
    if os.environ.get(_REQUIRE, "0") not in {"", "0"}:
        pytest.fail(f"{text}, but {_REQUIRE} is set", pytrace=False)
    pytest.skip(text)


def not_run_lines(reasons: Iterable[str]) -> list[str]:
    """One line for each missing part, from the reasons of all skips: `NOT RUN: kind (no Docker): 7 tests`."""
    counts = Counter(found[1] for reason in reasons if (found := re.search(rf"({_NOT_RUN}.*)", reason)))
    return [f"{what}: {count} test{'s' if count > 1 else ''}" for what, count in sorted(counts.items())]


def markers_of(fixtures: Collection[str]) -> set[str]:
    """The markers that a test gets for its fixtures, those of its fixtures' own included."""
    return {marker for fixture, marker in MARKERS.items() if fixture in fixtures}


def order(markers: Collection[str]) -> int:
    """Where a test comes: first those without real parts, last those whose part takes longest to start."""
    if "apiserver" in markers:
        return 3
    return 2 if "opensearch" in markers else int("fluentbit" in markers)


@dataclass
class Parts:
    """All real parts of a session; each is started when it is first needed.

    Attributes:
        taken: What tests ran against, by part.
    """

    taken: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opensearch = Background(OPENSEARCH, self._open_opensearch)
        self.secure_opensearch = Background(
            SECURE_OPENSEARCH, self._open_secure_opensearch, look=_look_for_secure_opensearch
        )
        self.api_server = Background(API_SERVER, self._open_api_server)
        self.kubeconfig = Background("kubeconfig", self._open_kubeconfig)

    def needed_by(self, fixtures: Collection[str]) -> list[Background[Any]]:
        """The parts in the background that a test with these fixtures needs."""
        by_fixture: dict[str, Background[Any]] = {
            "opensearch_url": self.opensearch,
            "secure_opensearch": self.secure_opensearch,
            "kubernetes_kubeconfig": self.kubeconfig,
            "api_server": self.api_server,
        }
        return [part for fixture, part in by_fixture.items() if fixture in fixtures]

    def close(self) -> list[str]:
        """End everything that was started, the users of a part before the part; returns what went wrong."""
        complaints = []
        for part in (self.kubeconfig, self.api_server, self.secure_opensearch, self.opensearch):
            try:
                part.close()
            except Exception as error:  # noqa: BLE001 - the others must be ended too
                complaints.append(f"{part.name} did not end well: {type(error).__name__}: {error}")
        return complaints

    @contextmanager
    def _open_opensearch(self, progress: Callable[[str], None]) -> Iterator[str]:
        from sidecar.dev.opensearch import open_opensearch  # noqa: PLC0415 - unit tests need not load it
        from sidecar.errors import DemoError  # noqa: PLC0415 - as above

        try:
            opening = open_opensearch(
                os.environ.get("OPENSEARCH_URL") or None, progress=lambda doing, _fraction: progress(doing)
            )
        except DemoError as error:
            raise Missing(OPENSEARCH, error.what) from error
        # One that is to be had and doesn't start, or was given and doesn't answer, is an error.
        with opening as part:
            where = "" if part.url in part.description else f" at {part.url}"
            self.taken[OPENSEARCH] = part.description + where
            yield part.url

    @contextmanager
    def _open_secure_opensearch(self, progress: Callable[[str], None]) -> "Iterator[SecureOpenSearch]":
        from sidecar.dev.distribution import VERSION  # noqa: PLC0415 - as above
        from tests.support.secureserver import can_be_had, secure_opensearch  # noqa: PLC0415 - as above

        if why_not := can_be_had():
            raise Missing(SECURE_OPENSEARCH, why_not)
        with secure_opensearch(progress) as server:
            self.taken[SECURE_OPENSEARCH] = f"OpenSearch {VERSION} and its security plugin, from Maven Central"
            yield server

    @contextmanager
    def _open_api_server(self, progress: Callable[[str], None]) -> Iterator[ApiServer]:
        try:
            binaries = build(progress)
        except GoMissing:
            raise Missing(API_SERVER, "no go") from None
        progress("starting")
        with (
            tempfile.TemporaryDirectory(prefix="fluent-sidecar-apiserver-") as folder,
            ApiServer(binaries, Path(folder)) as server,
        ):
            self.taken["API server"] = f"kube-apiserver {binaries.version} and etcd, built by go, at {server.url}"
            yield server

    @contextmanager
    def _open_kubeconfig(self, progress: Callable[[str], None]) -> Iterator[Path]:
        given = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
        reason = "no KUBECONFIG"
        if given:
            progress("asking the API server of KUBECONFIG")
            try:
                version = server_version(Path(given).expanduser())
            except (OSError, ValueError, AssertionError, urllib3.exceptions.HTTPError) as error:
                reason = f"KUBECONFIG can't be used ({type(error).__name__})"
            else:
                self.taken["cluster"] = f"Kubernetes {version} of KUBECONFIG={given}"
                yield Path(given).expanduser()
                return
        while not self.api_server.wait(0.2):
            progress(self.api_server.doing)
        try:
            server = self.api_server.get()
        except Missing as error:
            raise Missing(error.part, f"{reason}, {error.why}") from None
        yield server.kubeconfig


def _look_for_secure_opensearch() -> None:
    from tests.support.secureserver import can_be_had  # noqa: PLC0415 - unit tests need not load it

    can_be_had()


def server_version(kubeconfig: Path) -> str:
    """The version that the API server of a kubeconfig answers, as `v1.35.4`."""
    api = Api(kubeconfig, timeout=5)
    try:
        return str(api.get("/version")["gitVersion"])
    finally:
        api.close()


def find_fluent_bit() -> tuple[Path, str]:
    """The `fluent-bit` on PATH, and its version.

    Raises:
        Missing: There is none.
        AssertionError: There is one that doesn't say its version.
    """
    found = shutil.which("fluent-bit")
    if not found:
        raise Missing(FLUENT_BIT, "not on PATH")
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20, check=False)
    version = re.search(r"Fluent Bit v(\S+)", answer.stdout)
    assert version, f"{found} --version: {answer.returncode} {answer.stdout}{answer.stderr}"
    return Path(found), version[1]
