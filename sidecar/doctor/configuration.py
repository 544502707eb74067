"""pipeline.yaml, and the secrets that it refers to."""

from collections.abc import Iterator

from pydantic import BaseModel

from sidecar.config import Config, SecretRef, resolve
from sidecar.doctor.finding import Finding, fail, ok, skip, warn
from sidecar.doctor.run import Area, Check
from sidecar.errors import SecretError
from sidecar.opensearch.manage.wording import some
from sidecar.render.indices import families, index_pattern

_SHOWN = 10
_OF_APPLY = ("opensearch.manage.", "dashboards.", "alerts.")
"""What only whoever puts things in place needs: for OpenSearch, for OpenSearch Dashboards, for channels."""
ELSEWHERE = "only sidecar apply needs it: it must be where that runs, and need not be here"
"""What to do about a secret of that kind where others than the sidecar put things in place."""


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
    patterns = [index_pattern(family) for family in families(config)]
    text = f"cluster {config.cluster}; indices {some(patterns, _SHOWN)}"
    if unused := config.unused():
        return warn(file, text, f"has no effect, by what else the file says: {', '.join(unused)}")
    return ok(file, text)


def _secrets(config: Config) -> Iterator[Finding]:
    found = list(references(config))
    lacking = dict(_unreadable(config))
    for path, error in lacking.items():
        if path.startswith(_OF_APPLY) and not config.opensearch.leader_manages:
            yield skip("secrets", error.what, ELSEWHERE)
        else:
            yield fail("secrets", error.what, error.hint or "it must be one line of text")
    if len(found) > len(lacking):
        yield ok("secrets", f"{len(found) - len(lacking)} can be read")


def managers_secret_lacks(config: Config) -> str:
    """Why a secret for putting things in place is not here, where that is nothing bad; empty where there is none."""
    if config.opensearch.leader_manages:
        return ""
    lacking = (error.what for path, error in _unreadable(config) if path.startswith(_OF_APPLY[:2]))
    return next(lacking, "")


def _unreadable(config: Config) -> Iterator[tuple[str, SecretError]]:
    for path, reference in references(config):
        try:
            resolve(reference, name=path)
        except SecretError as error:
            yield path, error


def references(section: BaseModel, path: str = "") -> Iterator[tuple[str, SecretRef]]:
    """Every reference to a secret below a section, with its path in the file."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        below = f"{path}{info.alias or name}"
        if isinstance(value, SecretRef):
            yield below, value
        elif isinstance(value, BaseModel):
            yield from references(value, f"{below}.")
