"""What only some need is loaded for those alone."""

import subprocess
import sys

import pytest

CODE = """
import sys
from sidecar.config import loads
from sidecar.opensearch import connect
import sidecar.agent.run
connect(loads("cluster: c\\nopensearch: {url: 'https://h'%s}\\n"))
print("botocore" in sys.modules)
"""


@pytest.mark.parametrize(
    ("auth", "loaded"),
    [
        ("", False),
        (", auth: {basic: {username: {env: PATH}, password: {env: PATH}}}", False),
        (", auth: {sigv4: {region: eu-west-1}}", True),
        (", auth: {ssm: {path: /a, region: eu-west-1}}", True),
    ],
    ids=["none", "basic", "sigv4", "ssm"],
)
def test_botocore_is_loaded_for_aws_alone(auth: str, loaded: bool) -> None:
    done = subprocess.run([sys.executable, "-c", CODE % auth], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loaded}\n"
