from pathlib import Path

import pytest

from sidecar.errors import KubernetesError
from sidecar.kube.context import context_namespace

_FILE = """
current-context: dev
contexts:
- {name: dev, context: {cluster: c, namespace: shop}}
- {name: bare, context: {cluster: c}}
"""


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config"
    file.write_text(_FILE)
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))
    return file


def test_it_is_the_current_contexts_or_that_of_the_one_that_is_named() -> None:
    assert context_namespace() == "shop"
    assert context_namespace(context="bare") == "default"


def test_of_several_files_the_first_that_says_something_counts(tmp_path: Path, kubeconfig: Path) -> None:
    other = tmp_path / "other"
    other.write_text("current-context: bare\n")
    assert context_namespace(f"/nowhere:{other}:{kubeconfig}") == "default"


def test_without_a_kubeconfig_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert context_namespace() is None
    monkeypatch.delenv("KUBECONFIG")
    assert context_namespace() is None


@pytest.mark.parametrize("content", ["", "[]", "contexts: 7", "contexts: [7, {name: x}]", "current-context: x"])
def test_an_odd_file_names_none(kubeconfig: Path, content: str) -> None:
    kubeconfig.write_text(content)
    assert context_namespace() is None


def test_what_was_asked_for_and_is_not_there_is_named(kubeconfig: Path) -> None:
    with pytest.raises(KubernetesError, match="no context 'other'"):
        context_namespace(context="other")
    with pytest.raises(KubernetesError, match="/nowhere: there is no such file"):
        context_namespace("/nowhere")
    kubeconfig.write_text("{")
    with pytest.raises(KubernetesError, match="can't be read as a kubeconfig"):
        context_namespace()
