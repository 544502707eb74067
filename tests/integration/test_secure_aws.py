"""Credentials from AWS all the way: the sidecar and Fluent Bit by parameters that are rotated, and by signatures."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import urllib3

from sidecar.errors import OpenSearchError
from tests.support.aws import REGION, Aws, forget_aws
from tests.support.events import create_events
from tests.support.fakes.tls import make_certificate
from tests.support.markers import secret
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.secure import secured
from tests.support.secureserver import SecureOpenSearch
from tests.support.sigv4 import refusal
from tests.support.waiting import unique_name, wait_until

KEY, TOKEN = secret("aws-key"), secret("aws-token")


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(tmp_path, monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


def arrive(pipeline: Pipeline, namespace: str, count: int, sidecar: Process) -> None:
    wait_until(
        lambda: len(pipeline.documents(namespace)) == count,
        90,
        lambda: f"{count} arrive; {sidecar}\n{sidecar.tail()}",
        interval=0.5,
        # The test's own client has the old password for a moment, and an index that has just been made is not ready.
        ignore=(OpenSearchError,),
    )
    wait_until(lambda: pipeline.metric("sidecar_events_oldest_unconfirmed_seconds") == 0, 60, "all are confirmed")


def delivered(pipeline: Pipeline) -> int:
    """How many records Fluent Bit's output of events has brought to OpenSearch since its last reload."""
    port = pipeline.config.fluentbit.port
    answer = urllib3.request("GET", f"http://127.0.0.1:{port}/api/v1/metrics", timeout=5, retries=False)
    return int(answer.json()["output"]["events"]["proc_records"])


def test_parameters_that_are_rotated_reach_both(
    tmp_path: Path,
    aws_server: Aws,
    secure_opensearch: SecureOpenSearch,
    kubernetes_kubeconfig: Path,
    namespace: str,
    fluent_bit: Path,
    start_process: Callable[..., Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.url)
    user, path = unique_name("shipper"), f"/eksworkshop/{unique_name('cluster')}/opensearch"

    def rotate(password: str) -> None:
        body = {"password": password, "backend_roles": ["admin"]}
        secure_opensearch.ask("PUT", f"/_plugins/_security/api/internalusers/{user}", body)
        host = secure_opensearch.url.removeprefix("https://")
        aws_server.put({f"{path}/host": host, f"{path}/user": user, f"{path}/password": password})

    rotate(secret("Parameter@1"))
    pipeline = Pipeline(
        tmp_path,
        url=None,
        kubeconfig=kubernetes_kubeconfig,
        start_process=start_process,
        more={
            "opensearch": {"auth": {"ssm": {"path": path, "region": REGION}}, "tls": {"ca": str(secure_opensearch.ca)}}
        },
    )
    sidecar = pipeline.start_sidecar("--log-format", "text")
    shipper = pipeline.start_fluent_bit(fluent_bit)
    first = len(create_events(kubernetes_kubeconfig, namespace, 20).ids)
    arrive(pipeline, namespace, first, sidecar)
    assert pipeline.metric("sidecar_events_resent_total") == 0, "Fluent Bit did not deliver"

    rotate(secret("Parameter@2"))
    # One at a time: of a chunk that is half there, because the sidecar was faster, Fluent Bit counts nothing at first.
    second = first + len(create_events(kubernetes_kubeconfig, namespace, 1, prefix="second").ids)
    arrive(pipeline, namespace, second, sidecar)
    wait_until(lambda: pipeline.metric("sidecar_fluent_bit_open_total") == 2, 60, lambda: f"reloaded; {sidecar.tail()}")
    # What Fluent Bit sends is counted from the reload on, and only what was let in.
    third = second + len(create_events(kubernetes_kubeconfig, namespace, 1, prefix="third").ids)
    arrive(pipeline, namespace, third, sidecar)
    wait_until(lambda: delivered(pipeline) > 0, 60, lambda: f"Fluent Bit delivers\n{shipper.tail()}", interval=0.5)
    assert "the credentials for OpenSearch have changed" in sidecar.output()
    pipeline.clean()


def test_both_sign_what_they_send(
    tmp_path: Path,
    opensearch_url: str,
    kubernetes_kubeconfig: Path,
    namespace: str,
    fluent_bit: Path,
    start_process: Callable[..., Process],
) -> None:
    certificate = make_certificate(tmp_path)
    signed: list[str] = []
    methods: set[str] = set()

    def judge(method: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
        why = refusal(method, target, headers, body, secret=KEY, token=TOKEN, region=REGION)
        signed.append(f"{why}: {headers.get('user-agent', '')}")
        methods.add(method)
        return why

    with secured(opensearch_url, context=certificate.context, judge=judge, status=403) as url:
        pipeline = Pipeline(
            tmp_path,
            url=url,
            kubeconfig=kubernetes_kubeconfig,
            start_process=start_process,
            more={"opensearch": {"auth": {"sigv4": {"region": REGION}}, "tls": {"ca": str(certificate.file)}}},
        )
        sidecar = pipeline.start_sidecar("--log-format", "text")
        pipeline.start_fluent_bit(fluent_bit)
        arrive(pipeline, namespace, len(create_events(kubernetes_kubeconfig, namespace, 50).ids), sidecar)
        assert pipeline.metric("sidecar_events_resent_total") == 0, "Fluent Bit did not deliver"
        assert methods == {"GET", "POST", "PUT"}, "docs/credentials.md says what the role needs"
        pipeline.clean()
    assert [entry for entry in signed if not entry.startswith(": ")] == []
    agents = {entry.split("/")[0] for entry in signed}
    assert agents == {": fluent-sidecar", ": aws-fluent-bit-plugin"}
