"""Short pipeline.yaml files, and the messages that wrong ones bring."""

import pytest

from sidecar.config import Config, loads
from sidecar.errors import ConfigError


def document(**sections: str) -> str:
    """A file with `opensearch` and further sections, each the inside of a flow map."""
    opensearch = sections.pop("opensearch", "url: 'https://h:9200'")
    lines = [f"cluster: {sections.pop('cluster', 'c')}", f"opensearch: {{{opensearch}}}"]
    return "\n".join([*lines, *(f"{name}: {{{text}}}" for name, text in sections.items())])


def config(**sections: str) -> Config:
    """The configuration that such a file makes."""
    return loads(document(**sections))


def all_refused(**sections: str) -> list[str]:
    """The messages that a document brings, without their places."""
    with pytest.raises(ConfigError) as caught:
        loads(document(**sections))
    assert all(problem.line > 0 for problem in caught.value.problems)
    return [f"{problem.path}: {problem.text}" for problem in caught.value.problems]


def refused(**sections: str) -> str:
    """The one message that a document brings, without its place."""
    [message] = all_refused(**sections)
    return message
