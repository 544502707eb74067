"""Parameters of the AWS Systems Manager Parameter Store, decrypted: one call for all of a path that are wanted."""

from collections.abc import Sequence
from typing import Any

from sidecar.aws.session import client, open_session, translated
from sidecar.config.oneline import one_line
from sidecar.errors import SecretError


class Parameters:
    """Some parameters below a path; not safe to use from several threads at once.

    Args:
        path: Such as `/my-cluster/opensearch`.
        names: What is wanted below it, such as `user`; ten at most.
        region: Of the parameters. AWS_ENDPOINT_URL_SSM and AWS_ENDPOINT_URL may say where it is.

    Raises:
        AwsError: botocore is not installed.
    """

    def __init__(self, path: str, names: Sequence[str], *, region: str) -> None:
        self._path, self._names, self._region = path, tuple(names), region
        self._session = open_session(region, needed_by="opensearch.auth.ssm")
        self._client: Any = None

    def read(self) -> dict[str, str]:
        """The value of each name.

        Raises:
            SecretError: One isn't there, is empty, or isn't one line of text.
            AwsError: SSM can't be asked, or refused.
        """
        wanted = [f"{self._path}/{name}" for name in self._names]
        resource = f"ssm:GetParameters on arn:aws:ssm:{self._region}:ACCOUNT:parameter{self._path}/*"
        with translated(
            f"SSM in {self._region}, parameters {', '.join(wanted)}",
            allow=f"{resource}, and kms:Decrypt where they are encrypted with a key of your own",
        ):
            if self._client is None:
                self._client = client(self._session, "ssm")
            answer = self._client.get_parameters(Names=wanted, WithDecryption=True)
        # A proxy's answer may be JSON and yet lack all of this.
        listed = answer.get("Parameters") or ()
        found = {str(one.get("Name")): str(one["Value"]) for one in listed if one.get("Value") is not None}
        missing = [name for name in wanted if name not in found]
        if missing:
            raise SecretError(
                f"opensearch.auth.ssm: there is no parameter {' and none '.join(missing)} in {self._region}",
                hint="create it, or check opensearch.auth.ssm.path and region",
            )
        return {
            name: one_line(found[full].removesuffix("\n").encode(), f"opensearch.auth.ssm: the parameter {full}")
            for name, full in zip(self._names, wanted, strict=True)
        }
