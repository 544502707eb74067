"""AWS Signature Version 4, checked as AWS describes it, from a request's bytes; without botocore.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

_FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def refusal(
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secret: str,
    token: str = "",
    region: str = "eu-west-1",
    service: str = "es",
) -> str:
    """Why AWS would refuse a request; empty if it would not.

    Args:
        method: HTTP method.
        target: Path and query as on the wire.
        headers: With names in lower case.
        body: As on the wire.
        secret: The secret access key that it must be signed with.
        token: The session token that must be signed with it, if there is one.
        region: Where it must be for.
        service: What it must be for.
    """
    found = _FORM.fullmatch(headers.get("authorization", ""))
    if not found:
        return "no signature"
    signed = found["signed"].split(";")
    wanted = {"host", "x-amz-date"} | ({"x-amz-security-token"} if token else set())
    moment, payload = headers["x-amz-date"], hashlib.sha256(body).hexdigest()
    then = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    scope = f"{found['day']}/{region}/{service}/aws4_request"
    canonical = "\n".join(
        [
            method,
            # What is percent-encoded on the wire is encoded once more.
            quote(target.partition("?")[0], safe="/-_.~"),
            _query(target.partition("?")[2]),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            found["signed"],
            payload,
        ]
    )
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    problems = {
        f"for {found['region']}/{found['service']}": (found["region"], found["service"]) != (region, service),
        f"not signed: {wanted - set(signed)}": not wanted <= set(signed),
        "another token": headers.get("x-amz-security-token", "") != token,
        f"of {moment}": abs(datetime.now(UTC) - then) > timedelta(minutes=5) or found["day"] != moment[:8],
        "another body": headers.get("x-amz-content-sha256", payload) != payload,
        "another signature": hmac.new(key, text.encode(), "sha256").hexdigest() != found["signature"],
    }
    return next((problem for problem, is_so in problems.items() if is_so), "")


def _query(query: str) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(_parameter(part) for part in query.split("&") if part))


def _parameter(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")
