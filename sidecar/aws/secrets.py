"""User and password in a secret of AWS Secrets Manager, as JSON: `{"username": ..., "password": ...}`."""

import json
from typing import Any

from sidecar.aws.session import client, open_session, translated
from sidecar.config.oneline import one_line
from sidecar.errors import SecretError

_KEYS = ("username", "password")
_REGION = 3


class Secret:
    """A secret; not safe to use from several threads at once.

    Args:
        arn: Its ARN, which has its region.

    Raises:
        AwsError: botocore is not installed.
        SecretError: It is no ARN.
    """

    def __init__(self, arn: str) -> None:
        parts = arn.split(":")
        if len(parts) <= _REGION or parts[0] != "arn":
            raise SecretError(f"{arn} is no ARN of a secret", hint="arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME")
        self._arn, self._region = arn, parts[_REGION]
        self._session = open_session(self._region, needed_by="the secret with user and password")
        self._client: Any = None

    def read(self) -> tuple[str, str]:
        """User and password.

        Raises:
            SecretError: It isn't what it should be. What it is isn't repeated.
            AwsError: Secrets Manager can't be asked, or refused.
        """
        with translated(
            f"Secrets Manager in {self._region}, secret {self._arn}",
            allow=f"secretsmanager:GetSecretValue on {self._arn}, and kms:Decrypt where it has a key of your own",
        ):
            if self._client is None:
                self._client = client(self._session, "secretsmanager")
            answer = self._client.get_secret_value(SecretId=self._arn)
        try:
            content = json.loads(answer.get("SecretString") or "")
            found = [content[key] for key in _KEYS]
        except (ValueError, TypeError, LookupError):
            found = []
        if not found or not all(isinstance(value, str) for value in found):
            raise SecretError(
                f"the secret {self._arn} is not JSON with username and password, both text",
                hint='write {"username": "...", "password": "..."} into it',
            ) from None
        user, password = (one_line(value.encode(), f"the secret {self._arn}") for value in found)
        return user, password
