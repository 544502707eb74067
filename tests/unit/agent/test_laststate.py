"""What a sidecar leaves for the next one, and what the next one begins with."""

from pathlib import Path

import pytest

from sidecar.agent.first import choose
from sidecar.agent.laststate import LastState
from sidecar.config import Config, loads
from sidecar.errors import ConfigError, RenderError, SidecarError


def text(folder: Path, more: str = "") -> str:
    paths = f"paths: {{state: '{folder}/state', run: '{folder}/run'}}\n"
    return f"cluster: c\nopensearch: {{url: 'https://h'}}\n{paths}{more}"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("SIDECAR_STATE", f"{tmp_path}/state")
    return loads(text(tmp_path))


def test_the_layout_is_noted_once(tmp_path: Path, config: Config) -> None:
    for _ in range(2):
        LastState(config).check_version()
        LastState(config).note_version()
    assert (tmp_path / "state/version").read_text() == "1\n"


@pytest.mark.parametrize("known", ["2\n", "1.1", "x"])
def test_a_layout_of_another_version_is_refused(tmp_path: Path, config: Config, known: str) -> None:
    LastState(config).note_version()
    (tmp_path / "state/version").write_text(known)
    with pytest.raises(SidecarError, match="this version knows layout 1"):
        LastState(config).check_version()


def test_a_state_folder_that_can_not_be_written(tmp_path: Path, config: Config) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(SidecarError, match="File exists"):
        LastState(config).note_version()


def test_good_and_rejected_ones_are_kept(config: Config) -> None:
    state = LastState(config)
    assert (state.good(), state.rejected()) == (None, {})
    state.keep_good("text")
    state.keep_rejected("digest", "why")
    assert (LastState(config).good(), LastState(config).rejected()) == ("text", {"digest": "why"})


@pytest.mark.parametrize("content", ["", "[]", "{", "\udcff"])
def test_a_damaged_file_is_none(tmp_path: Path, config: Config, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/rejected.json").write_text(content, errors="surrogateescape")
    assert LastState(config).rejected() == {}


def test_it_begins_with_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(text(tmp_path))
    first = choose(str(file))
    assert (first.text, first.loaded.text, first.problem) == (file.read_text(), file.read_text(), "")


def test_a_bad_one_without_another_is_an_error(tmp_path: Path, config: Config) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("cluster: c\n")
    with pytest.raises(ConfigError, match="opensearch: is required"):
        choose(str(file))
    LastState(config).keep_good("of: another version")
    with pytest.raises(ConfigError, match="opensearch: is required"):
        choose(str(file))
    file.write_text(
        text(
            tmp_path,
            "fluentbit: {extra: {inputs: [{name: tail, tag: o, parser: p}], outputs: [{name: 'null', match: o}]}}\n",
        )
    )
    with pytest.raises(RenderError, match="tail names the parser 'p'"):
        choose(str(file))


def test_a_bad_one_and_the_last_that_worked(tmp_path: Path, config: Config) -> None:
    LastState(config).keep_good(text(tmp_path))
    file = tmp_path / "pipeline.yaml"
    file.write_text("cluster: c\n")
    first = choose(str(file))
    assert (first.loaded.text, first.text, first.kind) == (text(tmp_path), "cluster: c\n", "invalid")
    assert "opensearch: is required" in first.problem
    assert first.problem.endswith("The last configuration that worked is in force.")


def test_no_file_and_the_last_that_worked(tmp_path: Path, config: Config) -> None:
    LastState(config).keep_good(text(tmp_path))
    first = choose(str(tmp_path / "none.yaml"))
    assert first.text is None
    assert "there is no such file" in first.problem


def test_one_that_was_rejected_in_this_pod(tmp_path: Path, config: Config) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(text(tmp_path, "events: {retain: 9d}\n"))
    state = LastState(config)
    state.keep_rejected(choose(str(file)).loaded.digest, "it kills Fluent Bit")
    assert choose(str(file)).problem == "", "nothing else is there to begin with"
    state.keep_good(text(tmp_path))
    first = choose(str(file))
    assert (first.loaded.text, first.problem, first.kind) == (text(tmp_path), "it kills Fluent Bit", "rejected")
