import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.opensearch import codec
from sidecar.opensearch.encode import encode

ODD_TEXT = st.text(st.characters(), max_size=20)  # lone surrogates too
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(ODD_TEXT | st.integers() | st.binary(max_size=5) | st.none(), inner, max_size=4)
    ),
    max_leaves=15,
)


def nested(depth: int) -> Any:
    value: Any = "core"
    for number in range(depth):
        value = [value] if number % 2 else {"in": value}
    return value


@pytest.mark.parametrize("fast", [True, False], ids=["orjson", "python alone"])
@given(ANYTHING)
def test_anything_becomes_one_line_of_json(fast: bool, value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "FAST", fast)
        text = encode(value)
        assert encode(value) == text
    assert b"\n" not in text
    text.decode()
    orjson.loads(text)


@pytest.mark.parametrize("value", [{"a": "x\ny\r\u2028\u0085", "b": [1, 2.5, None, True]}, 2**63 - 1, -(2**63), "🚀"])
def test_what_json_knows_stays_as_it_is(value: Any) -> None:
    assert json.loads(encode(value)) == value


def test_lone_surrogates_become_question_marks_in_keys_too() -> None:
    assert orjson.loads(encode({"a\ud800": ["\udfffb", "ok"]})) == {"a?": ["?b", "ok"]}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**100])
def test_integers_beyond_64_bits_become_text_and_lose_no_digit(number: int) -> None:
    assert orjson.loads(encode({"n": [number, 1]})) == {"n": [str(number), 1]}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_becomes_null(number: float) -> None:
    assert encode([number, 2**70]) == b'[null,"1180591620717411303424"]'
    assert encode([number]) == b"[null]"


@pytest.mark.parametrize("depth", [150, 254, 255, 1000])
def test_deep_nesting_stays_json_and_keeps_its_upper_levels(depth: int) -> None:
    found = orjson.loads(encode(nested(depth)))
    for _ in range(75):
        found = found[0] if isinstance(found, list) else found["in"]
    if depth == 150:
        assert encode(nested(depth)) == orjson.dumps(nested(depth))
    if depth == 1000:
        assert b"nested deeper than 200" in encode(nested(depth))


def test_what_is_no_json_at_all_becomes_text() -> None:
    assert orjson.loads(encode({b"key": {"bytes": b"\xff", "set": {1}, "pair": ("\ud800", b"")}})) == {
        "b'key'": {"bytes": "b'\\xff'", "set": "{1}", "pair": ["?", "b''"]}
    }
