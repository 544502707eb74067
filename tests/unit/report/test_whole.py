"""A report that lacks something doesn't look like one of a cluster in which nothing happened."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar.cli.main import cli
from tests.support.fakes.server import Exchange, FakeServer, says
from tests.support.report import empty_report


class Refusing(FakeServer):
    def handle(self, exchange: Exchange) -> None:
        says(403, {"error": {"type": "security_exception", "reason": "no permissions"}, "status": 403})(exchange)


def test_what_could_not_be_asked_for_is_not_said_to_be_none(tmp_path: Path) -> None:
    with Refusing() as server:
        (tmp_path / "pipeline.yaml").write_text(f"cluster: c\nopensearch: {{url: '{server.url}'}}\n")
        words = ["report", "-c", f"{tmp_path}/pipeline.yaml", "-o", f"{tmp_path}/report.html"]
        done = CliRunner().invoke(cli, words, prog_name="sidecar")

    assert done.exit_code == 1
    assert "problems: not known; events: not known; logs: not known" in done.stdout
    assert "warning: " in done.stderr
    assert "no permissions" in done.stderr
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("failed", "incomplete", "whole"),
    [
        ({}, "", True),
        ({"health": "403"}, "", True),
        ({"logs": "403"}, "", False),
        ({}, "a shard failed", False),
    ],
)
def test_it_is_whole_without_the_health_of_the_server(failed: dict[str, str], incomplete: str, *, whole: bool) -> None:
    made = replace(empty_report(), failed=failed, incomplete=incomplete)

    assert made.is_whole is whole
    assert bool(made.missing) is not whole
