"""AWS as on a machine that has nothing of it."""

from pathlib import Path

import pytest

from tests.support.aws import forget_aws


@pytest.fixture(autouse=True)
def _no_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(tmp_path, monkeypatch)
