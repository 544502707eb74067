"""The commands of the documentation, run: by the real command line, a real OpenSearch, helm and kubectl."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import OperationModel
from click.testing import CliRunner

from sidecar.cli.main import cli
from tests.support.chart import CHART
from tests.support.documented import PAGES, ROOT, RULES, Command, How, blocks, commands
from tests.support.fakes.tls import make_certificate
from tests.support.helm import KUBERNETES, call
from tests.support.kubeapi import Api
from tests.support.parts import not_run
from tests.support.waiting import free_port, unique_name

PUBLISHED = "oci://ghcr.io/fluent-sidecar/charts/fluent-sidecar"
_NOT_OF_TEMPLATE = {"--install", "--wait", "--reset-then-reuse-values"}
_OF_EVERY_OPERATION = {"region", "output", "query", "profile", "no-cli-pager"}


def commands_that_are(*how: How) -> list[Command]:
    """Those that a rule has that said of; of those with the same words one."""
    found = {
        " ".join(command.text.split()): command
        for page in PAGES
        for command in commands(page)
        if any(rule.how in how and rule.takes(command) for rule in RULES)
    }
    return sorted(found.values(), key=str)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that somebody types in, with the pipeline.yaml of the README in it."""
    text = next(found for found in blocks((ROOT / "README.md").read_text(), "yaml") if "redact" in found)
    # Without the CA, which this machine doesn't have, and Fluent Bit would look for.
    (tmp_path / "pipeline.yaml").write_text(text.replace("  tls: {ca: /etc/ssl/opensearch-ca.crt}\n", ""))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENSEARCH_USER", "shipper")
    return tmp_path


def type_in(command: Command) -> str:
    """Run the call of `sidecar` that a command begins with; what it prints goes where the command says."""
    program, *words = command.calls()[0]
    assert program == "sidecar"
    result = CliRunner().invoke(cli, words, prog_name="sidecar")
    assert result.exit_code == 0, f"{command}: {result.output}"
    if command.output():
        Path(command.output()).write_text(result.stdout)
    return result.output


@pytest.mark.parametrize("command", commands_that_are(How.RUN), ids=str)
def test_a_command_that_asks_no_server(command: Command, folder: Path) -> None:
    if "sidecar init" in command.text:
        (folder / "pipeline.yaml").unlink()
    if "--ca" in command.text:
        make_certificate(folder).file.rename(folder / "private-ca.pem")
        (folder / "build").mkdir()
    if "--check" not in command.text and "--diff" not in command.text:
        assert type_in(command)
        return
    # What they compare with was rendered before, and is the same.
    [words] = command.calls()
    other = words[words.index("-o" if "-o" in words else "--diff") + 1]
    words[words.index(other)] = mine = str(folder / "before")
    type_in(Command("", f"sidecar render-config -c pipeline.yaml -o {mine}"))
    assert type_in(Command(command.page, " ".join(words))) == ""


@pytest.mark.parametrize("command", commands_that_are(How.WITH_FLUENT_BIT), ids=str)
@pytest.mark.usefixtures("folder", "fluent_bit")
def test_a_command_that_wants_fluent_bit(command: Command) -> None:
    assert "Fluent Bit" in type_in(command)


@pytest.fixture
def with_opensearch(folder: Path, opensearch_url: str) -> Iterator[None]:
    """A pipeline.yaml for a server of the tests; what was put there is taken away again."""
    name = unique_name("documented")
    families = "".join(f"{key}: {{index: {name}-{key.lower()}}}\n" for key in ("events", "logs", "controlPlane"))
    (folder / "pipeline.yaml").write_text(f"cluster: {name}\nopensearch: {{url: '{opensearch_url}'}}\n{families}")
    yield
    type_in(Command("", "sidecar apply -c pipeline.yaml --delete --yes"))


@pytest.mark.usefixtures("with_opensearch")
def test_commands_that_ask_opensearch() -> None:
    for command in commands_that_are(How.WITH_OPENSEARCH):
        if "--check" in command.text:  # in the end: there is nothing left to do
            type_in(Command("", "sidecar apply -c pipeline.yaml"))
        assert type_in(command), command


def template(words: list[str], values: Path) -> list[str]:
    """The words of `helm template` with the chart as it is here, for those of an installation."""
    given = [str(CHART) if word == PUBLISHED else word for word in words]
    given = [str(values) if given[at - 1] in {"-f", "--values"} else word for at, word in enumerate(given)]
    # `upgrade` with the values that the release has: the least of them.
    least = ["--set", "pipeline.cluster=c,pipeline.opensearch.url=https://h"] if "upgrade" in words else []
    return ["template", *least, *(word for word in given[2:] if word not in _NOT_OF_TEMPLATE)]


@pytest.mark.parametrize("command", commands_that_are(How.RENDERED), ids=str)
def test_helm_renders_what_is_installed(command: Command, helm: Path, folder: Path) -> None:
    [words] = command.calls()
    page = (ROOT / command.page).read_text()
    values = folder / "values.yaml"
    values.write_text(next((found for found in blocks(page, "yaml") if found.startswith("# values.yaml")), ""))

    assert PUBLISHED in words or str(CHART.relative_to(ROOT)) in words
    with_chart = [str(CHART) if word == str(CHART.relative_to(ROOT)) else word for word in words]
    assert "kind: DaemonSet" in call(helm, *template(with_chart, values), "--kube-version", KUBERNETES)


def program(name: str) -> str:
    """The path of a program; without it the test is skipped."""
    found = shutil.which(name)
    if not found:
        not_run(name, "not on PATH")
    return found


@pytest.mark.parametrize("command", commands_that_are(How.UNDERSTOOD), ids=str)
def test_its_program_takes_its_words(command: Command, tmp_path: Path) -> None:
    # There is no cluster at this address: what is wrong with the words is said before that is found out.
    nowhere = f"http://127.0.0.1:{free_port()}"
    for words in command.calls():
        name, *rest = words
        if name not in {"helm", "kubectl"}:
            continue
        where = "--kube-apiserver" if name == "helm" else "--server"
        environment = os.environ | {"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
        done = subprocess.run(
            [program(name), where, nowhere, *rest], cwd=ROOT, env=environment, input="", capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert "refused" in done.stderr, f"{command}: {done.stderr}{done.stdout}"


def test_the_opensearch_to_try_with_is_taken(kubernetes_kubeconfig: Path, namespace: str) -> None:
    # By kubectl, whose YAML is stricter than Python's.
    api = Api(kubernetes_kubeconfig)
    api.ensure_namespace(namespace)
    api.close()

    file, where = ROOT / "examples/kind/opensearch.yaml", ("--kubeconfig", kubernetes_kubeconfig, "-n", namespace)
    words: list[str | Path] = [program("kubectl"), "apply", "--dry-run=server", "--validate=strict", *where, "-f", file]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{name}/opensearch created (server dry run)" for name in ("service", "deployment.apps")
    ]


@cache
def operation(service: str, name: str) -> OperationModel:
    """AWS's description of an operation, such as `update-cluster-config`."""
    model = botocore.session.get_session().get_service_model(service)
    return model.operation_model("".join(word.capitalize() for word in name.split("-")))


@pytest.mark.parametrize("command", commands_that_are(How.OF_AWS), ids=str)
def test_aws_knows_the_words(command: Command) -> None:
    for words in command.calls():
        words = words[words.index("aws") :] if "aws" in words else words  # noqa: PLW2901 - behind xargs
        if words[0] != "aws":
            continue
        members = operation(words[1], words[2]).input_shape.members
        known = {xform_name(name, "-") for name in members}
        given = {word.removeprefix("--") for word in words if word.startswith("--")}
        assert given - known - _OF_EVERY_OPERATION == set(), f"{command}: {sorted(known)}"
