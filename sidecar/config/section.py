"""What the sections of pipeline.yaml have in common: strictness, defaults, and problems that name a key further in."""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sidecar.config.source import Path

Found = list[tuple[Path, str]]
"""What is wrong, each with the path of the key to look at, from the section that looks."""

_Item = TypeVar("_Item")

Many = Annotated[tuple[_Item, ...], Field(strict=False)]
"""A list in the file, which can't be changed once it is read."""


class Section(BaseModel):
    """A map in pipeline.yaml: strict, immutable, and without unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        # A key has one spelling: not `max_line` too.
        validate_by_name=False,
        # One build, of the outermost model, when it is first used: half of the time that a command needs to start.
        defer_build=True,
    )


def section(model: type[BaseModel]) -> Any:
    """A section that the file may leave out: all its defaults. Its model needs no build of its own for that."""
    return Field(default_factory=model.model_construct)


class Misfits(ValueError):  # noqa: N818 - several of them, and pydantic wants a ValueError
    """Values that are right by themselves but don't go together, each with the path of the key to look at.

    Raised by a section's validator; the paths begin at that section.
    """

    def __init__(self, found: Found) -> None:
        super().__init__("; ".join(text for _, text in found))
        self.found = found


def refuse(found: Found) -> None:
    """Raise `Misfits` if there are any."""
    if found:
        raise Misfits(found)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within a field's type, also where it may be missing or is in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from models_in(part)
