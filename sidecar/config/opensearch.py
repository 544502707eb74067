"""The `opensearch` section: where everything goes, and how the sidecar and Fluent Bit prove who they are."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from sidecar.config.address import SERVERLESS, checked_url, is_serverless, port_of
from sidecar.config.names import AbsolutePath, checked_version
from sidecar.config.secret import SecretRef
from sidecar.config.section import Found, Section, refuse, section
from sidecar.config.show import quoted
from sidecar.config.units import Given, Size, parse_size

OLDEST_OPENSEARCH = (2, 11)
_SMALLEST_REQUEST = 4 * 2**20
_LARGEST_REQUEST = 100 * 2**20


def _region(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}", value):
        raise ValueError(f"expected a region such as eu-west-1, found {quoted(value)}")
    return value


def _role(value: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}", value):
        raise ValueError(f"expected a role such as arn:aws:iam::123456789012:role/NAME, found {quoted(value)}")
    return value


def _parameter_path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]{1,200}){1,14}/?", value):
        raise ValueError(f"expected a path of parameters such as /workshop/opensearch, found {quoted(value)}")
    return value.rstrip("/")


def _no_serverless(value: Any) -> Any:
    if value == "aoss":
        raise ValueError(SERVERLESS)
    return value


Region = Annotated[str, AfterValidator(_region)]
Role = Annotated[str, AfterValidator(_role)]


class BasicAuth(Section):
    """User and password."""

    username: SecretRef
    """Where the user's name is."""
    password: SecretRef
    """Where the password is."""


class MtlsAuth(Section):
    """A client certificate."""

    cert: AbsolutePath
    """File with the certificate (PEM), its chain included."""
    key: AbsolutePath
    """File with its private key (PEM), without a passphrase."""


class SigV4Auth(Section):
    """Requests signed with AWS credentials, which come from the environment: EKS Pod Identity, IRSA, or the node."""

    region: Region
    """Region of the domain."""
    service: Annotated[Literal["es"], BeforeValidator(_no_serverless)] = "es"
    """Name of the service that the signature is for: an Amazon OpenSearch Service domain. Serverless (aoss) is refused:
    it takes no ids, so that nothing would keep a retry from doubling a document."""
    role_arn: Annotated[Role | None, Given] = None
    """Role to assume before signing, for a domain in another account."""


class SsmAuth(Section):
    """User and password from the AWS Systems Manager Parameter Store."""

    path: Annotated[str, AfterValidator(_parameter_path)]
    """Path below which the parameters `user` and `password` are, and `host` where `opensearch.url` is left out. They
    are read again every five minutes, and at once when OpenSearch refuses them."""
    region: Region
    """Region of the parameters."""


_KINDS = ("basic", "mtls", "sigv4", "ssm")


class Auth(Section):
    """How the sidecar and Fluent Bit prove who they are: at most one way."""

    basic: Annotated[BasicAuth | None, Given] = None
    """HTTP basic authentication."""
    mtls: Annotated[MtlsAuth | None, Given] = None
    """A client certificate."""
    sigv4: Annotated[SigV4Auth | None, Given] = None
    """Requests signed with AWS credentials."""
    ssm: Annotated[SsmAuth | None, Given] = None
    """HTTP basic authentication, with user and password from the AWS Parameter Store."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        refuse([((kind,), f"at most one kind of credentials; {given[0]} is there already") for kind in given[1:]])
        return self


class Manage(Section):
    """Who puts things in place in OpenSearch, where it isn't the sidecar on the nodes."""

    auth: Auth
    """Credentials of a user with the manager's role, which `sidecar apply` and `sidecar plan` use, and nothing else."""


SWITCH_TAG, MANAGER_TAG = "<switch>", "<manager>"
"""Parts that pydantic puts into the path of `manage`, by what it is."""


class Tls(Section):
    """Transport security; used where `url` begins with https."""

    verify: bool = True
    """Whether the server's certificate and name are checked. Turn it off for a trial only."""
    ca: Annotated[AbsolutePath | None, Given] = None
    """File with the CA certificates (PEM) that the server's is checked against; the system's where it is missing."""


class OpenSearch(Section):
    """The OpenSearch that everything goes to."""

    url: Annotated[str | None, Given] = None
    """Address: scheme, host, and where needed port and path. One: Fluent Bit's output takes no list. Required, but with
    `auth.ssm` it may be left out: then it is https:// and what the parameter `host` says."""
    version: Annotated[str, Field(examples=["2.19", "3.4"])] = "2.19"
    """Version of the server, in quotes: what the index templates may use."""
    auth: Auth = section(Auth)
    """Credentials, by reference."""
    tls: Tls = section(Tls)
    """How the server's certificate is checked."""
    manage: Annotated[
        Annotated[bool, Tag(SWITCH_TAG)] | Annotated[Manage, Tag(MANAGER_TAG)],
        Discriminator(lambda value: MANAGER_TAG if isinstance(value, (dict, Manage)) else SWITCH_TAG),
    ] = True
    """Whether the sidecar that leads puts templates, policies and the rest in place, with the credentials of `auth`.
    With `false`, or with `{auth: ...}`, whose keys are those of `opensearch.auth`, only `sidecar apply` does, and
    `sidecar run` waits until the templates are there."""
    roles: bool = False
    """Whether the roles of the security plugin are put in place too. That takes an administrator, who may use the
    security API; the roles are rendered in any case, for somebody else to put."""
    compress: bool = False
    """Whether Fluent Bit compresses requests with gzip. It doubles the CPU that sending takes, so it is for links that
    cost money."""
    max_request: Size = parse_size("10MiB")
    """Largest request that the server takes, 4MiB to 100MiB: 10MiB on small Amazon domains, 100MiB elsewhere. Nothing
    longer is sent, because a request that is refused for its size would be tried again for ever."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return None if value is None else checked_url(value)

    @field_validator("version")
    @classmethod
    def _check_version(cls, value: str) -> str:
        return checked_version(value, OLDEST_OPENSEARCH, "OpenSearch")

    @field_validator("max_request")
    @classmethod
    def _check_max_request(cls, value: int) -> int:
        if not _SMALLEST_REQUEST <= value <= _LARGEST_REQUEST:
            raise ValueError("maxRequest must be 4MiB to 100MiB")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        found: Found = []
        if self.url is None and not all(auth.ssm for _, auth in self._auths()):
            found.append((("url",), "is required"))
        if self.endpoint.scheme != "https":
            text = "a client certificate needs a url that begins with https"
            found += [((*path, "mtls"), text) for path, auth in self._auths() if auth.mtls]
        if is_serverless(self.endpoint):
            found.append((("url",), SERVERLESS))
        refuse(found)
        return self

    def _auths(self) -> list[tuple[tuple[str, ...], Auth]]:
        """All credentials, each with its path."""
        manager = [(("manage", "auth"), self.manage.auth)] if isinstance(self.manage, Manage) else []
        return [(("auth",), self.auth), *manager]

    @property
    def leader_manages(self) -> bool:
        """Whether the sidecar that leads puts things in place."""
        return self.manage is True

    @property
    def manager_auth(self) -> Auth:
        """The credentials for putting things in place."""
        return self.manage.auth if isinstance(self.manage, Manage) else self.auth

    @property
    def endpoint(self) -> SplitResult:
        """`url` in its parts; the host is None where it is left out."""
        return urlsplit(self.url or "https:")

    @property
    def port(self) -> int:
        """The port of `url`, or its scheme's."""
        return port_of(self.endpoint)
