"""A Lua pattern matches what its regular expression matches: checked against Python's `re`, in LuaJIT itself."""

import re
from functools import cache

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from sidecar.config.pattern import check_pattern
from sidecar.config.pattern.cost import MOST_QUANTIFIERS
from sidecar.render.patterns import UNKNOWN, LuaPattern, lua_patterns, lua_replacement
from tests.support.lua import LuaJit

# Of re, about [+--], whose meaning it may change one day.
pytestmark = pytest.mark.filterwarnings("ignore:Possible set")

CHARACTERS = [
    *["a", "b", "B", "_", "7", " ", "é", "=", ",", "%"],
    *[r"\-", r"\.", r"\]", r"\^", r"\[", r"\%", r"\n", r"\x00", r"\\", "]", "}", "{x"],
]
CLASSES = [
    *[
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        r"\W",
        r"\S",
        "[ab]",
        "[^a]",
        r"[^\w]",
        "[A-Z_]",
        r"[\]a^-]",
        r"[\s\S]",
        "[!-~]",
    ],
    *[r"[%-\]]", r"[^\x00-\x20]", r"[\x00a]", r"[\W\d]", "[a-b-]", r"[+--]"],
]
COUNTS = ["", "", "", "", "*", "+", "?", "*?", "+?", "{2}", "{1,}", "{0,2}", "{1,3}", "{2,}?"]
EDGES = [r"\b", r"(?<!a)", r"(?!a)", r"(?<!\w)", r"(?!\w)", r"(?<![\w-])", r"(?![ab=])"]
SUBJECTS = st.text(alphabet="aabBx_77  é=,%-.]^[\n\0\\{}", max_size=24).map(str.encode)

# Most of what is put together at random is not in linear time, and so refused.
FILTERED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@cache
def lua() -> LuaJit:
    return LuaJit()


def items() -> st.SearchStrategy[str]:
    one = st.sampled_from([char for char in CHARACTERS if char not in {"é", "{x"}]) | st.sampled_from(CLASSES)
    counted = st.tuples(one, st.sampled_from(COUNTS)).map("".join)
    return st.one_of(counted, counted, counted, st.sampled_from(["é", "{x"]), st.sampled_from(EDGES))


def runs(inner: st.SearchStrategy[str], *, largest: int = 5) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=largest).map("".join)


def accepted(pattern: str) -> bool:
    try:
        check_pattern(pattern)
    except ValueError:
        return False
    return True


def branches() -> st.SearchStrategy[str]:
    """A pattern without alternatives."""
    group = st.tuples(st.sampled_from(["(", "(?:"]), runs(items(), largest=2), st.just(")")).map("".join)
    body = runs(items() | group)
    ends = st.tuples(st.sampled_from(["", "", "", "^"]), body, st.sampled_from(["", "", "", "$"]))
    return ends.map("".join).filter(accepted)


def python(pattern: str, *, fold: bool = False) -> re.Pattern[bytes]:
    """`$` is the very end here, which Python calls \\Z; a generated pattern has it at its end only."""
    if pattern.endswith("$"):
        pattern = pattern[:-1] + r"\Z"
    return re.compile(pattern.encode(), re.IGNORECASE if fold else 0)


def matches(found: tuple[LuaPattern, ...], text: bytes) -> bool:
    return any(lua().find(text, one.pattern) for one in found)


def replaced(found: tuple[LuaPattern, ...], text: bytes) -> bytes:
    for one in found:
        text = lua().gsub(text, one.pattern, one.replace)
    return text


def found_by_lead(one: LuaPattern, text: bytes) -> bool:
    """Whether there is a match, tried only where the needle says that one may begin."""
    if one.lead == UNKNOWN:
        return lua().find(text, one.pattern)
    hay, needle = (text.lower() if one.fold else text), one.needle.encode()
    places = [at - one.lead for at in range(one.lead, len(hay)) if hay.startswith(needle, at)]
    return any(lua().find(text, f"^{one.pattern}", at + 1) for at in places)


def has_needle(one: LuaPattern, text: bytes) -> bool:
    return one.needle.encode() in (text.lower() if one.fold else text)


@settings(max_examples=400, deadline=None)
@given(branches(), SUBJECTS, st.booleans())
def test_without_alternatives_matches_and_replacements_are_those_of_re(pattern: str, text: bytes, fold: bool) -> None:
    # Two sets that have nothing in common may have, once case makes no difference.
    assume(not fold or accepted(f"(?i){pattern}"))
    found = lua_patterns(f"(?i){pattern}" if fold else pattern, "<%>")
    expected = python(pattern, fold=fold)
    assert matches(found, text) == bool(expected.search(text))
    assert replaced(found, text) == expected.sub(b"<%>", text)
    for one in found:
        assert has_needle(one, text) or not expected.search(text)
        assert found_by_lead(one, text) == bool(expected.search(text))


@settings(max_examples=300, deadline=None)
@given(st.lists(branches(), min_size=2, max_size=3), SUBJECTS)
@example(["ab", "bc"], b"abc")
def test_alternatives_match_alike_and_are_replaced_one_after_another(parts: list[str], text: bytes) -> None:
    found = lua_patterns("|".join(parts), "#")
    assert matches(found, text) == any(python(part).search(text) for part in parts)
    expected = text
    applied = set()
    for part in parts:
        # Two that come to the same pattern are applied once.
        if lua_patterns(part, "#") not in applied:
            expected = python(part).sub(b"#", expected)
        applied.add(lua_patterns(part, "#"))
    assert replaced(found, text) == expected


@FILTERED
@given(runs(items(), largest=3), st.lists(runs(items(), largest=2), min_size=1, max_size=3), items(), SUBJECTS)
def test_groups_of_alternatives_match_alike(before: str, inner: list[str], after: str, text: bytes) -> None:
    pattern = f"{before}(?:{'|'.join(inner)}){after}"
    assume(accepted(pattern))
    assert matches(lua_patterns(pattern), text) == bool(python(pattern).search(text))


@FILTERED
@given(runs(items(), largest=2), runs(items(), largest=2), runs(items(), largest=2), SUBJECTS)
def test_a_replacement_keeps_what_groups_captured(first: str, second: str, third: str, text: bytes) -> None:
    pattern = f"({first}){second}(({third}))"
    assume(accepted(pattern))
    found = lua_patterns(pattern, r"<\3|\1>%0")
    assert replaced(found, text) == python(pattern).sub(rb"<\3|\1>%0", text)


@settings(max_examples=150, deadline=None)
@given(branches(), st.text(alphabet="aab_7 =,-.{x", min_size=1, max_size=5), st.text(alphabet="ab7 =,", max_size=3))
@example(r"\b\w+=", "a", " ")
@example(r"[\w-]\.eyJ[\w-]+\.[\w-]*", "a.eyJ", "")
@example(r"a{0,5}b", "a", "")
def test_a_pattern_that_is_accepted_takes_linear_time(pattern: str, piece: str, end: str) -> None:
    text = (piece * (2**15 // len(piece)) + end).encode()
    for one in lua_patterns(pattern):
        taken, _ = lua().seconds(lua().eval("string.gsub"), text, one.pattern.encode(), b"")
        # `\w+@`, which is refused, takes 6 s for as much.
        assert taken < 1


def test_what_is_refused_for_its_time_would_take_it() -> None:
    text = b"a" * 2**13
    slow, _ = lua().seconds(lua().eval("string.find"), text, b"%w+@")
    fast, _ = lua().seconds(lua().eval("string.find"), text, b"%f[%w]%w+@")
    assert slow > 50 * fast


def test_a_group_that_an_alternative_lacks_is_empty() -> None:
    found = lua_patterns("(a)x|(b)x", r"\1-\2")
    assert [(one.pattern, one.replace) for one in found] == [("(a)x", "%1-"), ("(b)x", "-%1")]
    assert replaced(lua_patterns(r"(^|,)a", r"\1***"), b"a,a") == b"***,***"


def test_captures_that_nothing_asks_for_are_left_out() -> None:
    assert lua_patterns("(a)(b)", r"\2") == (LuaPattern("a(b)", "%1", "ab", fold=False, lead=0),)
    assert lua_patterns("(a)(b)")[0].pattern == "ab"


@pytest.mark.parametrize(
    ("pattern", "lua_pattern"),
    [
        (r"^\d{2}$", "^%d%d$"),
        ("(^a$)", "^a$"),
        (r"\bkey=\w+", "%f[%w_]key=[%w_]+"),
        (r"(?<!\d)\d(?!\d)", "%f[%d]%d%f[^%d]"),
        (r"[\s\S]x.", ".x[^\n]"),
        (r"\D\S\W", "%D%S[^%w_]"),
        ("a{1,3}b*?c", "aa?a?b-c"),
        ("(?i)a1", "[Aa]1"),
        ("(?i)[^a]", "[^Aa]"),
        ("é-%", "é%-%%"),
    ],
)
def test_the_lua_pattern(pattern: str, lua_pattern: str) -> None:
    assert [one.pattern for one in lua_patterns(pattern)] == [lua_pattern]


@pytest.mark.parametrize(
    ("pattern", "needle", "fold", "lead"),
    [
        (r"\bAKIA[A-Z]{16}", "AKIA", False, 0),
        ("(?i)(pass)(word)=.", "password=", True, 0),
        ("(?i)12=.", "12=", False, 0),
        ("[aA]BC", "abc", True, 0),
        ("[aA]\\d?BCDa", "BCDa", False, UNKNOWN),
        (r"\d{3}-\dabc", "abc", False, 5),
        ("^abc", "abc", False, UNKNOWN),
        ("ab+cd", "bcd", False, UNKNOWN),
        ("ab?cd", "cd", False, UNKNOWN),
        ("a{3}b", "aaab", False, 0),
        ("éé.", "éé", False, 0),
        (r"\d+", "", False, UNKNOWN),
    ],
)
def test_the_needle_and_what_stands_before_it(pattern: str, needle: str, fold: bool, lead: int) -> None:
    assert [(one.needle, one.fold, one.lead) for one in lua_patterns(pattern)] == [(needle, fold, lead)]


def test_a_replacement_is_plain_text_to_lua() -> None:
    assert lua_replacement(r"100%\\1") == "100%%\\1"
    assert lua().gsub(b"abc", "b", lua_replacement("%1%%")) == b"a%1%%c"


def test_the_most_quantifiers_are_not_too_many_for_luajit() -> None:
    [one] = lua_patterns(f"(((x)a{{0,{MOST_QUANTIFIERS}}}))", r"\1\2\3")
    assert lua().gsub(b"x" + b"a" * 200, one.pattern, "") == b"a" * (200 - MOST_QUANTIFIERS)


def test_alternatives_that_come_to_the_same_are_tried_once() -> None:
    assert len(lua_patterns("(?i)a|A|[aA]")) == 1
