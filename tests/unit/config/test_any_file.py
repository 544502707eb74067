"""Whatever is in the file: it loads, or is refused with problems that have a place; nothing else is raised."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.config import Config, loads
from sidecar.config.schema import models
from sidecar.config.section import models_in
from sidecar.errors import ConfigError, Problem

EXAMPLES = Path(__file__).parents[3] / "examples"
VALID = [yaml.safe_load(path.read_text()) for path in sorted(EXAMPLES.glob("*.yaml"))]
KEYS = sorted({info.alias or name for model in models(Config) for name, info in model.model_fields.items()})
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**30,
        "",
        " ",
        "*",
        "a",
        "A",
        "é",
        "\U0001f600",
        "a\nb",
        "${X}",
        "%",
        "-a",
        "a-",
    ),
    *("never", "monthly", "1d", "27d", "36500d", "1B", "2GiB", "1024GiB", "2.11", "java", "eks-pod-logs", "eks", "/"),
    *("/a/..", "https://h", "logs", "secrets", "[", "(", "(a|b)*c", "\\1", "[^a]+$", "a{1,9}", "(?i)x"),
    *([], {}, [[]], [{}], {"": ""}, {"name": "a"}, ["a", "a"], {"env": "A"}, "<rule>", {"<rule>": 1}, "[key]"),
]
scalars = (
    st.sampled_from(ODD).map(copy.deepcopy)
    | st.text(max_size=8)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def check(text: str) -> None:
    problems = []
    try:
        loads(text)
    except ConfigError as error:
        problems = error.problems or [Problem(-1, 0, "", "refused without a reason")]
    for problem in problems:
        assert problem.text
        assert "\n" not in problem.text
        assert 0 <= problem.line <= text.count("\n") + 2


def written(data: Any) -> str:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that is in a document."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


@st.composite
def mutations(draw: st.DrawFn) -> Any:
    """A valid document in which some values are others, are gone, or have a new key beside them."""
    data = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(data)[1:] or [()]))
        if not path:
            return draw(values)
        holder = data
        for part in path[:-1]:
            holder = holder[part]
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "replace":
            holder[path[-1]] = draw(values)
        elif how == "remove":
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(KEYS))] = draw(values)
        else:
            holder.append(draw(values))
    return data


@settings(max_examples=400, deadline=None)
@given(mutations())
def test_any_change_of_a_valid_file(data: Any) -> None:
    check(written(data))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_any_value_at_any_key(base: Any, data: st.DataObject) -> None:
    document = copy.deepcopy(base)
    model: Any = Config
    holder: Any = document
    while True:
        name = data.draw(st.sampled_from(list(model.model_fields)))
        info = model.model_fields[name]
        inner = next(models_in(info.annotation), None)
        if inner is None or data.draw(st.integers(0, 5)) == 0:
            holder[info.alias or name] = data.draw(values)
            break
        below = holder.setdefault(info.alias or name, {})
        if isinstance(below, list):
            below.append({})
            below = below[-1]
        if not isinstance(below, dict):
            break
        model, holder = inner, below
    check(written(document))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("{}[]:-#&*!|>'\"%@`?, \n\tab01", max_size=60))
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(EXAMPLES.glob("*.yaml"))), st.data())
def test_any_edit_of_the_text(path: Path, data: st.DataObject) -> None:
    text = path.read_text()
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 20))
    check(text[:at] + data.draw(st.text(max_size=5)) + text[at + cut :])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    assert loads(path.read_text(), file=str(path)).cluster
