"""The schema, the starter file and the reference say what the models say."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from sidecar.config import Config, loads
from sidecar.config.schema import field_texts, json_schema, models
from sidecar.config.starter import keys, reference, starter
from sidecar.config.units import format_duration, format_size, parse_duration, parse_size
from sidecar.errors import ConfigError

MINIMAL = loads("cluster: my-cluster\nopensearch: {url: https://localhost:9200}\n")


@pytest.mark.parametrize("model", list(models(Config)), ids=lambda model: model.__name__)
def test_every_field_has_a_text_below_it(model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if not field_texts(model).get(name)] == []


def test_every_key_of_the_schema_has_a_description_and_no_title() -> None:
    schema = json_schema()
    for definition in (schema, *schema["$defs"].values()):
        assert definition["additionalProperties"] is False
        for name, entry in definition["properties"].items():
            assert entry["description"], name
            assert "title" not in entry
            assert "anyOf" not in entry, "what may be left out may not be empty"


def test_defaults_are_as_they_would_be_written() -> None:
    events = json_schema()["$defs"]["Events"]["properties"]
    assert events["journal"]["default"] == "512MiB"
    assert "default" not in events["retain"]
    logs = json_schema()["$defs"]["Logs"]["properties"]
    assert logs["multiline"]["default"] == ["java", "python", "go", "ruby", "dotnet"]
    assert "default" not in json_schema()["$defs"]["Route"]["properties"]["rotate"]


def test_the_starter_is_a_valid_file_with_nothing_but_what_is_needed() -> None:
    assert loads(starter()) == MINIMAL


def test_the_starter_with_every_key_uncommented_is_valid_too() -> None:
    text = re.sub(r"(?m)^( *)#([A-Za-z0-9]+:)", r"\1\2", starter())
    # At most one kind of credentials may be there.
    text = re.sub(r"(?m)^    (mtls|sigv4|ssm):\n(\n|      .*\n|    #.*\n)*", "", text)
    config = loads(text)
    assert config.opensearch.auth.basic is not None
    assert config.events.model_copy(update={"retain": None}) == MINIMAL.events
    assert config.buffer == MINIMAL.buffer
    assert config.alerts.monitors == MINIMAL.alerts.monitors
    assert [route.name for route in config.logs.routes] == ["payments"]


@pytest.mark.parametrize("kind", ["basic", "mtls", "sigv4", "ssm"])
def test_each_kind_of_credentials_in_the_starter_is_valid(kind: str) -> None:
    block = re.search(rf"(?m)^    #{kind}:\n(\n|      .*\n|    # .*\n)*", starter())
    assert block
    text = re.sub(r"(?m)^( *)#([A-Za-z0-9]+:)", r"\1\2", block[0])
    found = loads(f"cluster: c\nopensearch:\n  url: https://h\n  auth:\n{text}")
    assert getattr(found.opensearch.auth, kind) is not None


def test_every_key_is_in_the_starter_and_in_the_reference() -> None:
    for key in keys():
        # What is in a list is in its sample.
        assert re.search(rf"(?m)^ *#?{key.name}:" if not key.listed else rf"[{{ ]{key.name}: ", starter()), key.path
        assert key.section or f"| `{key.path}` |" in reference(), key.path


@pytest.mark.parametrize(
    "text", ["opensearch: {url: http://h, auth: {basic: }}", "opensearch: {url: http://h, tls: {ca: }}"]
)
def test_a_key_without_a_value_is_not_the_same_as_no_key(text: str) -> None:
    with pytest.raises(ConfigError, match="has no value; give it one, or remove the key"):
        loads(f"cluster: c\n{text}\n")


@given(st.integers(1, 36500 * 86400))
def test_durations_read_back_as_they_were_written(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@given(st.integers(1, 2**50))
def test_sizes_read_back_as_they_were_written(size: int) -> None:
    assert parse_size(format_size(size)) == size
