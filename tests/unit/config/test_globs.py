"""Globs: what matches, and whether two can match the same."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.globs import matches, overlap

GLOBS = st.text("ab*", min_size=1, max_size=6)
TEXTS = st.text("ab", max_size=6)


@given(GLOBS, TEXTS)
def test_a_glob_matches_what_its_regular_expression_does(glob: str, text: str) -> None:
    wanted = re.fullmatch(".*".join(map(re.escape, glob.split("*"))), text, re.DOTALL)
    assert matches(glob, text) == bool(wanted)


@given(GLOBS, GLOBS, TEXTS)
def test_two_globs_that_match_the_same_overlap(one: str, other: str, text: str) -> None:
    if matches(one, text) and matches(other, text):
        assert overlap(one, other)


@given(GLOBS, GLOBS)
def test_two_globs_that_overlap_match_the_same(one: str, other: str) -> None:
    def automaton() -> bool:
        """Whether both ends can be reached by reading the same text."""
        seen, todo = set(), [(0, 0)]
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            first, second = one[at[0] : at[0] + 1], other[at[1] : at[1] + 1]
            if not first and not second:
                return True
            todo += [(at[0] + 1, at[1])] if first == "*" else []
            todo += [(at[0], at[1] + 1)] if second == "*" else []
            todo += [(at[0] + 1, at[1])] if second == "*" and first else []
            todo += [(at[0], at[1] + 1)] if first == "*" and second else []
            todo += [(at[0] + 1, at[1] + 1)] if first == second else []
        return False

    assert overlap(one, other) == overlap(other, one) == automaton()


@pytest.mark.parametrize("text", ["a" * 10_000, "ab" * 5_000])
def test_many_stars_take_no_time(text: str) -> None:
    began = time.process_time()
    matches("*a" * 120 + "*c", text)
    assert time.process_time() - began < 0.1
