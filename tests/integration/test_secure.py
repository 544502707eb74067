"""TLS and a password all the way: the sidecar and Fluent Bit prove who they are, and the password stays where it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.errors import OpenSearchError
from tests.support.events import create_events
from tests.support.fakes.tls import Certificate, make_certificate
from tests.support.markers import secret
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.secure import by_password, secured
from tests.support.waiting import wait_until

PASSWORD = secret('}$ret ${HOME} "%d\\')


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def secure_url(opensearch_url: str, certificate: Certificate) -> Iterator[str]:
    judge = by_password("writer", PASSWORD)
    with secured(opensearch_url, context=certificate.context, judge=judge) as url:
        yield url


@pytest.fixture
def pipeline_with(
    tmp_path: Path,
    secure_url: str,
    certificate: Certificate,
    kubernetes_kubeconfig: Path,
    start_process: Callable[..., Process],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Pipeline]:
    """Makes a pipeline whose password, in a file, is the given one."""

    def make(password: str) -> Pipeline:
        monkeypatch.setenv("TEST_OPENSEARCH_USER", "writer")
        (tmp_path / "secrets").mkdir()
        file = tmp_path / "secrets" / "password"
        file.write_text(f"{password}\n")
        basic = {"username": {"env": "TEST_OPENSEARCH_USER"}, "password": {"file": str(file)}}
        more = {"opensearch": {"auth": {"basic": basic}, "tls": {"ca": str(certificate.file)}}}
        return Pipeline(
            tmp_path, url=secure_url, kubeconfig=kubernetes_kubeconfig, start_process=start_process, more=more
        )

    return make


def test_both_take_credentials_and_ca(
    pipeline_with: Callable[[str], Pipeline],
    kubernetes_kubeconfig: Path,
    namespace: str,
    fluent_bit: Path,
) -> None:
    pipeline = pipeline_with(PASSWORD)
    sidecar = pipeline.start_sidecar("--log-format", "text")
    pipeline.start_fluent_bit(fluent_bit)

    truth = create_events(kubernetes_kubeconfig, namespace, 200)

    wait_until(
        lambda: len(pipeline.documents(namespace)) == len(truth.ids),
        60,
        lambda: f"all arrive; {sidecar}",
        interval=0.5,
        ignore=(OpenSearchError,),  # an index that has just been made can't be searched for a moment
    )
    wait_until(lambda: pipeline.metric("sidecar_events_oldest_unconfirmed_seconds") == 0, 30, "all are confirmed")
    assert pipeline.metric("sidecar_events_resent_total") == 0, "Fluent Bit did not deliver"
    # That nobody shows the password is looked at for all tests together.
    assert (Path(pipeline.layout.environment) / "OPENSEARCH_PASSWORD").stat().st_mode & 0o007 == 0
    pipeline.clean()


def test_a_wrong_password_is_said_and_mended_without_a_restart(
    tmp_path: Path, pipeline_with: Callable[[str], Pipeline]
) -> None:
    pipeline = pipeline_with(secret("wrong"))
    sidecar = pipeline.start_sidecar("--log-format", "text", "--without-fluent-bit")
    wait_until(lambda: "refuses user and password (401)" in sidecar.output(), 20, lambda: f"it says so; {sidecar}")
    assert "check opensearch.auth" in sidecar.output()
    assert pipeline.get("/livez") == "ok\n"

    (tmp_path / "secrets" / "password").write_text(PASSWORD)

    wait_until(lambda: pipeline.metric("sidecar_templates_in_place") == 1, 60, lambda: f"it goes on; {sidecar}")
    assert "the credentials for OpenSearch have changed" in sidecar.output()
