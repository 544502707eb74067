"""The JSON Schema of pipeline.yaml, made from the models, for editors, the chart and the reference.

The descriptions are the texts below the fields. They are read from the source, here and only here: pydantic can do it
too, but for every command at its start, which takes longer than all the rest of it.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic import BaseModel

from sidecar.config.model import Config
from sidecar.config.section import models_in
from sidecar.config.units import DURATION_PATTERN, SIZE_PATTERN, format_duration, format_size

Json = dict[str, Any]


def json_schema() -> Json:
    """The schema, draft 2020-12."""
    raw = Config.model_json_schema(by_alias=True)
    known = {model.__name__: model for model in models(Config)}
    for name, definition in {Config.__name__: raw, **raw["$defs"]}.items():
        _describe(definition, known[name])
    raw["$defs"]["SecretRef"]["oneOf"] = [{"required": ["env"]}, {"required": ["file"]}]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pipeline.yaml of fluent-sidecar"}
    return head | {key: value for key, value in raw.items() if key != "title"}


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all those in it, each once."""
    seen = [model]
    for outer in seen:
        for info in outer.model_fields.values():
            seen += [kind for kind in models_in(info.annotation) if kind not in seen]
    yield from seen


def _describe(definition: Json, model: type[BaseModel]) -> None:
    definition.pop("title", None)
    texts = field_texts(model)
    for name, info in model.model_fields.items():
        key = info.alias or name
        entry = _without_null(definition["properties"][key])
        entry.pop("title", None)
        default = info.get_default() if not info.is_required() and info.default_factory is None else None
        if default is not None:
            entry["default"] = _as_written(entry, default)
        else:
            entry.pop("default", None)
        definition["properties"][key] = {"description": texts[name], **entry}


def _without_null(entry: Json) -> Json:
    """What may be left out may not be empty either."""
    kinds: list[Json] = [kind for kind in entry.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return entry
    return {key: value for key, value in entry.items() if key != "anyOf"} | kinds[0]


def _as_written(entry: Json, default: Any) -> Any:
    """A default as it would be in the file."""
    if entry.get("pattern") == SIZE_PATTERN:
        return format_size(default)
    if entry.get("pattern") == DURATION_PATTERN:
        assert isinstance(default, timedelta)
        return format_duration(default)
    return list(default) if isinstance(default, tuple) else default


@cache
def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field of a model, by the field's name; that of the model it comes from where it has none."""
    texts: dict[str, str] = {}
    for base in model.__bases__:
        if issubclass(base, BaseModel) and base is not BaseModel:
            texts |= field_texts(base)
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            texts[field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return texts
