"""pipeline.yaml that is replaced, written in place, removed; and what of it can take effect."""

from pathlib import Path

import pytest

from sidecar.agent.configfile import ConfigFile, pinned, same
from sidecar.config import loads
from sidecar.errors import ConfigError

BASE = "cluster: c\nopensearch: {url: 'https://h'}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "pipeline.yaml"
    made.write_text("one")
    return made


def polls(file: ConfigFile, count: int = 3) -> list[object]:
    return [file.poll() for _ in range(count)]


def test_what_is_known_is_no_news(path: Path) -> None:
    assert polls(ConfigFile(str(path), "one")) == [None, None, None]


def test_a_change_is_told_once_when_two_looks_agree(path: Path) -> None:
    file = ConfigFile(str(path), "one")
    file.poll()
    path.write_text("two")
    assert polls(file) == [None, "two", None]


def test_a_file_that_is_still_being_written_is_waited_for(path: Path) -> None:
    file = ConfigFile(str(path), "one")
    for text in ("t", "tw", "two"):
        path.write_text(text)
        assert file.poll() is None
    assert file.poll() == "two"


def test_a_change_that_is_taken_back_at_once(path: Path) -> None:
    file = ConfigFile(str(path), "one")
    path.write_text("two")
    assert file.poll() is None
    path.write_text("one")
    assert polls(file) == [None, None, None]


def test_the_links_of_a_config_map(tmp_path: Path) -> None:
    # As the kubelet does it: pipeline.yaml -> ..data/pipeline.yaml, ..data -> a folder, replaced as a whole.
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pipeline.yaml").write_text(name)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "pipeline.yaml").symlink_to("..data/pipeline.yaml")
    file = ConfigFile(str(tmp_path / "pipeline.yaml"), "one")
    assert polls(file) == [None, None, None]
    (tmp_path / "..data.new").symlink_to("two")
    (tmp_path / "..data.new").replace(tmp_path / "..data")
    assert polls(file) == [None, "two", None]


def test_a_file_that_goes_and_comes_back(path: Path) -> None:
    file = ConfigFile(str(path), "one")
    path.unlink()
    first, gone, later = polls(file)
    assert (first, later) == (None, None)
    assert isinstance(gone, ConfigError)
    assert "there is no such file" in str(gone)
    path.write_text("one")
    assert polls(file) == [None, "one", None]


def test_a_file_that_could_not_be_read_is_no_news(path: Path) -> None:
    path.unlink()
    file = ConfigFile(str(path))
    assert polls(file) == [None, None, None]
    path.write_text("one")
    assert polls(file) == [None, "one", None]


def test_folders_and_ports_wait_for_a_new_pod() -> None:
    present = loads(BASE)
    wanted = loads(
        f"{BASE}agent: {{port: 2020}}\nfluentbit: {{port: 2021, version: 5.1.2}}\npaths: {{run: /r}}\n"
        "events: {retain: 9d}\n"
    )
    config, keys = pinned(wanted, present)
    assert keys == ("paths.run", "agent.port", "fluentbit.port")
    assert (config.paths, config.agent) == (present.paths, present.agent)
    assert (config.fluentbit.port, config.fluentbit.version) == (2020, "5.1.2")
    assert config.events.retain == wanted.events.retain


def test_nothing_waits_where_nothing_of_the_pod_differs() -> None:
    wanted = loads(f"{BASE}events: {{retain: 9d}}\n")
    assert pinned(wanted, loads(BASE)) == (wanted, ())


def test_a_comment_or_a_default_that_is_written_out_means_the_same() -> None:
    assert same(loads(BASE), loads(f"# hello\n{BASE}fluentbit: {{port: 2020}}\n"))
    assert not same(loads(BASE), loads(f"{BASE}events: {{retain: 9d}}\n"))
