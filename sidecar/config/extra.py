"""The section `fluentbit.extra`: plugins of the user's own, beside the pipelines of this project."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from sidecar.config.section import Many, Section, refuse

Plugin = Mapping[str, Any]


class Extra(Section):
    """Plugins of one's own, as maps of Fluent Bit's properties; each needs `name`."""

    inputs: Many[Plugin] = ()
    """Inputs. Each needs a `tag` that doesn't begin with `events`, `logs` or `fluent-sidecar`, and that one of
    `outputs` matches: Fluent Bit deletes what nothing matches, without a word."""
    filters: Many[Plugin] = ()
    """Filters. Each needs a `match` that takes none of this project's own tags."""
    outputs: Many[Plugin] = ()
    """Outputs. Each needs a `match` that takes none of this project's own tags. A password or a token must be a
    `${VARIABLE}` of Fluent Bit's environment."""

    @model_validator(mode="after")
    def _check_plugins(self) -> Self:
        if self.inputs or self.filters or self.outputs:
            from sidecar.config.plugins import problems  # noqa: PLC0415 - its patterns cost milliseconds at every start

            refuse(problems(self.inputs, self.filters, self.outputs))
        return self
