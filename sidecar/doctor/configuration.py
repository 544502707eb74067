"""pipeline.yaml, and the secrets that it refers to."""

from collections.abc import Iterator

from pydantic import BaseModel

from sidecar.config import Config, SecretRef, resolve
from sidecar.doctor.finding import Finding, fail, ok, warn
from sidecar.doctor.run import Area, Check
from sidecar.errors import SecretError
from sidecar.render.indices import families, index_pattern


def configuration_area(config: Config, file: str) -> Area:
    """Reads no server."""
    return Area(
        "Configuration",
        lambda: [
            Check(file, lambda: _file(config, file)),
            Check("secrets", lambda: list(_secrets(config))),
        ],
    )


def _file(config: Config, file: str) -> Finding:
    patterns = ", ".join(index_pattern(family) for family in families(config))
    text = f"cluster {config.cluster}; indices {patterns}"
    if unused := config.unused():
        return warn(file, text, f"has no effect, by what else the file says: {', '.join(unused)}")
    return ok(file, text)


def _secrets(config: Config) -> Iterator[Finding]:
    count = 0
    for path, reference in references(config):
        try:
            resolve(reference, name=path)
        except SecretError as error:
            yield fail("secrets", error.what, error.hint or "it must be one line of text")
        else:
            count += 1
    if count:
        yield ok("secrets", f"{count} can be read")


def references(section: BaseModel, path: str = "") -> Iterator[tuple[str, SecretRef]]:
    """Every reference to a secret below a section, with its path in the file."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        below = f"{path}{info.alias or name}"
        if isinstance(value, SecretRef):
            yield below, value
        elif isinstance(value, BaseModel):
            yield from references(value, f"{below}.")
