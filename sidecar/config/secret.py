"""References to secrets: what pipeline.yaml holds in place of a password, and how it is read."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from sidecar.errors import SecretError

_MAX_BYTES = 64 * 1024


class SecretRef(BaseModel):
    """Where a secret is: `{env: NAME}` or `{file: /path}`. Never the secret itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    env: str | None = None
    """Name of an environment variable of the sidecar."""
    file: str | None = None
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
        if self.file is not None and not self.file.startswith("/"):
            raise ValueError("file must be an absolute path")
        return self


def resolve(reference: SecretRef, *, name: str) -> str:
    """Read a secret.

    Args:
        reference: Where it is.
        name: Its path in pipeline.yaml, for the message.

    Raises:
        SecretError: It isn't there, is empty, or isn't text.
    """
    if reference.env is not None:
        value = os.environ.get(reference.env, "")
        if not value:
            raise SecretError(
                f"{name}: the environment variable {reference.env} is not set", hint="set it, or use {file: }"
            )
        return value
    assert reference.file is not None
    try:
        with Path(reference.file).open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        value = raw.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SecretError(
            f"{name}: {reference.file} can't be read: {error.strerror}", hint="check path and owner"
        ) from error
    except UnicodeDecodeError:
        raise SecretError(f"{name}: {reference.file} is not UTF-8 text") from None
    if not value or len(raw) > _MAX_BYTES or "\n" in value or "\0" in value:
        raise SecretError(f"{name}: {reference.file} must hold one line of text")
    return value
