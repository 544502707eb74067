"""What a status that says no means, and what to do about it."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import codec
from sidecar.opensearch.connection import Answer
from sidecar.opensearch.unreachable import short

_MAX_CAUSES = 10
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN = 400, 401, 403
_NOT_READY = "OpenSearch, or a proxy before it, is not ready: wait, and look into its log if that lasts"
_BUSY: Mapping[int, str] = {
    408: _NOT_READY,
    429: "OpenSearch has more to do than it can: wait; if that lasts it needs more memory or nodes",
    502: _NOT_READY,
    503: _NOT_READY,
    504: _NOT_READY,
}
"""What passes, by its status, and what is said of it."""
_PERMISSION = re.compile(r"no permissions for \[([^\]]+)\]")
_ACTION = re.compile(r"not authorized to perform: ([A-Za-z0-9]+:[A-Za-z0-9*]+)")
_PAGE = re.compile(r"\s*<(!doctype html|html)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>\s*(.*?\S)\s*</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_PLAIN_TO_TLS = re.compile(rb"plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server")

_ROLES = "render-config writes roles that have all that is needed to opensearch/roles/"
_BY_ARN = "map our IAM role's ARN, as a backend role, to one that has it"

_UNAUTHORIZED_BY: Mapping[str, tuple[str, str]] = {
    "": (
        "wants a user and a password (401)",
        "check opensearch.auth.basic: name where they are, there or in another kind of opensearch.auth",
    ),
    "basic": (
        "refuses user and password (401)",
        "check opensearch.auth.basic: what is in the files or variables that it names; a space at the end counts",
    ),
    "ssm": ("refuses user and password (401)", "check the parameters that opensearch.auth.ssm names"),
    "mtls": (
        "knows no user by our certificate (401)",
        "let a user or a backend role in OpenSearch have the name in opensearch.auth.mtls.cert, or use basic",
    ),
    "sigv4": (
        "does not take our signature (401)",
        "does it ask for a user of its own? Then use basic or ssm; else let its access policy allow our IAM role",
    ),
}
_SIGNATURE: tuple[tuple[str, str], ...] = (
    ("signature we calculated does not match", "check opensearch.auth.sigv4.region; a proxy may not change requests"),
    ("should be scoped to", "check opensearch.auth.sigv4.region"),
    ("Signature expired", "the clock of this machine is wrong"),
    ("Signature not yet current", "the clock of this machine is wrong"),
    ("security token included in the request", "the AWS credentials have expired, or are of another account"),
)

_STATES: tuple[tuple[str, str], ...] = (
    (
        "read-only-allow-delete block",
        "free disk space on its nodes, by deleting indices or a shorter retain: then it lifts the block by itself",
    ),
    ("cluster read-only", "somebody made the whole cluster read-only: set cluster.blocks.read_only to null"),
    ("index read-only", "somebody made the index read-only: set its index.blocks.read_only to null"),
    # 3.4 says: maximum LOCAL_ONLY shards open.
    (" shards open", "delete old indices, shorten retain, or raise cluster.max_shards_per_node"),
)
"""States of the server, which pass or are mended there; whatever status they come with."""


class RefusedError(OpenSearchError):
    """An HTTP status that says no."""

    status: int = 0


def refused(text: str, status: int, hint: str) -> RefusedError:
    """The error for a status."""
    error = RefusedError(text, hint=hint)
    error.status = status
    return error


def refusal(answer: Answer, request: str, *, url: str, kind: str) -> OpenSearchError:
    """What to raise for an answer that isn't 2xx.

    Args:
        answer: It.
        request: Method and path.
        url: Where OpenSearch is.
        kind: How we proved who we are: basic, mtls, sigv4, ssm, or nothing.
    """
    status = answer.status
    server = f"OpenSearch at {url}"
    if answer.location:
        return refused(
            f"{server}: {status} for {request}: a redirect to {_without_query(answer.location)}",
            status,
            "opensearch.url must be where OpenSearch itself answers, http or https included; a login is a proxy's",
        )
    reason = reason_of(answer.body)
    text = f"{server}: {status} for {request}: {reason}"
    if status == _BAD_REQUEST and _PLAIN_TO_TLS.search(answer.body):
        return refused(f"{server}: speaks HTTPS, not HTTP", status, "write https:// in opensearch.url")
    for words, hint in _STATES:
        if words in reason:
            return OpenSearchUnavailable(text, hint=hint)
    if status == _UNAUTHORIZED:
        what, hint = _UNAUTHORIZED_BY[kind]
        return refused(f"{server}: {what}", status, hint)
    if status == _FORBIDDEN:
        return refused(text, status, _forbidden(reason, kind))
    return OpenSearchUnavailable(text, hint=_BUSY[status]) if status in _BUSY else refused(text, status, "")


def _forbidden(reason: str, kind: str) -> str:
    """What to do about a 403; Amazon answers with it what others answer with a 401."""
    for words, hint in _SIGNATURE:
        if words in reason:
            return hint
    if action := _ACTION.search(reason):
        if "anonymous" in reason:
            return "the domain's access policy wants signed requests: set opensearch.auth.sigv4"
        return f"the domain's access policy and the IAM role's own policy must allow {action[1]} on the domain"
    if permission := _PERMISSION.search(reason):
        text = f"this user's role lacks the permission {permission[1]}"
        return f"{text}; {_BY_ARN if kind == 'sigv4' else _ROLES}"
    return f"this user's role lacks the permission that the message names; {_ROLES}"


def decode(body: bytes) -> Any:
    """Decode JSON; what the fast decoder refuses (a lone surrogate in a document) the standard library reads.

    Raises:
        ValueError: It isn't JSON.
    """
    try:
        return codec.loads(body)
    except ValueError:
        try:
            return json.loads(body.decode("utf-8", "surrogatepass"))
        except RecursionError:
            raise ValueError("nested too deeply") from None


def text_of(body: bytes) -> str:
    """The beginning of a body, as it fits into a message; of a page for people its title, or what it says."""
    text = body[:4096].decode(errors="replace")
    if not _PAGE.match(text):
        return short(text)
    title = _TITLE.search(text)
    said = short(html.unescape(title[1] if title else _TAG.sub(" ", text)))
    return f'an HTML page, "{said}"' if said else "an HTML page"


def reason_of(body: bytes) -> str:
    """Why something was refused, as far as the body says."""
    try:
        info = decode(body)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        return text_of(body)
    found = info.get("error")
    if isinstance(found, dict):
        return short(f"{found.get('type', '')}: {found.get('reason', '')}{_cause(found)}")
    # Amazon's own refusals have a message, in either case, and no error.
    message = found or info.get("Message") or info.get("message")
    return short(str(message)) if message else text_of(body)


def _without_query(location: str) -> str:
    """A login page's address without what may be secret in it."""
    try:
        return short(urlsplit(location)._replace(query="", fragment="").geturl())
    except ValueError:
        return "what is no address"


def _cause(error: Mapping[str, Any]) -> str:
    """The innermost cause: what is wrong, where the outer ones say only that something is."""
    cause: Any = error
    for _ in range(_MAX_CAUSES):
        inner = cause.get("caused_by")
        if not isinstance(inner, dict):
            break
        cause = inner
    if cause is error:
        # A search that no shard could do says why there alone.
        roots = error.get("root_cause")
        cause = roots[0] if isinstance(roots, list) and roots and isinstance(roots[0], dict) else error
        return "" if cause.get("reason") in {None, error.get("reason")} else f": {cause['reason']}"
    return f": {cause.get('reason', '')}"
