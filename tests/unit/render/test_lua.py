"""Data comes out of LuaJIT as it went in, whatever is in it."""

from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.render.filtering import glob_pattern
from sidecar.render.lua import Value, literal
from tests.support.lua import LuaJit, python

TEXTS = st.text() | st.text("$%\"'\\\n\r\0\t09[]{}=-é€\U0001f600\x7f\x85\u2028", max_size=12)
SCALARS = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS.filter(lambda text: not _has_surrogate(text))
)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS.filter(lambda text: not _has_surrogate(text)), inner | st.none(), max_size=4)
    ),
    max_leaves=12,
)


@cache
def lua() -> LuaJit:
    return LuaJit()


def wanted(value: Any) -> Any:
    """What a value is once it was in Lua: no keys without a value, and an empty list is an empty table."""
    if isinstance(value, dict):
        return {key: wanted(item) for key, item in value.items() if item is not None}
    return [wanted(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(VALUES)
@example("$HOME ${HOME} %d %% \" ' \\ \\n ]] --[[ é \x00123")
@example({"a\n": ['"', "\\", "\\9", "\0009"], "$": {"%": None, "é": {}}})
@example([[], {}, -1, 0.1, 1e300, -0.0])
def test_a_literal_is_the_value(value: Value) -> None:
    text = literal(value)

    assert text.isascii()
    assert python(lua().eval(text), like=wanted(value)) == wanted(value)


@given(TEXTS.filter(lambda text: not _has_surrogate(text)))
def test_text_stays_on_its_line(text: str) -> None:
    # Nothing in it can end the text, or begin a comment.
    found = literal(text)
    assert found.isprintable()
    assert '"' not in found[1:-1]


def test_nothing_is_nil() -> None:
    assert literal(None) == "nil"
    assert lua().eval(literal(None)) is None


@pytest.mark.parametrize("count", [10_000, 10_001, 70_000])
def test_a_list_as_long_as_it_may_be(count: int) -> None:
    # One function of LuaJIT holds 65,536 tables.
    table = lua().eval(literal([{"number": number, "labels": {"a": "b"}} for number in range(count)]))

    assert len(table) == count
    for number in (0, 9_999, count - 1):
        assert table[number + 1][b"number"] == number


GLOBS = st.text("a*b.%-[]^$+?()é ", max_size=10)


@given(GLOBS, st.text("ab.%-[]^$+?()é ", max_size=10))
@example("a*b*a", "aba")
@example("%*", "%a")
def test_a_glob_is_the_pattern_of_the_whole_text(glob: str, text: str) -> None:
    # As a loop, and not by fnmatch, for which [ and ? mean something.
    first, *rest = glob.split("*")
    expected = glob == text if not rest else _matches(first, rest, text)
    assert lua().find(text.encode(), glob_pattern(glob)) is expected


def _matches(first: str, rest: list[str], text: str) -> bool:
    if not text.startswith(first):
        return False
    ends = {len(first)}
    for part in rest:
        ends = {
            at + len(part) for end in ends for at in range(end, len(text) - len(part) + 1) if text.startswith(part, at)
        }
    return len(text) in ends
