"""Configurations that would lose records, or start without what they name, are refused."""

import copy
from typing import Any

import pytest

from sidecar.config import loads
from sidecar.errors import RenderError
from sidecar.render.fluentbit import fluent_bit
from sidecar.render.layout import Layout
from sidecar.render.lua import ENTRY
from sidecar.render.proof import matches, prove

CONFIG = loads("cluster: c\nopensearch: {url: http://h}\nlogs: {systemd: [kubelet.service]}\n")
FILES = {f"{Layout.of(CONFIG).current}/{ENTRY}"}


def pipeline(**parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"pipeline": {"inputs": [], "filters": [], "outputs": []} | parts}


def problems(content: dict[str, Any], files: set[str] | frozenset[str] = frozenset()) -> list[str]:
    with pytest.raises(RenderError) as caught:
        prove(content, files)
    assert "fluentbit.extra" in caught.value.hint
    return caught.value.what.splitlines()


def test_what_is_rendered_is_proven() -> None:
    prove(fluent_bit(CONFIG), FILES)


@pytest.mark.parametrize("alias", ["events", "logs"])
def test_an_output_less_is_found_whichever_it_is(alias: str) -> None:
    content = copy.deepcopy(fluent_bit(CONFIG))
    outputs = content["pipeline"]["outputs"]
    content["pipeline"]["outputs"] = [output for output in outputs if output["alias"] != alias]

    tags = {"events": {"events"}, "logs": {"logs", "fluent-sidecar.tick", "fluent-sidecar.systemd"}}[alias]
    found = problems(content, FILES)
    assert {tag for tag in tags if any(f"tags '{tag}': Fluent Bit would drop it" in text for text in found)} == tags
    assert len(found) == sum(plugin["tag"] in tags for plugin in content["pipeline"]["inputs"])


@pytest.mark.parametrize(
    "output",
    [
        {"name": "stdout"},
        {"name": "stdout", "match": "other"},
        {"name": "stdout", "match": "a"},
        {"name": "stdout", "match": "a.b.c*"},
        {"name": "stdout", "match": "*.c"},
        {"name": "stdout", "match_regex": "^b"},
        {"name": "stdout", "match": "*", "match_regex": "x"},
    ],
    ids=str,
)
def test_an_output_that_does_not_match(output: dict[str, Any]) -> None:
    [text] = problems(pipeline(inputs=[{"name": "dummy", "tag": "a.b"}], outputs=[output]))
    assert text == "no output takes what the input dummy tags 'a.b': Fluent Bit would drop it"


@pytest.mark.parametrize(
    "output",
    [
        {"match": "a.b"},
        {"match": "*"},
        {"match": "a*"},
        {"match": "*b"},
        {"match": "a*.*b"},
        {"Match": "a.*"},
        {"match_regex": r"^(x|a\.b)$"},
        {"MATCH_REGEX": "b"},
    ],
    ids=str,
)
def test_an_output_that_matches(output: dict[str, Any]) -> None:
    assert matches(output, "a.b")
    prove(pipeline(inputs=[{"Name": "dummy", "TAG": "a.b"}], outputs=[{"name": "stdout", **output}]), set())


def test_a_dot_in_a_match_is_a_dot() -> None:
    assert not matches({"match": "a.b"}, "axb")


def test_an_input_without_a_tag_goes_nowhere() -> None:
    [text] = problems(pipeline(inputs=[{"name": "dummy"}], outputs=[{"name": "stdout", "match": "a"}]))
    assert "tags ''" in text


@pytest.mark.parametrize("kind", ["inputs", "filters"])
@pytest.mark.parametrize("parser", ["docker", ["known", "docker"]], ids=str)
def test_a_parser_that_is_not_there(kind: str, parser: object) -> None:
    content = {"parsers": [{"name": "known"}], **pipeline(outputs=[{"name": "stdout", "match": "*"}])}
    content["pipeline"][kind] = [{"name": "plugin", "tag": "a", "Parser": parser}]
    assert problems(content) == ["plugin names the parser 'docker', which is not there"]


def test_the_parser_of_events_is_needed() -> None:
    content = {**fluent_bit(CONFIG), "parsers": []}
    assert problems(content, FILES) == ["tail names the parser 'fluent-sidecar-event', which is not there"]


def test_the_filters_script_must_be_rendered() -> None:
    assert problems(fluent_bit(CONFIG)) == [
        f"lua names the script /run/fluent-sidecar/current/{ENTRY}, which is not rendered"
    ]


def test_a_script_of_the_users_own_is_the_users_business() -> None:
    prove(pipeline(filters=[{"name": "lua", "match": "a", "script": "/etc/mine.lua"}]), set())


def test_everything_is_told_at_once() -> None:
    inputs = [{"name": "dummy", "tag": "a"}, {"name": "mem", "tag": "b", "parser": "x"}]
    assert len(problems(pipeline(inputs=inputs))) == 3
