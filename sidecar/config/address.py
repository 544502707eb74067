"""The address of an OpenSearch. No model: a Lambda function, which has no pydantic, checks addresses too."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from sidecar.config.show import quoted

SERVERLESS = (
    "OpenSearch Serverless (aoss) takes no documents with ids of their own in its time-series collections, so a retry "
    "would double them; use a domain (es)"
)


def port_of(endpoint: SplitResult) -> int:
    """The port of an address, or its scheme's."""
    return endpoint.port or (443 if endpoint.scheme == "https" else 80)


def is_serverless(endpoint: SplitResult) -> bool:
    """Whether an address is one of OpenSearch Serverless, which is refused."""
    return (endpoint.hostname or "").endswith(".aoss.amazonaws.com")


def checked_url(value: str) -> str:
    """An address over HTTP without anything secret in it, and without a slash at its end."""
    parts = None
    try:
        parts = urlsplit(value)
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host = 0, None
    # What could hold a password is not repeated: before an @, in a query.
    if "@" in value:
        raise ValueError(
            "user and password don't belong in the address; write them under opensearch.auth, by reference"
        )
    if re.search(r"[^!-~]|[?#$%\"'\\]", value):
        raise ValueError("expected an address of plain ASCII without query, fragment, '$', '%', quotes and spaces")
    if parts is None or parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ValueError(f"expected an address such as https://opensearch.example:9200, found {quoted(value)}")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host) and not is_ip_address(host):
        raise ValueError(f"{quoted(host)} is no host name")
    return value.rstrip("/")


def is_ip_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
