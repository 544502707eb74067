"""The comparison with golden files can fail."""

from pathlib import Path

import pytest

from tests.support.golden import HOW, check_golden


def test_equal_files_pass(tmp_path: Path) -> None:
    files = {"a": "1\r\n", "b/c": "é"}
    check_golden(tmp_path / "golden", files, update=True)
    check_golden(tmp_path / "golden", files, update=False)


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"a": "2\n", "b/c": ""}, "-1\n+2\n"),
        ({"a": "1\r\n", "b/c": ""}, "-1\n+1\r\n"),
        ({"a": "1\n"}, "b/c: is no more\n"),
        ({"a": "1\n", "b/c": "", "d": ""}, "d: is new\n"),
    ],
)
def test_a_difference_fails_and_says_how_to_accept_it(tmp_path: Path, files: dict[str, str], wanted: str) -> None:
    check_golden(tmp_path, {"a": "1\n", "b/c": ""}, update=True)
    with pytest.raises(AssertionError) as caught:
        check_golden(tmp_path, files, update=False)

    assert wanted in str(caught.value)
    assert HOW in str(caught.value)


def test_nothing_golden_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="a: is new"):
        check_golden(tmp_path / "nope", {"a": ""}, update=False)


def test_an_update_removes_what_is_no_more(tmp_path: Path) -> None:
    check_golden(tmp_path / "golden", {"a": ""}, update=True)
    check_golden(tmp_path / "golden", {"b": ""}, update=True)

    assert [path.name for path in (tmp_path / "golden").iterdir()] == ["b"]
