"""References to secrets: what pipeline.yaml holds in place of a password, and how it is read."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from sidecar.config.oneline import MAX_BYTES, one_line
from sidecar.config.units import Given
from sidecar.errors import SecretError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class SecretRef(BaseModel):
    """Where a secret is: `{env: NAME}` or `{file: /path}`. Never the secret itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    env: Annotated[str | None, Given] = None
    """Name of an environment variable of the sidecar."""
    file: Annotated[str | None, Given] = None
    """Absolute path of a file that holds the secret alone; one newline at its end is not part of it."""

    @model_validator(mode="before")
    @classmethod
    def _never_literal(cls, value: Any) -> Any:
        if not isinstance(value, (dict, SecretRef)):
            # The text could be the secret, so it is not repeated.
            raise ValueError("a secret is never written in the file; write {env: NAME} or {file: /path}")  # noqa: TRY004 - pydantic wants it
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("exactly one of env and file is needed")
        # Neither is repeated: it could be the secret.
        if self.env is not None and not _VARIABLE.match(self.env):
            raise ValueError("env must be the name of a variable: letters, digits and '_'")
        if self.file is not None and not (self.file.startswith("/") and self.file.isprintable()):
            raise ValueError("file must be an absolute path")
        return self


def resolve(reference: SecretRef, *, name: str) -> str:
    """Read a secret.

    Args:
        reference: Where it is.
        name: Its path in pipeline.yaml, for the message.

    Raises:
        SecretError: It isn't there, is empty, or isn't one line of text.
    """
    if reference.env is not None:
        where, raw = f"the environment variable {reference.env}", os.environb.get(reference.env.encode())
        if not raw:
            raise SecretError(f"{name}: {where} is not set, or empty", hint="set it, or use {file: /path}")
        return one_line(raw, f"{name}: {where}")
    assert reference.file is not None
    try:
        with Path(reference.file).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise SecretError(
            f"{name}: {reference.file} can't be read: {error.strerror}",
            hint="check the path; is it a key of the Secret?" if missing else "check path, owner and mode",
        ) from error
    return one_line(raw.removesuffix(b"\n").removesuffix(b"\r"), f"{name}: {reference.file}")
