"""A session of botocore, and its failures in this project's words.

Credentials come from botocore's own chain: variables, EKS Pod Identity, IRSA, the node. They are renewed by it.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sidecar.errors import AwsError

_MAX_TEXT = 400
_SECONDS = 5.0
_NO_ACCESS = re.compile(r"AccessDenied|Unauthorized")
_NOT_VALID = re.compile(
    r"ExpiredToken|InvalidClientTokenId|UnrecognizedClient|InvalidIdentityToken|SignatureDoesNotMatch"
)
_IDENTITY = (
    "give the pod's service account a role, by EKS Pod Identity or by IRSA, or set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY"
)


def open_session(region: str, *, needed_by: str) -> Any:
    """A session for a region; asks nobody yet.

    Args:
        region: Also where credentials are had from STS.
        needed_by: The section of pipeline.yaml, for the message.

    Raises:
        AwsError: botocore is not installed.
    """
    try:
        import botocore.session  # noqa: PLC0415 - 9 MB of memory that nobody else needs
    except ImportError as error:
        raise AwsError(
            f"{needed_by}: needs the Python package botocore, which is not installed",
            hint="pip install 'fluent-sidecar[aws]'; the container image has it",
        ) from error
    # What fails is raised too, and told by us in one line instead of a traceback.
    logging.getLogger("botocore").setLevel(logging.ERROR)
    session = botocore.session.get_session()
    session.set_config_variable("region", region)
    return session


def client(session: Any, service: str) -> Any:
    """A client of an AWS service, which gives up after some 10 s."""
    from botocore.config import Config  # noqa: PLC0415 - as above

    retries = {"mode": "standard", "total_max_attempts": 2}
    return session.create_client(
        service, config=Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries=retries)
    )


@contextmanager
def translated(link: str, *, allow: str) -> Iterator[None]:
    """Raise botocore's errors as this project's.

    Args:
        link: What is asked, such as `SSM in eu-west-1`.
        allow: The action and resource that a policy must allow for it.

    Raises:
        AwsError: It refused, can't be reached, or there are no credentials.
    """
    from botocore import exceptions  # noqa: PLC0415 - as above

    try:
        yield
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        hint = ""
        if _NO_ACCESS.search(code):
            hint = f"the role's policy must allow {allow}"
        elif _NOT_VALID.search(code):
            hint = "are the AWS credentials of this account, and not expired? Is the clock right?"
        raise AwsError(f"AWS: {link}: {_short(error)}", hint=hint) from error
    except exceptions.NoCredentialsError as error:
        raise no_credentials(link) from error
    except (exceptions.EndpointConnectionError, exceptions.HTTPClientError) as error:
        hint = "does the network let the pod out to AWS, or is a VPC endpoint missing?"
        raise AwsError(f"AWS: {link}: can't be reached: {_short(error)}", hint=hint) from error
    except (exceptions.BotoCoreError, OSError) as error:  # also a token's file that is not there
        raise AwsError(f"AWS: {link}: {_short(error)}", hint=_IDENTITY) from error


def no_credentials(link: str) -> AwsError:
    """What is raised where the chain has come to its end."""
    return AwsError(f"AWS: {link}: there are no AWS credentials", hint=_IDENTITY)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."
