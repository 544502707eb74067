"""A server without anything, and a configuration for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.managing import Managed


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Managed]:
    with FakeOpenSearch() as server:
        yield Managed(server, tmp_path / "backup")
