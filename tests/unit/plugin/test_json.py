"""The fields of JSON lines, against Python's own reader."""

import json
import math
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lua import LuaJit
from tests.unit.plugin.plugin import PLUGIN, python

MODERATE = settings(max_examples=150, deadline=None)
LARGEST = 2**53
LEFT_OUT = object()

TEXTS = st.text(max_size=12) | st.sampled_from(['"', "\\", "\\\\", '\\"', "\\u0041", "é", "😀", "\n\t\r\b\f", "/"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXTS, v, max_size=4), max_leaves=20)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)


@cache
def lua() -> LuaJit:
    return LuaJit()


@cache
def module() -> Any:
    return lua().load(PLUGIN / "json.lua")


def read(text: str | bytes) -> Any:
    found = module().object(text.encode() if isinstance(text, str) else text)
    return None if found is None else python(found)


def held(value: Any, written: str | None = None) -> Any:
    """What is documented to become of a value."""
    if value is None or value == []:
        return LEFT_OUT
    if isinstance(value, dict):
        return {key: inner for key, item in value.items() if (inner := held(item)) is not LEFT_OUT}
    if isinstance(value, list):
        inner = [item for entry in value if (item := held(entry)) is not LEFT_OUT]
        return inner or {}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    text = written or json.dumps(value)
    return text if abs(value) > LARGEST or len(text) > 17 or "e" in text.lower() else value


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict) and found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(same(one, other) for one, other in zip(found, wanted, strict=True))
        )
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    if isinstance(wanted, int | float):
        return isinstance(found, int | float) and math.isclose(found, wanted, rel_tol=1e-15)
    return bool(found == wanted)


@MODERATE
@given(value=OBJECTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_an_object_is_read_as_python_reads_it(value: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    assert same(read(text), held(value)), text


@MODERATE
@given(text=st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0aeE+-.1tfn ', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    line = b"{" + text + b"}"

    found = module().object(line)

    try:
        wanted = json.loads(line)
    except (ValueError, RecursionError):
        return
    # What Python takes, without its own words for numbers that JSON lacks.
    if not any(word in line for word in (b"NaN", b"Infinity")):
        assert found is not None or not isinstance(wanted, dict)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}}",
        "{} x",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        '{"a":[1,]}',
        '{"a":[,1]}',
        '{"a" 1}',
        '{"a":"b}',
        '{"a":tru}',
        '{"a":trueish}',
        '{"a":nan}',
        '{"a":-}',
        '{"a":1.2.3}',
        '{"a":[}',
        '{"a":[1}]',
        "{a:1}",
        '{"a":1 "b":2}',
        '{,"a":1}',
        '{"a":0x10}',
        '{"a\\":1}',
    ],
)
def test_what_is_no_object_gives_nothing(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a":9007199254740991}', 9007199254740991),
        ('{"a":-9007199254740992}', -9007199254740992),
        ('{"a":"\\u005cn\\u005cu0041"}', "\\n\\u0041"),
        ('{"a":"\\q\\u12"}', "\\q\\u12"),
        ('{"a":9007199254740993}', "9007199254740993"),
        ('{"a":-12345678901234567890}', "-12345678901234567890"),
        ('{"a":1e5}', "1e5"),
        ('{"a":1E-5}', "1E-5"),
        ('{"a":0.1}', 0.1),
        ('{"a":-0.0}', 0),
        ('{"a":"\\ud83d\\ude00"}', "😀"),
        ('{"a":"\\ud83d"}', "\ufffd"),
        ('{"a":"\\ude00\\ud83d"}', "\ufffd\ufffd"),
        ('{"a":"\\ud83d\\u0041"}', "\ufffdA"),
        ('{"a":"\\\\u0041"}', "\\u0041"),
        ('{"a":"\\u0000"}', "\0"),
        ('{"a":"\\u000a\\/\\"\\\\"}', '\n/"\\'),
        ('{"a":1,"a":2}', 2),
        ('{"a":[null,1,null,2]}', [1, 2]),
        ('{"a":{}}', {}),
    ],
)
def test_values(text: str, wanted: Any) -> None:
    found = read(text)

    assert found is not None
    assert found["a"] == wanted


def test_null_and_empty_lists_are_left_out() -> None:
    assert read('{"a":null,"b":[],"c":[[]],"d":false}') == {"c": {}, "d": False}


def test_a_key_with_escapes() -> None:
    assert read('{"a\\"b\\u00e9":1}') == {'a"bé': 1}


@pytest.mark.parametrize(("levels", "taken"), [(20, True), (21, False), (5000, False)])
def test_depth_has_a_limit(levels: int, taken: bool) -> None:
    text = '{"a":' * levels + "1" + "}" * levels

    assert (read(text) is not None) == taken


@pytest.mark.parametrize(("fields", "taken"), [(1000, True), (1001, False)])
def test_the_number_of_fields_has_a_limit(fields: int, taken: bool) -> None:
    text = json.dumps({f"k{number}": number for number in range(fields)})

    assert (read(text) is not None) == taken


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_a_long_text_is_cut_between_characters(letter: str) -> None:
    found = read(json.dumps({"a": {"b": letter * 40_000}}, ensure_ascii=False))

    cut = found["a"]["b"]
    assert isinstance(cut, str)
    assert 29_900 < len(cut.encode()) <= 30_000
    assert set(cut) == {letter}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"level":"info"}', "info"),
        ('{"severity":"ERROR"}', "ERROR"),
        ('{"lvl":30}', 30),
        ('{"levelname":"WARNING"}', "WARNING"),
        ('{"log.level":"debug"}', "debug"),
        ('{"@l":"Warning"}', "Warning"),
        ('{"msg":"level"}', None),
    ],
)
def test_where_a_severity_is_found(text: str, wanted: Any) -> None:
    assert python(module().severity(module().object(text.encode()))) == wanted
