"""Signature Version 4 on requests to an Amazon OpenSearch Service domain."""

from functools import partial
from typing import Any

from sidecar.aws.session import no_credentials, open_session, translated

_SESSION_NAME = "fluent-sidecar"


class Signer:
    """Signs requests with AWS credentials, which are renewed before they expire; safe to use from several threads.

    Args:
        region: Of the domain.
        service: Its name in the signature: es.
        role_arn: A role to assume first, by STS.

    Raises:
        AwsError: botocore is not installed.
    """

    def __init__(self, region: str, service: str, role_arn: str | None = None) -> None:
        self._region, self._service, self._role_arn = region, service, role_arn
        self._session = open_session(region, needed_by="opensearch.auth.sigv4")
        self._assumed: Any = None

    def __call__(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The headers that prove who asks.

        Args:
            method: HTTP method.
            url: As it is sent: percent-encoded, with its query.
            body: As it is sent.

        Raises:
            AwsError: There are no credentials, or the role can't be assumed.
        """
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - see the package
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - see the package

        request = AWSRequest(method=method, url=url, data=body)
        SigV4Auth(self._credentials(), self._service, self._region).add_auth(request)
        return {str(name).lower(): str(value) for name, value in request.headers.items()}

    def _credentials(self) -> Any:
        link = f"the role {self._role_arn}" if self._role_arn else "credentials"
        what = f"sts:AssumeRole on {self._role_arn}" if self._role_arn else "sts:AssumeRoleWithWebIdentity"
        with translated(link, allow=f"{what}, and the role's trust policy must name who asks"):
            own = self._session.get_credentials()
            if own is None:
                raise no_credentials(link)
            return (self._assume(own) if self._role_arn else own).get_frozen_credentials()

    def _assume(self, own: Any) -> Any:
        if self._assumed is None:
            from botocore.credentials import (  # noqa: PLC0415 - see the package
                AssumeRoleCredentialFetcher,
                DeferredRefreshableCredentials,
            )

            fetcher = AssumeRoleCredentialFetcher(
                partial(self._session.create_client, region_name=self._region),
                own,
                self._role_arn,
                extra_args={"RoleSessionName": _SESSION_NAME},
            )
            self._assumed = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
        return self._assumed
