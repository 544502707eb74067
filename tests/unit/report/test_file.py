"""A report replaces a report, and nothing else."""

from pathlib import Path

import pytest

from sidecar.errors import RenderError
from sidecar.report.file import write
from sidecar.report.page import page
from tests.support.report import empty_report, full_report


def test_a_report_replaces_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "new" / "report.html"

    write(file, page(full_report(name="x" * 100_000)))
    write(file, page(empty_report()))

    assert file.read_text() == page(empty_report())
    assert [*file.parent.iterdir()] == [file]


def test_what_is_no_report_stays_unless_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(b"\xff\x00 mine")

    with pytest.raises(RenderError, match="is there already, and is no report"):
        write(file, "<html>")
    assert file.read_bytes() == b"\xff\x00 mine"

    write(file, "<html>", force=True)
    assert file.read_text() == "<html>"


def test_a_link_that_leads_nowhere_is_no_report(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(RenderError, match="no report"):
        write(file, "<html>")


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RenderError, match="can't be written"):
        write(tmp_path / "file" / "report.html", "<html>")
