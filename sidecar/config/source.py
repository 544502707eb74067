"""Text of a YAML file -> plain data, with the place of every key and value.

PyYAML's own loading keeps the last of two equal keys and reads `no`, `012` and `1:30` as YAML 1.1 did, so the
nodes are composed by PyYAML and read here: only `true` and `false` are booleans, only decimal numbers are numbers.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from sidecar.errors import Problem

Path = tuple[str | int, ...]
Place = tuple[int, int]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+\Z")
_NULL = ("", "~", "null")
_MAX_NODES = 200_000
"""More than any real file has; aliases of aliases could else unfold into gigabytes."""


@dataclass
class Source:
    """What a file says.

    `data` is None where nothing could be read; `keys` and `values` hold the place (line, column; from 1) of each
    key and each value by its path, such as `("events", "retain")`.
    """

    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """The place of a path, or of the nearest of its parents that is in the file."""
        for end in range(len(path), -1, -1):
            for places in (self.keys, self.values) if of_key else (self.values, self.keys):
                if path[:end] in places:
                    return places[path[:end]]
        return (0, 0)


def dotted(path: Path) -> str:
    """A path as people write it: `events.include.namespaces[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_source(text: str) -> Source:
    """Read the text of one YAML document; what is wrong with its form is in the result's `problems`."""
    source = Source()
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        source.problems.append(_syntax_problem(error, text))
        return source
    except yaml.reader.ReaderError as error:
        # PyYAML gives no line, only a position.
        line = text.count("\n", 0, error.position) + 1
        source.problems.append(Problem(line, 1, "", f"the character {error.character!r} is not allowed in YAML"))
        return source
    if node is not None:
        _Reader(source).read(node, ())
    return source


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    lines = text.splitlines()
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in here[: max(column, 1)] or "'\\t'" in str(error.problem):
        return Problem(line, column, "", "a tab can't indent or separate in YAML; use spaces")
    if error.context and "single document" in error.context:
        return Problem(line, column, "", "a second document begins here; the file must hold one")
    what = ", ".join(str(part) for part in (error.context, error.problem) if part)
    return Problem(line, column, "", f"not YAML: {what}")


class _Reader:
    """Walks the composed nodes once, and fills a Source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: set[int] = set()
        self._count = 0

    def read(self, node: yaml.Node, path: Path) -> None:
        self._source.data = self._value(node, path)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._source.values[path] = place
        self._count += 1
        if id(node) in self._open or self._count > _MAX_NODES:
            self._problem(place, path, "this alias refers to itself" if id(node) in self._open else "too many values")
            return None
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._problem(place, path, f"the tag {node.tag} is not allowed")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, yaml.ScalarNode)
            return scalar(node.value, plain=not node.style)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            key = key_node.value
            if not isinstance(key, str):
                self._problem(place, path, "a key must be text")
                continue
            if key in found:
                first = self._source.keys[(*path, key)][0]
                self._problem(place, (*path, key), f"duplicate key; it is in line {first} already")
                continue
            self._source.keys[(*path, key)] = place
            found[key] = self._value(value_node, (*path, key))
        return found

    def _problem(self, place: Place, path: Path, text: str) -> None:
        self._source.problems.append(Problem(*place, dotted(path), text))


def scalar(text: str, *, plain: bool = True) -> str | int | float | bool | None:
    """The value of a scalar; one in quotes (not `plain`) is text whatever it looks like."""
    if not plain:
        return text
    if text in _NULL:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
