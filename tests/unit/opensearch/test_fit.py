from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import loads
from sidecar.opensearch.encode import encode
from sidecar.opensearch.fit import MISFIT, Fitter, cut, fit, flat
from sidecar.render.templates import event_properties

Json = dict[str, Any]
PROPERTIES = event_properties(loads("cluster: c\nopensearch: {url: http://localhost:9200}\n"))
LUCENE = 32_766
NAMES = st.sampled_from([*PROPERTIES, "", " ", ".", "..", "a.b", "metadata.labels", "labels", "name", MISFIT])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("ä" * 40_000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)


def refusals(value: Any, properties: Json, path: str = "") -> list[str]:
    """Why OpenSearch would refuse an object under a mapping with `dynamic: false`, field by field."""
    found = []
    for key, item in value.items():
        here = f"{path}{key}"
        if not key.strip() or "." in key:
            found.append(f"{here}: read as a path, or refused as a name")
        if key not in properties or item is None:
            continue
        mapping = properties[key]
        if "properties" in mapping:
            found += refusals(item, mapping["properties"], f"{here}.") if isinstance(item, dict) else [f"{here}: shape"]
        elif mapping["type"] == "flat_object":
            found += flat_refusals(item, here)
        elif isinstance(item, dict | list):
            found.append(f"{here}: no leaf")
    return found


def flat_refusals(value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: no object"]
    found = [f"{path}: empty key" for key in value if not key.strip(". ")]
    found += [f"{path}.{key}: not text" for key, item in value.items() if not isinstance(item, str)]
    leaves = (f"{path}.{key}={item}" for key, item in value.items())
    return found + [f"{path}: {len(leaf)} too long" for leaf in leaves if len(leaf.encode(errors="replace")) > LUCENE]


def test_the_checker_of_these_tests_sees_what_opensearch_refuses() -> None:
    bad: Json = {
        "metadata": "text",
        "message": ["list"],
        "source": {"host": {}, "": 1},
        "involvedObject": {"labels": {"": "x", "n": 1, "long": "x" * LUCENE}, "annotations": []},
        "metadata.labels": "text",
    }
    assert len(refusals(bad, PROPERTIES)) == 9
    assert refusals({"message": 1, "other": {"": 1}, "metadata": {"labels": {"a.b": "x"}}}, PROPERTIES) == []


@given(st.dictionaries(NAMES | st.text(max_size=6), VALUES, max_size=6))
def test_whatever_the_value_opensearch_takes_it(value: Json) -> None:
    assert refusals(orjson.loads(encode(fit(value, PROPERTIES))), PROPERTIES) == []


@given(VALUES)
def test_every_mapped_field_takes_every_value(value: Any) -> None:
    for name in PROPERTIES:
        assert refusals(fit({name: value}, PROPERTIES), PROPERTIES) == []


def test_a_value_that_fits_is_not_touched() -> None:
    value: Json = {
        "message": "m",
        "count": 3,
        "eventTime": None,
        "metadata": {"labels": {"app.kubernetes.io/name": "x", "app": "y"}, "ownerReferences": [{"uid": "u"}]},
        "unmapped": {"": {"any.thing": [1]}},
    }
    assert fit(value, PROPERTIES) == value


def test_nothing_is_lost_of_another_shape() -> None:
    fitted = fit({"metadata": [1, {"a": "b"}], "message": {"x": 1}, "source": "kubelet"}, PROPERTIES)
    assert fitted == {
        "metadata": {MISFIT: '[1,{"a":"b"}]'},
        "message": '{"x":1}',
        "source": {MISFIT: "kubelet"},
    }
    assert flat({"n": 1, "o": {"p": True}}, "labels") == {"n": "1", "o": '{"p":true}'}


def test_names_that_opensearch_reads_as_paths_are_kept_as_text() -> None:
    fitted = fit({"metadata.labels": "x", "": 1, MISFIT: "own", "type": "Normal"}, PROPERTIES)
    assert fitted.pop("type") == "Normal"
    assert {name: orjson.loads(text) for name, text in fitted.items()} == {
        MISFIT: {MISFIT: "own", "metadata.labels": "x", "": 1}
    }


@pytest.mark.parametrize("key", ["", ".", " . ", "k" * 40_000, "ä" * 40_000, "🚀" * 8_000, "." * 40_000])
def test_flat_keys_that_opensearch_refuses_are_replaced_and_keep_their_values(key: str) -> None:
    fitted = flat({key: "value", "good": "v"}, "labels")
    assert flat_refusals(fitted, "involvedObject.labels") == []
    assert sorted(fitted.values()) == ["v", "value"]


@pytest.mark.parametrize("size", [31_900, 31_999, 32_000, 32_766, 32_767, 100_000])
@pytest.mark.parametrize("letter", ["x", "ä", "🚀"])
def test_long_leaves_are_cut_below_lucenes_limit_and_say_so(letter: str, size: int) -> None:
    text = letter * (size // len(letter.encode()))
    fitted = flat({"key": text}, "annotations")
    assert flat_refusals(fitted, "involvedObject.annotations") == []
    kept = fitted["key"]
    assert kept == text or (kept.endswith("...[cut]") and text.startswith(kept.removesuffix("...[cut]")))
    assert (kept == text) is (len(text.encode()) <= 32_000 - len("annotations") - 4 * len("key"))


@given(st.text(max_size=60), st.integers(8, 60))
def test_cut_never_passes_its_limit_nor_breaks_a_character(text: str, limit: int) -> None:
    kept = cut(text, limit)
    assert len(kept.encode()) <= limit
    assert kept == text or text.startswith(kept.removesuffix("...[cut]"))


@given(st.dictionaries(NAMES | st.text(max_size=6), VALUES, max_size=5))
def test_looking_first_comes_to_the_same(value: Json) -> None:
    assert Fitter(PROPERTIES).fit(value) == fit(value, PROPERTIES)


def test_what_fits_is_not_copied() -> None:
    value = {"message": "text", "involvedObject": {"labels": {"app.kubernetes.io/name": "x"}}, "other": [1]}
    assert Fitter(PROPERTIES).fit(value) is value
