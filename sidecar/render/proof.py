"""What Fluent Bit does not check: it drops records that no output takes, and starts without a parser that is named."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sidecar.config import globs
from sidecar.errors import RenderError
from sidecar.render.tailing import LOGS


def prove(content: Mapping[str, Any], files: Collection[str]) -> None:
    """See that every input has an output, and that whatever is named is there.

    Args:
        content: A configuration of Fluent Bit, as data.
        files: Paths of the files that are rendered beside it.

    Raises:
        RenderError: With everything that is wrong.
    """
    problems = [*_unrouted(content["pipeline"]), *_missing(content, files)]
    if problems:
        raise RenderError("\n".join(problems), hint="see fluentbit.extra in pipeline.yaml")


def _unrouted(pipeline: Mapping[str, Any]) -> Iterator[str]:
    for plugin in map(lowered, pipeline["inputs"]):
        tag = str(plugin.get("tag", ""))
        if not any(matches(output, tag) for output in pipeline["outputs"]):
            yield f"no output takes what the input {plugin['name']} tags {tag!r}: Fluent Bit would drop it"


def lowered(plugin: Mapping[str, Any]) -> dict[str, Any]:
    """A plugin with its keys as Fluent Bit reads them: case makes no difference."""
    return {key.lower(): value for key, value in plugin.items()}


def matches(plugin: Mapping[str, Any], tag: str) -> bool:
    """Whether a filter or an output takes records of a tag, as Fluent Bit decides it."""
    plugin = lowered(plugin)
    regex, glob = plugin.get("match_regex"), plugin.get("match")
    if regex is not None:
        return re.search(str(regex), tag) is not None
    if glob is None:
        return False
    return globs.matches(str(glob), tag)


def _missing(content: Mapping[str, Any], files: Collection[str]) -> Iterator[str]:
    parsers = {parser["name"] for parser in content.get("parsers", ())}
    pipeline = content["pipeline"]
    for plugin in map(lowered, [*pipeline["inputs"], *pipeline["filters"]]):
        for parser in _several(plugin.get("parser")):
            if parser not in parsers:
                yield f"{plugin['name']} names the parser {parser!r}, which is not there"
        script = plugin.get("script")
        # Scripts of the user's own are somewhere else on the node.
        if script is not None and plugin.get("alias") == LOGS and script not in files:
            yield f"{plugin['name']} names the script {script}, which is not rendered"


def _several(value: Any) -> list[Any]:
    """A property that may be there several times."""
    return value if isinstance(value, list) else [] if value is None else [value]
