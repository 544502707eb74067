import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.opensearch import codec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
REFUSED = [b"", b"{", b'{"a": NaN}', b'"\xff"', b"[1,]", b"1 2", b"[" * 100_000]


@pytest.fixture(params=[True, False], ids=["orjson", "python alone"])
def _codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "FAST", request.param)


@given(JSON)
def test_both_ways_say_the_same(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = []
        for fast in (True, False):
            patch.setattr(codec, "FAST", fast)
            text = codec.dumps(value)
            assert codec.loads(text) == json.loads(text) == value
            found.append(text)
    assert len({b"\n" in text for text in found}) == 1


@pytest.mark.usefixtures("_codec")
@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.loads(text)


@pytest.mark.usefixtures("_codec")
@pytest.mark.parametrize("value", ["\ud800", {1, 2}, {b"a": 1}])
def test_what_json_has_no_place_for_is_told(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        codec.dumps(value)
