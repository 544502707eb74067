"""What the repository says of itself agrees with itself: locks, workflows, entry points, documents."""

import gzip
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import sidecar

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.y*ml"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINT_TOOLS = ["ruff check", "ruff format", "mypy", "lint-imports"]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

# In two parts each, so that this file is not its own finding.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "repo.maven" + ".apache.org",
    "maven" + ".org",
    "npm" + "js.org",
    "npm" + "js.com",
    "crates" + ".io",
    "proxy.golang" + ".org",
    "sum.golang" + ".org",
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def load(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def steps_of(path: Path) -> list[dict[str, Any]]:
    document = load(path)
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document["jobs"].values() for step in job["steps"]]


# Locks


@cache
def pins(lock: Path) -> dict[str, Version]:
    """The version that a lock file says for each package."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def blocks(lock: Path) -> list[str]:
    """The text of each requirement, its continuation lines included, without comments."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    return [block.strip() for block in re.split(r"\n(?=\S)", text) if block.strip()]


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_a_lock_pins_every_requirement_by_hash(lock: Path) -> None:
    wrong = [
        block
        for block in blocks(lock)
        if not re.fullmatch(r"[\w.-]+==[\w.!+]+( ; [^\\\n]+)?( \\\n\s+--hash=sha256:[0-9a-f]{64})+", block)
    ]

    assert wrong == []
    assert len(blocks(lock)) == len(pins(lock)) > 0


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_a_lock_names_no_place_to_download_from(lock: Path) -> None:
    assert re.findall(r"\S*://\S*|^-.*", lock.read_text(), re.MULTILINE) == []


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("run", PYPROJECT["project"]["dependencies"]),
        ("dev", PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]),
        ("docs", PYPROJECT["dependency-groups"]["docs"]),
        ("build", PYPROJECT["build-system"]["requires"]),
        ("java", PYPROJECT["project"]["optional-dependencies"]["demo"]),
    ],
)
def test_a_lock_covers_what_pyproject_asks_for(lock: str, wanted: list[str]) -> None:
    locked = pins(ROOT / "requirements" / f"{lock}.txt")
    requirements = [Requirement(text) for text in wanted]

    lacking = [
        str(requirement)
        for requirement in requirements
        if (pin := locked.get(canonicalize_name(requirement.name))) is None or pin not in requirement.specifier
    ]

    assert lacking == []


@pytest.mark.parametrize("lock", ["run", "build", "docs"])
def test_the_development_lock_agrees_with_the_others(lock: str) -> None:
    other, dev = pins(ROOT / "requirements" / f"{lock}.txt"), pins(ROOT / "requirements/dev.txt")

    assert {name: dev[name] for name in other if name in dev} == {name: other[name] for name in other if name in dev}
    if lock == "run":
        assert other.keys() <= dev.keys()


# Python versions


def pythons() -> list[str]:
    """The versions that the classifiers promise, the oldest first."""
    found = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text)
        for text in PYPROJECT["project"]["classifiers"]
    ]
    return sorted((match[1] for match in found if match), key=Version)


def test_classifiers_requires_python_and_the_ci_matrix_agree() -> None:
    matrix = load(ROOT / ".github/workflows/ci.yaml")["jobs"]["unit"]["strategy"]["matrix"]["python"]

    assert matrix == pythons()
    assert PYPROJECT["project"]["requires-python"] == f">={pythons()[0]}"


def test_locks_are_made_for_the_oldest_python() -> None:
    assert re.findall(r"--python-version (\S+)", (ROOT / "Makefile").read_text()) == [pythons()[0]]


def test_the_image_has_a_python_that_is_tested() -> None:
    images = re.findall(r"^FROM python:(3\.\d+)-slim", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert len(set(images)) == 1
    assert images[0] in pythons()


# Workflows


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name_of)
def test_a_workflow_grants_nothing_but_what_a_job_asks_for(workflow: Path) -> None:
    document = load(workflow)

    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        assert isinstance(job.get("permissions"), dict), f"{name} has no permissions of its own"
        assert "timeout-minutes" in job, f"{name} may run for 6 hours"


@pytest.mark.parametrize("file", [*WORKFLOWS, *ACTIONS], ids=name_of)
def test_an_action_is_pinned(file: Path) -> None:
    used = [step["uses"] for step in steps_of(file) if "uses" in step]

    unpinned = [
        action
        for action in used
        if not action.startswith("./") and not re.fullmatch(r"\S+@([0-9a-f]{40}|v\d+)", action)
    ]

    assert unpinned == []
    for local in (action for action in used if action.startswith("./")):
        assert (ROOT / local / "action.yml").exists(), local


def test_an_action_is_the_same_release_everywhere() -> None:
    releases: dict[str, set[str]] = {}
    for file in [*WORKFLOWS, *ACTIONS]:
        for action, commit in re.findall(r"uses: (\S+?)@(.*)", file.read_text()):
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+|v\d+", commit), (
                f"{action}@{commit}: which release is it?"
            )
            releases.setdefault(action, set()).add(commit)

    assert {action: commits for action, commits in releases.items() if len(commits) > 1} == {}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name_of)
def test_a_checkout_leaves_no_credentials_behind(workflow: Path) -> None:
    checkouts = [step for step in steps_of(workflow) if step.get("uses", "").startswith("actions/checkout@")]

    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("file", [*WORKFLOWS, *ACTIONS], ids=name_of)
def test_no_expression_is_pasted_into_a_script(file: Path) -> None:
    # Its text would be run by the shell; it belongs into `env`.
    assert [step["run"] for step in steps_of(file) if "${{" in step.get("run", "")] == []


def test_the_other_configuration_files_are_yaml() -> None:
    files = [*(ROOT / ".github").glob("*.yml"), *(ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")]

    assert len(files) > 1
    for file in files:
        assert load(file)


# Entry points


def targets() -> set[str]:
    """The targets of the Makefile that are meant to be called."""
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    return set(phony[1].split())


def make(*arguments: str) -> str:
    """What make says; without the variables by which a make that runs these tests talks to another one."""
    program = shutil.which("make")
    assert program, "make is not installed"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "ARGS"))}
    done = subprocess.run([program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_alone_lists_every_target() -> None:
    listed = re.findall(r"^  (\w+) +\S", make(), re.MULTILINE)

    assert sorted(listed) == sorted(targets())


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "docs", "lock", "clean"])
def test_a_target_can_be_made_from_nothing(target: str) -> None:
    assert make("--dry-run", "VENV=.no-such-venv", target)


def test_make_lint_and_the_hooks_before_a_commit_call_the_same_tools() -> None:
    lint = make("--dry-run", "VENV=.venv", "lint")
    hooks = load(ROOT / ".pre-commit-config.yaml")["repos"]

    assert [repository["repo"] for repository in hooks] == ["local"]
    entries = [hook["entry"] for hook in hooks[0]["hooks"]]
    for tool in LINT_TOOLS:
        assert f".venv/bin/{tool}" in lint
        assert any(entry.startswith(f".venv/bin/{tool}") for entry in entries), tool


def made_by(text: str) -> Iterator[str]:
    """The targets that the code in a Markdown text calls."""
    for block in re.findall(r"^```.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL):
        for call in re.findall(r"\bmake((?: +[a-z]+\b(?!=))+)", block):
            yield from call.split()


def test_calls_of_make_are_found_in_a_text() -> None:
    text = "make way `make one ARGS=x`\n```console\n$ make two three PYTHON=p  # make four\n```\n`makefile`"

    assert list(made_by(text)) == ["one", "two", "three", "four"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_target_that_is_written_about_exists(document: Path) -> None:
    assert set(made_by(document.read_text())) <= targets()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name_of)
def test_a_target_that_ci_calls_exists(workflow: Path) -> None:
    calls = [
        call for step in steps_of(workflow) for call in re.findall(r"^make (\S+)", step.get("run", ""), re.MULTILINE)
    ]

    assert calls
    assert {call for call in calls if not call.startswith(".venv/")} <= targets()


def test_the_script_of_ci_is_executable_and_parses() -> None:
    script = ROOT / ".ci/run"

    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    ]
    kept = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }

    assert {source.rstrip("/") for source in copied} == kept
    assert all((ROOT / source).exists() for source in copied)


# Documents


def test_the_changelog_says_what_this_version_brings() -> None:
    sections = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert sections[0] == "Unreleased" or sidecar.__version__ in sections


def tracked() -> list[Path]:
    """What git tracks, or would track; leaves the test where there is no checkout."""
    git = shutil.which("git")
    if not git or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project is not known")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Which registry serves a machine is its own setting: mirrors are common where clusters are run.
    found = []
    for path in tracked():
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        found += [f"{name_of(path)}: {host}" for host in REGISTRIES if host.encode() in content]

    assert found == []
