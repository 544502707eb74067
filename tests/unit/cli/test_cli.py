"""The command line: what users read, and how a script sees what happened."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import sidecar
from sidecar.cli.main import cli
from sidecar.errors import (
    ConfigError,
    JournalError,
    KubernetesUnavailable,
    OpenSearchUnavailable,
    Problem,
    RenderError,
    SecretError,
    SidecarError,
)
from tests.support.process import Process
from tests.support.waiting import free_port, wait_until

COMMANDS = {
    "apply", "completion", "controlplane", "demo", "doctor", "events", "init", "lambda", "logs", "plan", "problems",
    "render-config", "report", "run", "schema", "validate", "version",
}  # fmt: skip
SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SIDECAR_CONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "TEST_USER", "TEST_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NODE_NAME", "node-1")
    monkeypatch.chdir(tmp_path)


def sidecar_command(*words: str | Path) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words], prog_name="sidecar")
    # Only the end of the program may come out: anything else would be a traceback.
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback (most recent call last):\n" not in result.output
    assert SECRET not in result.output
    return result


def pipeline(folder: Path, *, opensearch: str = "", rest: str = "") -> Path:
    file = folder / "pipeline.yaml"
    file.write_text(
        f"cluster: c\nopensearch: {{url: 'http://127.0.0.1:{free_port()}'{opensearch}}}\n"
        f"paths: {{state: '{folder}/state', run: '{folder}/run'}}\n"
        f"agent: {{address: 127.0.0.1, port: {free_port()}}}\n{rest}"
    )
    return file


# Help


def test_every_command_is_known_here() -> None:
    assert set(cli.commands) == COMMANDS


@pytest.mark.parametrize("words", [[], *([name] for name in sorted(COMMANDS))], ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(words: list[str], option: str) -> None:
    result = sidecar_command(*words, option)

    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: sidecar")
    assert "\\b" not in result.stdout
    assert "\b" not in result.stdout
    if words:
        assert re.search(rf"Examples?:\n    sidecar {words[0]}", result.stdout)
    else:
        assert "    cluster: my-cluster\n    opensearch:\n      url: https://opensearch.example:9200\n" in result.stdout
        assert "Exit codes: 0 done, 1 failed, 2 wrong input." in result.stdout


def test_the_list_of_commands_is_not_cut() -> None:
    assert "..." not in sidecar_command("-h").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_says_what_it_does(name: str) -> None:
    options = [parameter for parameter in cli.commands[name].params if not isinstance(parameter, click.Argument)]
    for parameter in options:
        assert isinstance(parameter, click.Option)
        assert parameter.help, parameter.name


def test_version() -> None:
    for option in ("-V", "--version"):
        result = sidecar_command(option)
        assert (result.exit_code, result.stdout) == (0, f"sidecar, version {sidecar.__version__}\n")


@pytest.mark.parametrize("words", [["-h"], ["--version"]])
def test_as_a_module(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "sidecar", *words], capture_output=True, text=True, check=True)

    assert done.stdout == sidecar_command(*words).stdout


# Wrong use


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["nope"], "Error: No such command 'nope'."),
        (["render-config", "--nope"], "Error: No such option"),
        (
            ["render-config"],
            "Error: Say one of -o DIR (with or without --check), --stdout NAME and --diff DIR, or --verify.",
        ),
        (["render-config", "-o", "a", "--stdout", "b"], "Error: Say one of -o DIR"),
        (["render-config", "--check"], "Error: Say one of -o DIR"),
        (["render-config", "--check", "--stdout", "b"], "Error: Say one of -o DIR"),
        (["render-config", "-o", ""], "Error: Say one of -o DIR"),
        (["run", "--log-format", "xml"], "Error: Invalid value for '--log-format': 'xml' is not one of"),
        (["apply", "extra"], "Error: Got unexpected extra argument (extra)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use(words: list[str], wanted: str, tmp_path: Path) -> None:
    pipeline(tmp_path)
    result = sidecar_command(*words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert wanted in result.stderr
    assert "Try 'sidecar" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]


def test_no_command_shows_the_help() -> None:
    result = sidecar_command()

    assert result.exit_code == 2
    assert "render-config" in result.output


@pytest.mark.parametrize("words", [["render-config", "-o", "out"], ["apply"], ["plan"], ["run"]], ids=" ".join)
def test_a_missing_configuration(words: list[str]) -> None:
    result = sidecar_command(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0] == "pipeline.yaml: there is no such file"
    result = sidecar_command(*words, "-c", "other.yaml")
    assert result.stderr.splitlines()[0] == "other.yaml: there is no such file"


@pytest.mark.parametrize("words", [["render-config", "-o", "out"], ["apply"], ["plan"], ["run"]], ids=" ".join)
def test_a_wrong_configuration_says_all_at_once(words: list[str], tmp_path: Path) -> None:
    pipeline(tmp_path, rest="events:\n  retian: 30d\n  rotate: dayly\n")
    result = sidecar_command(*words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        'pipeline.yaml:6:3: events.retian: unknown key; did you mean "retain"?',
        'pipeline.yaml:7:11: events.rotate: expected daily, monthly or never, found "dayly"; did you mean "daily"?',
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]


def test_the_configuration_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDECAR_CONFIG", str(pipeline(tmp_path).rename(tmp_path / "else.yaml")))

    assert sidecar_command("render-config", "--stdout", "fluent-bit.yaml").exit_code == 0


# Every error of ours


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SidecarError("what"), 1, "what\n"),
        (SidecarError("what", hint="do"), 1, "what\n  -> do\n"),
        (ConfigError("p", [Problem(2, 1, "b", "y"), Problem(1, 1, "a", "x")]), 2, "p:1:1: a: x\np:2:1: b: y\n"),
        (SecretError("what"), 2, "what\n"),
        (RenderError("what", hint="do"), 1, "what\n  -> do\n"),
        (OpenSearchUnavailable("what"), 1, "what\n"),
        (KubernetesUnavailable("what"), 1, "what\n"),
        (JournalError("what"), 1, "what\n"),
    ],
)
def test_an_error_of_ours_is_a_message_and_an_exit_code(
    error: SidecarError, code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_config: object) -> None:
        raise error

    monkeypatch.setattr("sidecar.render.render", fail)
    result = sidecar_command("render-config", "-c", pipeline(tmp_path), "-o", "out")

    assert (result.exit_code, result.stdout, result.stderr) == (code, "", text)


# render-config


def test_render_config_writes_and_then_changes_nothing(tmp_path: Path) -> None:
    pipeline(tmp_path)
    first = sidecar_command("render-config", "-o", "out/folder")
    second = sidecar_command("render-config", "-o", "out/folder")

    files = {str(path.relative_to(tmp_path / "out/folder")) for path in tmp_path.glob("out/**/*.*")}
    assert (first.exit_code, first.stdout) == (0, f"out/folder: {len(files)} files, {len(files)} changed\n")
    assert (second.exit_code, second.stdout) == (0, f"out/folder: {len(files)} files, 0 changed\n")
    assert files == {*json.loads((tmp_path / "out/folder/manifest.json").read_text())["files"], "manifest.json"}


def test_render_config_prints_the_bytes_that_it_writes(tmp_path: Path) -> None:
    pipeline(tmp_path)
    sidecar_command("render-config", "-o", "out")
    result = sidecar_command("render-config", "--stdout", "fluent-bit.yaml")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == (tmp_path / "out/fluent-bit.yaml").read_bytes()


def test_render_config_names_the_files_that_it_could_print(tmp_path: Path) -> None:
    pipeline(tmp_path)
    result = sidecar_command("render-config", "--stdout", "fluentbit.yaml")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "There is no file 'fluentbit.yaml'; there are\n  controlplane/template.json\n" in result.stderr
    assert "\n  fluent-bit.yaml\n" in result.stderr


def test_check_is_silent_where_nothing_differs(tmp_path: Path) -> None:
    pipeline(tmp_path)
    sidecar_command("render-config", "-o", "out")
    result = sidecar_command("render-config", "-o", "out", "--check")

    assert (result.exit_code, result.output) == (0, "")


def test_check_shows_a_diff_writes_nothing_and_fails(tmp_path: Path) -> None:
    file = pipeline(tmp_path)
    sidecar_command("render-config", "-o", "out")
    before = (tmp_path / "out/fluent-bit.yaml").read_bytes()
    file.write_text(f"{file.read_text()}fluentbit: {{port: 3000}}\n")
    result = sidecar_command("render-config", "-o", "out", "--check")

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "--- out/fluent-bit.yaml" in lines
    assert "-  http_port: 2020" in lines
    assert "+  http_port: 3000" in lines
    assert result.stderr == "out is not what pipeline.yaml says\n  -> without --check it is written again\n"
    assert (tmp_path / "out/fluent-bit.yaml").read_bytes() == before


def test_check_of_nothing_fails_and_makes_nothing(tmp_path: Path) -> None:
    pipeline(tmp_path)

    assert sidecar_command("render-config", "-o", "out", "--check").exit_code == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    file = pipeline(tmp_path)
    result = sidecar_command("render-config", "-o", file)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"{file}/controlplane: can't be written: Not a directory\n  -> is there space, and may this user write there?\n"
    )


def test_render_config_needs_no_secret(tmp_path: Path) -> None:
    pipeline(tmp_path, opensearch=", auth: {basic: {username: {env: TEST_USER}, password: {file: /nope}}}")

    assert sidecar_command("render-config", "-o", "out").exit_code == 0


def test_render_config_loads_no_client(tmp_path: Path) -> None:
    code = (
        "import sys; from sidecar.cli.main import cli\n"
        "cli(sys.argv[1:], standalone_mode=False)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    words = ["render-config", "-c", str(pipeline(tmp_path)), "-o", "out"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)

    loaded = set(done.stderr.split())
    assert {"click", "pydantic", "yaml", "sidecar"} <= loaded
    assert not loaded & {"kubernetes", "prometheus_client", "urllib3", "requests", "asyncio", "orjson"}


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "sidecar",
        "render-config",
        "-c",
        str(pipeline(tmp_path)),
        "--stdout",
        "manifest.json",
    ]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(words, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)

    assert "Traceback" not in done.stderr
    assert done.returncode in {1, 141}


# apply and run, and links that fail


def test_apply_without_opensearch(tmp_path: Path) -> None:
    pipeline(tmp_path)
    result = sidecar_command("apply")

    assert (result.exit_code, result.stdout) == (1, "")
    what, hint = result.stderr.splitlines()
    assert re.match(r"OpenSearch at http://127\.0\.0\.1:\d+: can't be reached: .*refused", what)
    assert hint.startswith("  -> ")


@pytest.mark.parametrize("command", ["apply", "plan", "run"])
def test_a_secret_that_is_not_set(command: str, tmp_path: Path, kubeconfig: Callable[[], Path]) -> None:
    pipeline(tmp_path, opensearch=", auth: {basic: {username: {env: TEST_USER}, password: {env: TEST_PASSWORD}}}")
    result = sidecar_command(command, *(["--kubeconfig", str(kubeconfig())] if command == "run" else []))

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "opensearch.auth.basic.username: the environment variable TEST_USER is not set, or empty\n"
        "  -> set it, or use {file: /path}\n"
    )
    assert not (tmp_path / "state").exists()


def test_a_certificate_file_that_is_not_there(tmp_path: Path) -> None:
    file = pipeline(tmp_path, opensearch=", tls: {ca: /nope}")
    file.write_text(file.read_text().replace("http:", "https:"))
    result = sidecar_command("apply")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("opensearch.tls.ca: /nope can't be used: No such file or directory\n  -> ")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        file = tmp_path / "kubeconfig"
        file.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}],
                    "users": [{"name": "u", "user": {"token": SECRET}}],
                    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )
        return file

    return make


@pytest.mark.parametrize("words", [[], ["--kubeconfig", "/nope"]], ids=["none", "missing"])
def test_run_without_a_kubeconfig(words: list[str], tmp_path: Path) -> None:
    pipeline(tmp_path)
    result = sidecar_command("run", *words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Kubernetes: no API server is configured: " in result.stderr
    assert "  -> set KUBECONFIG, or pass --kubeconfig and --context" in result.stderr


def test_run_with_a_context_that_is_not_there(tmp_path: Path, kubeconfig: Callable[[], Path]) -> None:
    pipeline(tmp_path)
    result = sidecar_command("run", "--kubeconfig", kubeconfig(), "--context", "elsewhere")

    assert result.exit_code == 1
    assert "elsewhere" in result.stderr


def test_run_keeps_trying_and_ends_when_it_is_asked_to(tmp_path: Path, kubeconfig: Callable[[], Path]) -> None:
    # Nothing answers: no API server, no OpenSearch, no Fluent Bit.
    files = ["-c", str(pipeline(tmp_path)), "--kubeconfig", str(kubeconfig())]
    words = [sys.executable, "-m", "sidecar", "run", *files]
    with Process(words, log=tmp_path / "log") as process:
        seen = ("Kubernetes at http", "OpenSearch at http")
        wait_until(lambda: all(text in (tmp_path / "log").read_text() for text in seen), 60, process.output)
        assert process.terminate(20) == 0  # Kubernetes kills after 30

    text = (tmp_path / "log").read_text()
    assert "Traceback" not in text
    assert SECRET not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[-1]["message"] == "stopped"
    assert {line["level"] for line in lines} == {"info", "warning"}


def test_init_writes_a_file_that_validate_accepts_and_replaces_none(tmp_path: Path) -> None:
    file = str(tmp_path / "pipeline.yaml")
    runner = CliRunner()
    assert runner.invoke(cli, ["init", "-o", file]).exit_code == 0
    assert runner.invoke(cli, ["validate", "-c", file]).output == f"{file}: fine\n"
    again = runner.invoke(cli, ["init", "-o", file])
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert runner.invoke(cli, ["init", "-o", file, "--force"]).exit_code == 0
    assert runner.invoke(cli, ["init", "-o", "-"]).output == Path(file).read_text()


def test_validate_tells_scripts_where_each_problem_is(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("cluster: c\nopensearch: {url: http://h}\nevents: {retian: 30d}\n")
    result = CliRunner().invoke(cli, ["validate", "-c", str(file), "--output", "json"])
    assert result.exit_code == 2
    assert json.loads(result.output) == {
        "file": str(file),
        "problems": [{"line": 3, "column": 10, "path": "events.retian", "text": 'unknown key; did you mean "retain"?'}],
        "unused": [],
    }
    file.write_text("cluster: c\nopensearch: {url: http://h}\n")
    result = CliRunner().invoke(cli, ["validate", "-c", str(file), "--output", "json"])
    assert (result.exit_code, json.loads(result.output)["problems"]) == (0, [])


UNUSED = "controlPlane: {source: node, logGroup: /aws/eks/c/cluster}\n"
KEYS = ["controlPlane.logGroup"]


def test_validate_notes_what_has_no_effect(tmp_path: Path) -> None:
    pipeline(tmp_path, rest=UNUSED)
    result = sidecar_command("validate")
    assert (result.exit_code, result.stdout) == (0, "pipeline.yaml: fine\n")
    assert result.stderr == "".join(f"note: {key}: it has no effect, by what else the file says\n" for key in KEYS)

    result = sidecar_command("validate", "--output", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"file": "pipeline.yaml", "problems": [], "unused": KEYS}


def test_validate_notes_nothing_where_everything_is_used(tmp_path: Path) -> None:
    pipeline(tmp_path)
    assert sidecar_command("validate").stderr == ""
    assert json.loads(sidecar_command("validate", "--output", "json").stdout)["unused"] == []


def test_run_notes_it_too(tmp_path: Path) -> None:
    # Before it looks for a cluster, which there is none here.
    pipeline(tmp_path, rest=UNUSED)
    result = sidecar_command("run", "--log-format", "json")

    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("warning", f"{key}: it has no effect, by what else the file says") for key in KEYS
    ]


def test_run_needs_the_name_of_its_node_where_it_asks_for_its_pods(
    tmp_path: Path, kubeconfig: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NODE_NAME")
    pipeline(tmp_path)
    result = sidecar_command("run", "--kubeconfig", kubeconfig())

    assert (result.exit_code, result.stdout) == (1, "")
    what, hint = result.stderr.splitlines()[-2:]
    assert what.startswith("NODE_NAME is not set")
    assert "spec.nodeName" in hint
    assert not (tmp_path / "state").exists()


def test_schema_prints_one() -> None:
    result = CliRunner().invoke(cli, ["schema"])
    assert json.loads(result.output)["required"] == ["cluster", "opensearch"]


def test_diff_shows_what_differs_from_another_folder_and_is_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("cluster: c\nopensearch: {url: http://h}\n")
    runner = CliRunner()
    runner.invoke(cli, ["render-config", "-c", str(file), "-o", str(tmp_path / "there")])
    assert runner.invoke(cli, ["render-config", "-c", str(file), "--diff", str(tmp_path / "there")]).output == ""
    file.write_text("cluster: c\nopensearch: {url: http://h}\nfluentbit: {port: 2222}\n")
    result = runner.invoke(cli, ["render-config", "-c", str(file), "--diff", str(tmp_path / "there")])
    assert result.exit_code == 0
    assert "-  http_port: 2020\n+  http_port: 2222\n" in result.output


@pytest.mark.parametrize("output", ["", ".", "/", "new/"])
def test_init_wants_a_file(output: str) -> None:
    result = CliRunner().invoke(cli, ["init", "-o", output, "--force"])
    assert result.exit_code == 2
    assert "-o wants a file" in result.output
