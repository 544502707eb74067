"""What the subset of regular expressions takes, and how it refuses the rest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.pattern import check_pattern, check_replacement, parse, parse_replacement, sequences
from sidecar.config.pattern.cost import MOST_QUANTIFIERS, MOST_STEPS
from sidecar.config.pattern.tree import Frontier, Item, Mark


@pytest.mark.parametrize(
    "pattern",
    [
        "abc",
        r"a\.b\\c\[d\]\x1b\t",
        "é=.",
        r"[a-z\d_-]+",
        r"[^\s,;]+",
        r"\d{4}-\d{2}-\d{2}",
        r"^\d{4}-\d{2}",
        r"^\s+at ",
        r"^(?:Caused by|Suppressed): ",
        r"(?:^|\s)token=\S+",
        r"(?i)password=(\S+)",
        r"\b\w+@\w+\b",
        r"(?<![\w-])[\w-]+@",
        r"\d{13,19}(?!\d)",
        "<key>[^<]*</key>",
        '"token":"[^"]*"',
        r"user=\S+",
        r"\{a\}{2}",
        "{a}",
        "x{",
        r"ca+?b",
        r"yx{2,}?z",
        "a|b|(c|d)e",
        r"[\s\S]",
    ],
)
def test_what_is_in_the_subset_is_taken_as_it_is(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "column", "named"),
    [
        (r"(a)\1", 4, "backreference"),
        (r"a(?=b)", 2, "lookahead"),
        (r"(?<=b)a", 1, "lookbehind"),
        (r"a(?!bc)", 2, "one character or class"),
        (r"(?<!)a", 1, "one character or class"),
        (r"a(?!\D)", 2, "NUL"),
        (r"(?<!\d)a", 1, "before what its class doesn't cover"),
        (r"a(?!\d)", 2, "after what its class doesn't cover"),
        (r"(ab)+", 5, "after a group"),
        (r"(?:ab)?c", 7, "after a group"),
        (r"a++", 3, "possessive"),
        (r"a??", 3, "`??` can't be translated"),
        (r"a{1,2}?", 7, "can't be translated"),
        (r"a**", 3, "can't be repeated"),
        (r"a+{2}", 3, "can't be repeated"),
        (r"\b+a", 3, "matches no character"),
        (r"^*a", 2, "matches no character"),
        (r"*a", 1, "nothing to repeat"),
        (r"a|{2}", 3, "nothing to repeat"),
        (r"a{,2}", 2, "no count"),
        (r"a{2x}", 2, "no count"),
        (r"a{3,2}", 2, "matches nothing"),
        (r"a{0}", 2, "matches nothing"),
        (r"a{256}", 2, "at most 255"),
        (r"\p{L}", 1, "Unicode"),
        (r"a[\PL]", 3, "Unicode"),
        (r"(?P<n>a)", 1, "named"),
        (r"(?<n>a)", 1, "named"),
        (r"a\k<n>", 2, "named"),
        (r"(?>a)", 1, "atomic"),
        (r"(?#a)", 1, "comment"),
        (r"(?s)a", 1, "flag s"),
        (r"(?m)a", 1, "flag m"),
        (r"(?x)a", 1, "flag x"),
        (r"(?q)a", 1, "unknown"),
        (r"a(?i)", 2, "very start"),
        (r"(?i:a)", 1, "very start"),
        (r"(a", 1, "never closed"),
        (r"a)", 2, "closes no group"),
        (r"[a", 1, "never closed"),
        (r"a[]", 2, "never closed|empty class"),
        (r"[]a]", 1, "empty class"),
        (r"[z-a]", 2, "backwards"),
        (r"[\d-z]", 2, "range"),
        (r"[[:alpha:]]", 2, "POSIX"),
        (r"[aé]", 3, "more than one byte"),
        (r"[\s\S]x[^\s\S]", 8, "matches nothing"),
        (r"é+", 2, "outside ASCII"),
        (r"\é", 1, "no backslash"),
        (r"a\B", 2, r"\\B"),
        (r"[\b]", 2, "backspace"),
        (r"\Aa", 1, r"write \^"),
        (r"a\Z", 2, r"write \$"),
        (r"a\Q", 2, "unknown"),
        (r"\x80", 1, "hexadecimal"),
        (r"\0", 1, "octal"),
        ("a\\", 2, "at the end"),
        ("a\0", 2, "NUL"),
        ("a\ud800", 2, "surrogate"),
        (r"a^b", 2, "at the start"),
        (r"a$b", 2, "at the end"),
        (r"(?:b|^)a|c^", 11, "at the start"),
        (r"a*", 1, "no characters"),
        (r"a|b?", 1, "no characters"),
        (r"^$", 1, "no characters"),
        (r"\b.", 1, "may or may not be a word character"),
        (r".*a.*b", 1, "give back|begin again"),
        (r"^.*a.*b", 2, "give back"),
        (r"\w+@", 1, r"begin again within `\\w\+`.*begin the pattern with \(\?<!\\w\)"),
        (r".*x", 1, "leave it out"),
        (r"secret=[^;]+;", 8, "take `=`, which stands before it"),
        (r"a{0,20}b", 1, "ways to try"),
        (r"(a|b|c)(a|b|c)(a|b|c)(a|b|c)", 1, "81 patterns"),
        ("(?:" * 17 + "a" + ")" * 17, 49, "16 deep"),
        ("a{255}a{255}", 7, "ways to try"),
    ],
)
def test_what_is_outside_is_refused_with_its_column_and_a_way_out(pattern: str, column: int, named: str) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        check_pattern(pattern)
    assert str(caught.value).startswith(f"column {column}: ")
    assert "; " in str(caught.value)


@pytest.mark.parametrize(("pattern", "named"), [("", "empty"), ("a" * 2001, "at most 2000")])
def test_a_pattern_has_a_size(pattern: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_pattern(pattern)


def test_what_a_hint_offers_is_accepted() -> None:
    offered = [r"(?<!\w)\w+@", r"secret=[^;=]+;", r"secret=[^;]+", r"\b\w+@", r"^[^a]*a.*b", "c[ab]*", "(?:|ab|abab)c"]
    for pattern in offered:
        assert check_pattern(pattern)


def test_alternatives_come_apart_in_the_order_they_are_written() -> None:
    found = [
        "".join(part.text for part in sequence if isinstance(part, Item)) for sequence in sequences("(?:a|b)(c|d)|ef")
    ]
    assert found == ["ac", "ad", "bc", "bd", "ef"]


def test_groups_keep_the_numbers_that_the_pattern_gives_them() -> None:
    marks = [[part.number for part in sequence if isinstance(part, Mark)] for sequence in sequences("(a)|(?:x)(b(c))")]
    assert marks == [[1, 1], [2, 3, 3, 2]]


def test_a_boundary_becomes_the_frontier_that_its_neighbours_allow() -> None:
    kinds = [isinstance(part, Frontier) for part in sequences(r"\ba+b*\b")[0]]
    assert kinds == [True, False, False, True]


def test_the_limits_are_the_last_accepted() -> None:
    assert check_pattern(f"a{{{MOST_STEPS - 1 - 1}}}b")
    with pytest.raises(ValueError, match="ways to try"):
        check_pattern(f"a{{{MOST_STEPS - 1}}}b")
    assert check_pattern(f"xa{{0,{MOST_QUANTIFIERS}}}")
    with pytest.raises(ValueError, match="optional characters"):
        check_pattern(f"xa{{0,{MOST_QUANTIFIERS + 1}}}")


@pytest.mark.filterwarnings("ignore:Possible")  # re's own plans for [[ and --
@given(st.text(alphabet=r"ab\dwsbpx0(){}[]^$.|*+?:=!<>i,-é1 ", max_size=30) | st.text(max_size=20))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        check_pattern(text)
    except ValueError as error:
        assert re.search("; ", str(error))  # noqa: PT017 - either way is right, but a refusal has a way out
    else:
        re.compile(text.encode())


def test_groups_by_the_thousand_are_refused_and_not_a_crash() -> None:
    for pattern in ["(" * 900 + "a" + ")" * 900, "(a|b)" * 300, "a|" * 900 + "a"]:
        with pytest.raises(ValueError, match="column"):
            check_pattern(pattern)


def test_a_replacement_may_keep_groups() -> None:
    assert parse_replacement(r"\1=***\\%\2x") == (1, "=***", "\\", "%", 2, "x")
    assert check_replacement(r"\1***", "(a)b") == r"\1***"
    with pytest.raises(ValueError, match="names no group of the pattern, which has 1"):
        check_replacement(r"\2", "(a)b")
    with pytest.raises(ValueError, match="column 2: a backslash means nothing"):
        check_replacement(r"a\n", "(a)b")


def test_a_tree_has_the_alternatives_as_branches() -> None:
    assert [len(branch) for branch in parse("ab|c").branches] == [2, 1]
