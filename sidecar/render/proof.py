"""What Fluent Bit does not check: it drops records that no output takes, and starts without a parser that is named."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sidecar.errors import RenderError

_ANY = "*"


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
    for plugin in pipeline["inputs"]:
        tag = str(plugin.get("tag", ""))
        if not any(matches(output, tag) for output in pipeline["outputs"]):
            yield f"no output takes what the input {plugin.get('name')} tags {tag!r}: Fluent Bit would drop it"


def matches(plugin: Mapping[str, Any], tag: str) -> bool:
    """Whether a filter or an output takes records of a tag, as Fluent Bit decides it."""
    regex, glob = plugin.get("match_regex"), plugin.get("match")
    if regex is not None:
        return re.search(str(regex), tag) is not None
    if glob is None:
        return False
    return re.fullmatch(".*".join(map(re.escape, str(glob).split(_ANY))), tag) is not None


def _missing(content: Mapping[str, Any], files: Collection[str]) -> Iterator[str]:
    parsers = {parser["name"] for parser in content.get("parsers", ())}
    for plugin in (plugin for kind in ("inputs", "filters") for plugin in content["pipeline"][kind]):
        parser, script = plugin.get("parser"), plugin.get("script")
        if parser is not None and parser not in parsers:
            yield f"{plugin['name']} names the parser {parser!r}, which is not there"
        if script is not None and script not in files and plugin.get("alias") == "logs":
            yield f"{plugin['name']} names the script {script}, which is not rendered"
