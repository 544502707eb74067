"""OpenSearch's own security plugin: what a user is told about a wrong password, a wrong CA and a missing permission."""

from pathlib import Path

import pytest

from sidecar.config import Config, loads
from sidecar.errors import OpenSearchError
from sidecar.opensearch import connect
from tests.support.markers import secret
from tests.support.secureserver import SecureOpenSearch


def config(server: SecureOpenSearch, folder: Path, password: str, user: str = "admin") -> Config:
    (folder / "secrets").mkdir(exist_ok=True)
    for name, value in (("user", user), ("password", password)):
        (folder / "secrets" / name).write_text(value)
    auth = f"{{basic: {{username: {{file: {folder}/secrets/user}}, password: {{file: {folder}/secrets/password}}}}}}"
    return loads(f"cluster: c\nopensearch: {{url: '{server.url}', tls: {{ca: {server.ca}}}, auth: {auth}}}\n")


def test_a_wrong_password_is_said(secure_opensearch: SecureOpenSearch, tmp_path: Path) -> None:
    with pytest.raises(OpenSearchError) as info:
        connect(config(secure_opensearch, tmp_path, secret("wrong"))).request("GET", "/")
    assert "refuses user and password (401)" in str(info.value)
    assert "Gr3p" not in str(info.value)
    assert connect(config(secure_opensearch, tmp_path, secure_opensearch.password)).request("GET", "/")["version"]
