"""AWS for tests: the environment of a machine that has nothing of it, and a moto server that plays it over HTTP."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import urllib3

from tests.support.process import Process
from tests.support.waiting import free_port, wait_until

REGION = "eu-west-1"


def forget_aws(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what this machine has of AWS: variables, files, and a node's role."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-aws-credentials"))


@dataclass(frozen=True)
class Aws:
    """A moto server that plays AWS.

    Attributes:
        url: For AWS_ENDPOINT_URL.
    """

    url: str

    def client(self, service: str) -> Any:
        """A client of an administrator."""
        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="AKIAADMIN",
            aws_secret_access_key="admin",
        )

    def put(self, parameters: Mapping[str, str]) -> None:
        """Write parameters, encrypted, by their whole names."""
        client = self.client("ssm")
        for name, value in parameters.items():
            client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        client.close()


@contextmanager
def aws(folder: Path) -> Iterator[Aws]:
    """Run moto's server, with its log in a folder."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with Process(command, log=folder / "moto.log", name="moto") as process:

        def answers() -> bool:
            process.check()
            return urllib3.request("GET", f"{url}/moto-api/", retries=False, timeout=5).status == 200

        wait_until(answers, 60, lambda: f"moto answers\n{process.tail()}", ignore=(urllib3.exceptions.HTTPError,))
        yield Aws(url)
