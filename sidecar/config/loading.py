"""Load pipeline.yaml: every problem at once, each with its place, what was found, and what is allowed."""

from difflib import get_close_matches
from pathlib import Path as File
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sidecar.config.logs import PRESET_TAG, RULE_TAG
from sidecar.config.model import Config, section_at
from sidecar.config.opensearch import MANAGER_TAG, SWITCH_TAG
from sidecar.config.secret import SecretRef
from sidecar.config.section import Misfits
from sidecar.config.show import shown
from sidecar.config.source import Path, Source, dotted, read_source
from sidecar.errors import ConfigError, Problem

SMALLEST = "the smallest file is 'cluster: NAME' and, below 'opensearch:', 'url: ADDRESS'"
_MAX_BYTES = 4 * 1024 * 1024
_KINDS = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
_BOUNDS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def load(file: str) -> Config:
    """Read and check a file.

    Raises:
        ConfigError: With all its problems; `exit_code` 2.
    """
    return loads(read_text(file), file=file)


def loads(text: str, *, file: str = "pipeline.yaml") -> Config:
    """Check the text of a file; `file` is its name in messages.

    Raises:
        ConfigError: With all its problems.
    """
    source = read_source(text)
    problems = list(source.problems)
    if not problems and source.data is None:
        raise ConfigError(file, [Problem(0, 0, "", f"is empty; {SMALLEST}")])
    config = None
    if source.data is not None:
        try:
            config = Config.model_validate(source.data)
        except ValidationError as error:
            # `input` and `ctx` stay inside: an input could be a password in the wrong place.
            details = error.errors(include_url=False)
            problems += [found for detail in details for found in _problems(detail, source)]
    if problems or config is None:
        raise ConfigError(file, problems)
    return config


def read_text(file: str) -> str:
    """The text of a file.

    Raises:
        ConfigError: It can't be read, or is no text.
    """

    def refuse(text: str) -> ConfigError:
        return ConfigError(file, [Problem(0, 0, "", text)])

    try:
        with File(file).open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse("there is no such file") from None
    except IsADirectoryError:
        raise refuse("is a folder; name the file in it") from None
    except OSError as error:
        raise refuse(f"can't be read: {error.strerror}") from error
    if len(raw) > _MAX_BYTES:
        raise refuse(f"is larger than {_MAX_BYTES // 2**20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, [Problem(line, 1, "", "is not UTF-8 text")]) from None


def _problems(detail: ErrorDetails, source: Source) -> list[Problem]:
    path = _path(tuple(detail["loc"]))
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, Misfits):
        found = [((*path, *inner), text) for inner, text in error.found]
        return [Problem(*source.place(at), dotted(at), text) for at, text in found if at not in source.unread]
    return [] if path in source.unread else [_problem(detail, path, source)]


def _path(loc: Path) -> Path:
    """The path in the file: without what pydantic adds to say of which kind an item is, or that a key is meant."""
    loc = loc[:-1] if loc[-1:] == ("[key]",) else loc
    return tuple(
        part
        for before, part in zip((None, *loc), loc, strict=False)
        if not (isinstance(before, int) and part in {PRESET_TAG, RULE_TAG})
        and not (before == "manage" and part in {SWITCH_TAG, MANAGER_TAG})
    )


def _problem(detail: ErrorDetails, path: Path, source: Source) -> Problem:
    kind = detail["type"]
    if kind == "extra_forbidden":
        key, parent = str(path[-1]), path[:-1]
        # `{hunter2}` is a map with a key: where a secret belongs, not even a key is repeated.
        named = parent if section_at(parent) is SecretRef else path
        return Problem(*source.place(path, of_key=True), dotted(named), _unknown_key(key, parent))
    if kind == "missing":
        return Problem(*source.place(path[:-1]), dotted(path), "is required")
    return Problem(*source.place(path), dotted(path), _text_of(detail))


def _unknown_key(key: str, parent: Path) -> str:
    model = section_at(parent)
    allowed = [info.alias or name for name, info in model.model_fields.items()] if model else []
    close = get_close_matches(key.lower(), {name.lower(): name for name in allowed}, n=1, cutoff=0.6)
    if close:
        wanted = next(name for name in allowed if name.lower() == close[0])
        return f'unknown key; did you mean "{wanted}"?'
    return f"unknown key; allowed are {', '.join(allowed)}" if allowed else "unknown key"


def _text_of(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if kind in _KINDS:
        # Text where a map belongs is not repeated: it could be `user:password`.
        found = "text" if _KINDS[kind] in {"a map", "a list"} and isinstance(value, str) else shown(value)
        text = f"expected {_KINDS[kind]}, found {found}"
        return f"{text}; put it in quotes" if kind == "string_type" and isinstance(value, int | float) else text
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "literal_error":
        return _not_one_of(detail["ctx"]["expected"], value)
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"must be {words} {detail['ctx'][bound]}, found {shown(value)}"
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, found {shown(value)}"


def _not_one_of(expected: str, value: Any) -> str:
    allowed = expected.replace("'", "").replace(" or ", ", ").split(", ")
    either = " or ".join(part for part in (", ".join(allowed[:-1]), allowed[-1]) if part)
    text = f"expected {either}, found {shown(value)}"
    close = get_close_matches(value, allowed, n=1) if isinstance(value, str) else []
    return f'{text}; did you mean "{close[0]}"?' if close else text
