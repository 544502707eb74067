"""A trial start with the real Fluent Bit: what is rendered starts, and what can't start is told."""

import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sidecar.agent.trial import verify
from sidecar.config import Config, loads
from sidecar.errors import ConfigError, Problem, RenderError
from tests.support.configurations import Json, configurations
from tests.support.fakes.tls import Certificate, make_certificate
from tests.support.waiting import free_port

EXAMPLES = 25
ONCE_EACH = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # The same ones each time: an example takes half a second or more.
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ROLE = "arn:aws:iam::123456789012:role/x"
SMALLEST = "cluster: c\nopensearch: {url: http://h}\n"


@cache
def certificate() -> Certificate:
    return make_certificate(Path(tempfile.mkdtemp(prefix="fluent-sidecar-test-")))


@pytest.fixture(scope="module", autouse=True)
def _certificate_removed() -> object:
    yield
    if certificate.cache_info().currsize:
        shutil.rmtree(certificate().file.parent)


def right() -> st.SearchStrategy[Json]:
    return st.deferred(lambda: configurations(certificate().file, certificate().key))


def written(data: Json) -> str:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


@pytest.mark.timeout(240)
@ONCE_EACH
@given(right())
def test_whatever_is_right_starts(fluent_bit: Path, data: Json) -> None:
    assert verify(loads(written(data)), program=str(fluent_bit))


SIGNS = "$%\"'\\{}[]:,*&!|#\t\n -0aé\0"


@st.composite
def changed(draw: st.DrawFn) -> str:
    """The text of a right file, of which a few places are overwritten."""
    text = written(draw(right()))
    for _ in range(draw(st.integers(1, 3))):
        at, cut = draw(st.integers(0, len(text))), draw(st.integers(0, 6))
        text = text[:at] + draw(st.text(SIGNS, max_size=3)) + text[at + cut :]
    return text


@pytest.mark.timeout(240)
@ONCE_EACH
@given(changed())
def test_whatever_was_changed_starts_or_is_refused_with_its_place(fluent_bit: Path, text: str) -> None:
    config, problems = _read(text)
    if config is None:
        assert problems
        assert all(problem.line and problem.column and problem.text for problem in problems)
    elif all(Path(path).exists() for path in _files_named(config)):
        assert verify(config, program=str(fluent_bit))
    else:
        # The name of the CA or of the certificate was changed: nobody but Fluent Bit can tell.
        with pytest.raises(RenderError):
            verify(config, program=str(fluent_bit))


def _read(text: str) -> tuple[Config | None, list[Problem]]:
    try:
        return loads(text), []
    except ConfigError as error:
        return None, error.problems


def _files_named(config: Config) -> list[str]:
    """Files that Fluent Bit reads when it starts."""
    opensearch = config.opensearch
    if opensearch.endpoint.scheme == "http":
        return []
    mtls = opensearch.auth.mtls
    return [path for path in (opensearch.tls.ca, *((mtls.cert, mtls.key) if mtls else ())) if path]


@pytest.mark.parametrize(
    "text",
    [
        f"{SMALLEST}logs: {{enabled: false}}\n",
        f"{SMALLEST}logs: {{redact: [secrets, personal-data], systemd: [kubelet.service]}}\n",
        f"{SMALLEST}fluentbit:\n  extra: {{inputs: [{{Name: mem, Tag: a}}], outputs: [{{Name: 'null', Match: a}}]}}\n",
        f"cluster: c\nopensearch: {{url: https://h, auth: {{sigv4: {{region: eu-west-1, roleArn: '{ROLE}'}}}}}}\n",
    ],
    ids=["no logs", "all presets", "keys in capitals", "signed"],
)
def test_it_starts(fluent_bit: Path, text: str) -> None:
    assert verify(loads(text), program=str(fluent_bit))


def test_a_thousand_routes_start(fluent_bit: Path) -> None:
    routes = "".join(
        f"    - {{name: r{at}, namespaces: [n{at}, 'n{at}-*'], index: i{at}-logs}}\n" for at in range(1000)
    )
    assert verify(loads(f"{SMALLEST}logs:\n  routes:\n{routes}"), program=str(fluent_bit))


def test_a_ca_that_is_not_there_is_found_before_it_does_harm(tmp_path: Path, fluent_bit: Path) -> None:
    config = loads(f"cluster: c\nopensearch: {{url: 'https://h', tls: {{ca: {tmp_path}/none.pem}}}}\n")
    with pytest.raises(RenderError, match=r"does not start with this configuration:\n(.|\n)*none\.pem"):
        verify(config, program=str(fluent_bit))


def test_a_plugin_of_the_users_own_that_is_wrong_is_found(fluent_bit: Path) -> None:
    extra = "{inputs: [{name: mem, tag: a, nonsense: 1}], outputs: [{name: 'null', match: a}]}"
    with pytest.raises(RenderError, match=r"does not start with this configuration:\n(.|\n)*nonsense"):
        verify(loads(f"{SMALLEST}fluentbit: {{extra: {extra}}}\n"), program=str(fluent_bit))


def test_plugins_of_the_users_own_send_nothing_and_do_not_meet_the_ones_at_work(
    tmp_path: Path, fluent_bit: Path
) -> None:
    port, written_to = free_port(), tmp_path / "written"
    extra = (
        "{inputs: [{name: dummy, tag: mine.a, rate: 1000}, {name: exec, tag: mine.b, command: "
        f"touch {tmp_path}/ran, interval_nsec: 1000000}}, {{name: tcp, tag: mine.c, port: {port}}}],"
        f" outputs: [{{name: file, match: 'mine.*', path: {written_to}, mkdir: true}},"
        f" {{name: prometheus_exporter, match: mine.c, port: {port}}}]}}"
    )
    with _taken(port):
        assert verify(loads(f"{SMALLEST}fluentbit: {{extra: {extra}}}\n"), program=str(fluent_bit))

    assert list(tmp_path.iterdir()) == []


def _taken(port: int) -> socket.socket:
    return socket.create_server(("0.0.0.0", port))


def test_the_command_says_what_it_tried_with(tmp_path: Path, fluent_bit: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(SMALLEST)
    command = [sys.executable, "-m", "sidecar", "render-config", "-c", str(file), "--verify"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    hidden = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": str(tmp_path)}
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Fluent Bit 5.")
    assert shutil.which("fluent-bit") == str(fluent_bit)
    assert hidden.returncode == 1
    assert "fluent-bit is not on PATH" in hidden.stderr
