"""What the Lambda function has to know, as JSON in a variable: what `sidecar render-config` makes of pipeline.yaml.

No secret is in it. No model: the function has no pydantic.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.errors import SidecarError

VARIABLE = "FLUENT_SIDECAR_SETTINGS"
"""Name of the variable."""
SECRET_VARIABLE = "OPENSEARCH_SECRET_ARN"  # noqa: S105 - where it is
"""Name of the variable with the ARN of the secret that has user and password."""
_FORM = 1


@dataclass(frozen=True)
class Settings:
    """What the function has to know.

    Attributes:
        cluster: Name of the cluster, on every document.
        index: First part of the index's name.
        rotate: How often a new index begins: daily, monthly, never.
        template: Name of the index template, without which nothing is written.
        components: What is taken of the known components.
        url: Where OpenSearch is; empty where the parameter `host` says it.
        verify: Whether its certificate is checked.
        private_ca: Whether its certificate is signed by the CA whose certificate is in the deployment package.
        auth: One of `ssm` (path, region), `sigv4` (region, service, roleArn) and `secret`; or nothing.
    """

    cluster: str
    index: str
    rotate: str
    template: str
    components: tuple[str, ...]
    url: str = ""
    verify: bool = True
    private_ca: bool = False
    auth: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """As `from_json` reads it."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps({"form": _FORM, **content}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """What the variable says.

        Raises:
            SidecarError: It isn't set, or was made by another version.
        """
        hint = "deploy controlplane/template.json as this version of `sidecar render-config` writes it"
        if not text:
            raise SidecarError(f"the variable {VARIABLE} is not set", hint=hint)
        try:
            content = json.loads(text)
            form = content.pop("form")
            if form != _FORM:
                raise SidecarError(f"the variable {VARIABLE} has form {form}, not {_FORM}", hint=hint)
            return cls(**{**content, "components": tuple(content["components"])})
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise SidecarError(f"the variable {VARIABLE} is not what it should be: {error}", hint=hint) from error
