"""An option for the golden files: `pytest tests/unit/render --update-golden` writes them anew, for you to read."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture
def update_golden(pytestconfig: pytest.Config) -> bool:
    # Where pytest starts above this folder, the option isn't known.
    return bool(pytestconfig.getoption("--update-golden", default=False))
