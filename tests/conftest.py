"""Real parts for the tests that ask for them by fixture, and the house rules for all tests.

    opensearch_url          the URL of a real OpenSearch         OPENSEARCH_URL, else one that is started
    secure_opensearch       one with TLS, users and roles        Java and Maven
    kubernetes_kubeconfig   the Path of a kubeconfig             KUBECONFIG, else `api_server`
    api_server              an API server that may be restarted and compacted; built from Go modules
    fluent_bit              the Path of the fluent-bit on PATH
    helm                    the Path of the helm on PATH
    chromium                the Path of a Chromium or Chrome: on PATH, or what `playwright install` fetched
    start_process           starts a command that ends with the test

Tests share the real parts: each takes indices and namespaces of its own (`tests.support.waiting.unique_name`). A part
is started once a session, in the background of the unit tests, if a test that was selected needs it. A test whose part
can't be had is skipped, and the summary counts it by the part's name; with REQUIRE_REAL_PARTS=1 it fails.

With `--numprocesses` (pytest-xdist; `make test JOBS=2`) each process has parts of its own and takes a file of tests
at a time, those that take longest first. What it took and what it complains of is in the one summary.

A session fails if a secret of its tests (`tests.support.markers`) is in a file that they or their processes wrote, and
a test if it is in its own log or output: `tests.support.leaks`.
"""

import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.support.apiserver import ApiServer
from tests.support.background import Background
from tests.support.browser import CHROMIUM, find_chromium
from tests.support.leaks import in_folder, in_report
from tests.support.parts import FLUENT_BIT, Missing, Parts, find_fluent_bit, markers_of, not_run, not_run_lines, order
from tests.support.process import Process
from tests.support.workers import is_worker, longest_first, tell

if TYPE_CHECKING:
    from tests.support.secureserver import SecureOpenSearch

T = TypeVar("T")

UNIT_SECONDS = 60
_PARTS = pytest.StashKey[Parts]()
_COMPLAINTS = pytest.StashKey[list[str]]()
_WRITTEN = pytest.StashKey[Path]()
_TAKEN, _COMPLAINED = "taken", "complained"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_PARTS] = Parts()
    config.stash[_COMPLAINTS] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    # Before `-m` selects, and after everything that changes the order.
    for item in items:
        for marker in markers_of(_fixtures(item)):
            item.add_marker(marker)
        if not _markers(item) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(UNIT_SECONDS))
    yield
    if is_worker(config):
        items.sort(key=lambda item: longest_first(item.path))
        return
    # What runs in the background is asked for last.
    items.sort(key=lambda item: ("log_results" in _fixtures(item), order(_markers(item))))


def pytest_collection_finish(session: pytest.Session) -> None:
    # One of several processes doesn't know yet which tests it will get.
    if not session.config.option.collectonly and not is_worker(session.config):
        for item in session.items:
            for part in session.config.stash[_PARTS].needed_by(_fixtures(item)):
                part.start()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # Around the timer of pytest-timeout: to build an API server may take longer than any test.
    for part in item.config.stash[_PARTS].needed_by(_fixtures(item)):
        _wait(part, item.config)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.passed and (leak := in_report(report)):
        report.outcome = "failed"
        report.longrepr = leak
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    parts, complaints = session.config.stash[_PARTS], session.config.stash[_COMPLAINTS]
    complaints += parts.close()
    written = session.config.stash.get(_WRITTEN, None)
    complaints += in_folder(written) if written else []
    if is_worker(session.config):
        tell(session.config, {_TAKEN: parts.taken, _COMPLAINED: complaints})
    if complaints and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One of several processes has ended."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[_PARTS].taken |= told.get(_TAKEN, {})
    node.config.stash[_COMPLAINTS] += told.get(_COMPLAINED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = [f"REAL: {what}" for _, what in sorted(config.stash[_PARTS].taken.items())]
    skips = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    lines += not_run_lines(skips) + config.stash[_COMPLAINTS]
    if lines:
        terminalreporter.section("real parts and complaints")
        for line in lines:
            terminalreporter.line(line)


def _fixtures(item: pytest.Item) -> Sequence[str]:
    """The names of all fixtures that a test uses, also through others; none for what is no function."""
    return getattr(item, "fixturenames", ())


def _markers(item: pytest.Item) -> set[str]:
    return {"opensearch", "apiserver", "fluentbit"} & {marker.name for marker in item.iter_markers()}


def _wait(part: Background[Any], config: pytest.Config) -> None:
    """Wait for a part to start, good or bad, and say so if that takes long."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    said = ""
    while not part.wait(2):
        words = part.doing.rstrip(" 0123456789.%s")  # whatever counts up is said once
        if words != said and reporter is not None:
            reporter.ensure_newline()
            reporter.line(f"waiting for {part.name}: {part.doing}")
            said = words


def _take(part: Background[T]) -> T:
    try:
        return part.get()
    except Missing as missing:
        not_run(missing.part, missing.why)


@pytest.fixture(scope="session", autouse=True)
def _written(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> None:
    """Remembers where all tests write."""
    pytestconfig.stash[_WRITTEN] = tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session")
def opensearch_url(pytestconfig: pytest.Config) -> str:
    """The URL of a real OpenSearch, without a slash at the end."""
    return _take(pytestconfig.stash[_PARTS].opensearch)


@pytest.fixture(scope="session")
def secure_opensearch(pytestconfig: pytest.Config) -> "SecureOpenSearch":
    """A real OpenSearch with its security plugin: TLS, an administrator, and no other user yet."""
    return _take(pytestconfig.stash[_PARTS].secure_opensearch)


@pytest.fixture(scope="session")
def kubernetes_kubeconfig(pytestconfig: pytest.Config) -> Path:
    """A kubeconfig for a real API server, which may be the user's own: leave it as you found it."""
    return _take(pytestconfig.stash[_PARTS].kubeconfig)


@pytest.fixture(scope="session")
def api_server(pytestconfig: pytest.Config) -> ApiServer:
    """A real API server that tests may stop, restart and compact; it must run again after the test."""
    return _take(pytestconfig.stash[_PARTS].api_server)


@pytest.fixture(scope="session")
def fluent_bit(pytestconfig: pytest.Config) -> Path:
    """The fluent-bit on PATH."""
    try:
        path, version = find_fluent_bit()
    except Missing as missing:
        not_run(missing.part, missing.why)
    pytestconfig.stash[_PARTS].taken[FLUENT_BIT] = f"{FLUENT_BIT} {version} at {path}"
    return path


@pytest.fixture(scope="session")
def helm(pytestconfig: pytest.Config) -> Path:
    """The helm on PATH."""
    found = shutil.which("helm")
    if not found:
        not_run("helm", "not on PATH")
    pytestconfig.stash[_PARTS].taken["helm"] = f"helm at {found}"
    return Path(found)


@pytest.fixture(scope="session")
def chromium(pytestconfig: pytest.Config) -> Path:
    """The Chromium or Chrome of this machine."""
    try:
        path = find_chromium()
    except Missing as missing:
        not_run(missing.part, missing.why)
    pytestconfig.stash[_PARTS].taken[CHROMIUM] = f"{CHROMIUM} at {path}"
    return path


@pytest.fixture
def update_golden(pytestconfig: pytest.Config) -> bool:
    """Whether golden files are written anew, for somebody to read: `pytest tests/unit/render --update-golden`."""
    return bool(pytestconfig.getoption("--update-golden"))


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """A function like `Process` that keeps the logs in the test's own folder and ends what it started."""
    with ExitStack() as stack:

        def start(
            command: Sequence[str | Path],
            *,
            name: str = "",
            env: Mapping[str, str] | None = None,
            cwd: Path | None = None,
        ) -> Process:
            name = name or Path(command[0]).name
            log = tmp_path / f"{name}.log"
            return stack.enter_context(Process(command, log=log, env=env, cwd=cwd, name=name))

        yield start
