"""The rendered files as they were when somebody last looked, and what is true of them whatever the YAML says."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import sidecar.render
from sidecar.config import Config, load, loads
from sidecar.render import MANIFEST, render
from sidecar.render.fluentbit import variables
from sidecar.render.lua import ENTRY, SETTINGS
from sidecar.render.proof import matches
from tests.support.golden import check_golden
from tests.support.lua import LuaJit

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/pipeline.yaml"))
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
FILES = [*(case / "pipeline.yaml" for case in CASES), *EXAMPLES]

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")


def fluent_bit(config: Config) -> dict[str, Any]:
    document = yaml.safe_load(render(config)["fluent-bit.yaml"])
    assert isinstance(document, dict)
    return document


def strings(value: Any) -> Iterator[str]:
    """Every text in a document, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path, monkeypatch: pytest.MonkeyPatch, *, update_golden: bool) -> None:
    # A release changes its version alone, and work on the filter its own files: not these.
    for module in (sidecar.render, sidecar.render.templates):
        monkeypatch.setattr(module, "__version__", "0.0.0")
    monkeypatch.setattr(sidecar.render, "_HEADER", sidecar.render._HEADER.replace(sidecar.__version__, "0.0.0"))
    monkeypatch.setattr(sidecar.render, "scripts", lambda: {ENTRY: "-- The filter: see the folder fluentbit.\n"})
    # 130 KB, whose panels are tested one by one.
    monkeypatch.setattr(sidecar.render, "ndjson", lambda objects: f"{len(objects)} saved objects\n")

    check_golden(case / "rendered", render(load(str(case / "pipeline.yaml"))), update=update_golden)


def test_the_golden_cases_and_examples_are_found() -> None:
    assert {case.name for case in CASES} == {"full", "minimal", "oldest"}
    assert {path.name for path in EXAMPLES} >= {"minimal.yaml", "production.yaml", "archive.yaml"}


def test_the_full_case_has_every_key_and_no_default() -> None:
    given = load(str(GOLDEN / "full/pipeline.yaml")).model_dump(by_alias=True)
    defaults = loads("cluster: c\nopensearch: {url: 'http://h'}").model_dump(by_alias=True)

    def same(one: Any, other: Any, path: str = "") -> list[str]:
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            return [found for key in one for found in same(one[key], other[key], f"{path}.{key}")]
        return [path] if one == other else []

    # Without verification there is no CA, without logs nothing of them; and there is one kind of credentials.
    others = [f".opensearch.auth.{kind}" for kind in ("mtls", "sigv4", "ssm")]
    assert same(given, defaults) == [*others, ".opensearch.tls.verify", ".logs.enabled"]


@every_file
def test_the_same_bytes_again(file: Path) -> None:
    assert list(render(load(str(file))).items()) == list(render(load(str(file))).items())


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_same_bytes_in_another_process(seed: str) -> None:
    file = GOLDEN / "full/pipeline.yaml"
    code = (
        "import hashlib, json, sys; from sidecar.config import load; from sidecar.render import render;"
        "print(hashlib.sha256(json.dumps(list(render(load(sys.argv[1])).items())).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], env=environment, capture_output=True, text=True, check=True
    )

    here = json.dumps(list(render(load(str(file))).items()))
    assert done.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()


@every_file
def test_a_comment_changes_nothing(file: Path) -> None:
    text = file.read_text()

    assert render(loads(f"# a comment\n{text}\n# another\n")) == render(loads(text))


@every_file
def test_the_manifest_holds_the_hash_of_every_other_file(file: Path) -> None:
    files = render(load(str(file)))
    manifest = json.loads(files.pop(MANIFEST))

    assert manifest["files"] == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    assert manifest["version"] == sidecar.__version__


def test_the_manifest_tells_another_configuration() -> None:
    # `manage` is in no other file.
    text = "cluster: c\nopensearch: {url: 'http://h', manage: %s}"
    one, other = render(loads(text % "true")), render(loads(text % "false"))

    assert one[MANIFEST] != other[MANIFEST]
    assert {**one, MANIFEST: ""} == {**other, MANIFEST: ""}


@every_file
def test_paths_stay_in_the_folder_and_texts_end_with_a_newline(file: Path) -> None:
    for path, text in render(load(str(file))).items():
        assert re.fullmatch(r"[a-z0-9._-]+(/[a-z0-9._-]+)*\.(yaml|json|lua|ndjson)", path)
        assert ".." not in path
        assert text.endswith("\n")
        assert "\r" not in text


@every_file
def test_every_file_is_valid(file: Path) -> None:
    lua = LuaJit()
    for path, text in render(load(str(file))).items():
        if path.endswith(".lua"):
            assert lua.eval("loadstring")(text.encode()) is not None, path
        else:
            documents = text.splitlines() if path.endswith(".ndjson") else [text]
            for document in documents:
                assert isinstance(yaml.safe_load(document) if path.endswith(".yaml") else json.loads(document), dict)


def test_the_filter_is_rendered_as_it_is_in_its_folder() -> None:
    rendered = {path: text for path, text in render(load(str(FILES[0]))).items() if path.startswith("lua/")}
    rendered.pop(SETTINGS)
    assert rendered == {f"lua/{path.name}": path.read_text() for path in (ROOT / "fluentbit").glob("*.lua")}
    assert ENTRY in rendered


@every_file
def test_no_yaml_anchors_which_fluent_bit_can_not_read(file: Path) -> None:
    tokens = yaml.scan(render(load(str(file)))["fluent-bit.yaml"])

    assert [token for token in tokens if isinstance(token, (yaml.AnchorToken, yaml.AliasToken))] == []


@every_file
def test_no_secret_is_rendered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = render(load(str(file)))
    for name in ("OPENSEARCH_USER", "OPENSEARCH_PASSWORD"):
        monkeypatch.setenv(name, "hunter2")
    files = render(load(str(file)))

    assert files == before
    assert "hunter2" not in "".join(files.values())


@every_file
def test_every_variable_that_is_used_is_declared_and_the_other_way(file: Path) -> None:
    config = load(str(file))
    document = fluent_bit(config)
    environment = document.pop("env")
    declared = [entry["name"] for entry in environment]
    from_sidecar = {entry["name"] for entry in environment if "uri" in entry}
    # The user's own plugins have variables of their own.
    own = {kind: [part for part in parts if part.get("alias")] for kind, parts in document.pop("pipeline").items()}
    used = {name for text in strings([document, own]) for name in re.findall(r"\$\{(\w+)\}", text)}

    assert len(declared) == len(set(declared))
    assert from_sidecar == used == set(variables(config))
    # The others are signs that a password can hold, and are used in its file.
    assert {entry["name"]: entry["value"] for entry in environment if "value" in entry} == (
        {"DOLLAR": "$", "BRACE": "}"} if config.opensearch.auth.basic else {}
    )


@every_file
def test_every_tag_has_an_output_and_every_match_a_tag(file: Path) -> None:
    pipeline = fluent_bit(load(str(file)))["pipeline"]
    tags = {part.get("tag") or part["Tag"] for part in pipeline["inputs"]}

    for tag in tags:
        assert [part["name"] for part in pipeline["outputs"] if matches(part, tag)], tag
    for part in (*pipeline["filters"], *pipeline["outputs"]):
        assert any(matches(part, tag) for tag in tags), part


@every_file
def test_every_parser_that_is_named_exists(file: Path) -> None:
    document = fluent_bit(load(str(file)))
    named = {part["parser"] for part in document["pipeline"]["inputs"] if "parser" in part}

    assert named == {part["name"] for part in document["parsers"]}


@every_file
def test_aliases_are_unique(file: Path) -> None:
    pipeline = fluent_bit(load(str(file)))["pipeline"]
    for kind in ("inputs", "outputs"):
        aliases = [part["alias"] for part in pipeline[kind] if "alias" in part]
        assert len(aliases) == len(set(aliases)) > 0
