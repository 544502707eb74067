"""Text of a YAML file -> plain data, with the place of every key and value.

PyYAML's own loading keeps the last of two equal keys and reads `no`, `012` and `1:30` as YAML 1.1 did, so the
nodes are composed by PyYAML and read here: only `true` and `false` are booleans, only decimal numbers are numbers.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

from sidecar.config.show import quoted
from sidecar.errors import Problem

Path = tuple[str | int, ...]
Place = tuple[int, int]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+\Z")
_NULL = ("", "~", "null")
_MAX_NODES = 200_000
"""More than any real file has; aliases of aliases could else unfold into gigabytes."""
_MAX_DEPTH = 40
_HARMLESS = 100
"""A file with fewer signs that begin a map or a list can't nest deeply enough to do harm."""
_MAX_DIGITS = 300
_PLAIN_KEY = re.compile(r"[^\s.\[\]\"]{1,60}\Z")
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp")
)
_TEXT_TAG = "tag:yaml.org,2002:str"
_TOO_DEEP = "maps and lists are nested too deeply"
# The characters that YAML 1.1 allows, and no others; a byte order mark at the start is skipped by the parser.
_NOT_ALLOWED = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff\ufeff]|(?<!\A)\ufeff"
)


@dataclass
class Source:
    """What a file says.

    `data` is None where nothing could be read; `keys` and `values` hold the place (line, column; from 1) of each
    key and each value by its path, such as `("events", "retain")`; `unread` those of values that are None in `data`
    because they could not be read.
    """

    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)

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
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _PLAIN_KEY.match(part) and part.isprintable() else quoted(part)
            text += f".{key}" if text else key
    return text


def read_source(text: str) -> Source:
    """Read the text of one YAML document; what is wrong with its form is in the result's `problems`."""
    source = Source()
    # Looked for here, because PyYAML tells neither its line nor, at times, which one it is.
    bad = _NOT_ALLOWED.search(text)
    if bad:
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        source.problems.append(Problem(line, column, "", f"the character U+{ord(bad[0]):04X} is not allowed in YAML"))
        return source
    try:
        deep = _too_deep(text)
        if deep:
            source.problems.append(deep)
            return source
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        source.problems.append(_syntax_problem(error, text))
        return source
    if node is not None:
        _Reader(source).read(node)
    return source


def _too_deep(text: str) -> Problem | None:
    """What would overflow the stack of PyYAML's C loader, which ends the process."""
    if sum(map(text.count, "[{-?:")) < _HARMLESS:
        return None
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            mark = event.start_mark
            assert mark is not None
            return Problem(mark.line + 1, mark.column + 1, "", _TOO_DEEP)
    return None


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


class _TooMuchError(Exception):
    """Reading ends here: the rest would only be more of the same."""


class _Reader:
    """Walks the composed nodes once, and fills a Source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: set[int] = set()
        self._count = 0

    def read(self, node: yaml.Node) -> None:
        with suppress(_TooMuchError):
            self._source.data = self._value(node, ())

    def _value(self, node: yaml.Node, path: Path) -> Any:
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._source.values[path] = place
        self._count += 1
        if self._count > _MAX_NODES or len(path) > _MAX_DEPTH:
            self._problem(place, (), _TOO_DEEP if len(path) > _MAX_DEPTH else "there are too many values, or aliases")
            raise _TooMuchError
        if id(node) in self._open:
            return self._unread(place, path, "this alias refers to itself")
        if node.tag not in _TAGS or (isinstance(node, yaml.ScalarNode) and node.style and node.tag != _TEXT_TAG):
            # Not repeated: a password may begin with an exclamation mark.
            return self._unread(place, path, "a tag is not allowed; text that begins with '!' needs quotes")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, yaml.ScalarNode)
            return scalar(node.value, plain=node.tag != _TEXT_TAG)
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

    def _unread(self, place: Place, path: Path, text: str) -> None:
        self._source.unread.add(path)
        self._problem(place, path, text)

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
    if len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
