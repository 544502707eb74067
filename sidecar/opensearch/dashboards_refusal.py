"""Why OpenSearch Dashboards did not do what was asked, in words, and what to do about it. Pure."""

import json
from typing import Any

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.connection import Answer
from sidecar.opensearch.refusal import decode, refused, text_of
from sidecar.opensearch.unreachable import short

Json = dict[str, Any]

_BUSY = frozenset({408, 429, 502, 503, 504})
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_LARGE, _NEWER = 401, 403, 404, 413, 422
_GLOBAL = frozenset({"", "global", "global_tenant"})
"""What the layers of the security plugin call the tenant that all users share."""
_PRIVATE = frozenset({"private", "__user__"})
_ITSELF = "dashboards.url must be where OpenSearch Dashboards itself answers"


def refusal(answer: Answer, request: str, *, url: str, tenant: str, authenticated: bool) -> OpenSearchError:
    """The error for an answer that says no.

    Args:
        answer: What came back.
        request: Method and path.
        url: Where it was asked.
        tenant: For which tenant.
        authenticated: Whether we said who we are.
    """
    text = f"OpenSearch Dashboards at {url}: {answer.status} for {request}"
    if answer.location:
        where = short(answer.location.partition("?")[0])
        return refused(
            f"{text}: a redirect to {where}", answer.status, f"{_ITSELF}; a login is a proxy's, or for people"
        )
    reason = _reason(answer.body)
    if answer.status in _BUSY:
        return OpenSearchUnavailable(f"{text}: {reason}")
    if "no handler found" in reason:
        hint = f"{_ITSELF}; OpenSearch does there"
    elif answer.status == _UNAUTHORIZED and not authenticated:
        hint = "it wants a user and a password: set dashboards.auth.basic"
    else:
        hint = _HINTS.get(answer.status, "").format(tenant=tenant)
    return refused(f"{text}: {reason}", answer.status, hint)


_HINTS = {
    _UNAUTHORIZED: "check dashboards.auth, or opensearch.auth where that is not set",
    _FORBIDDEN: "this user's roles must allow writing to the tenant {tenant}: kibana_user and kibana_all_write on it",
    _NOT_FOUND: f"{_ITSELF}, its base path included: that of Amazon's domains is /_dashboards",
    _TOO_LARGE: "raise savedObjects.maxImportPayloadBytes, or the limit of the proxy in between",
    _NEWER: "it is too old: the oldest OpenSearch Dashboards that takes the dashboards is 1.3",
}


def tenant_problem(account: Json, tenant: str) -> str:
    """Why what is written would not land in a tenant, in words; empty where it does.

    Args:
        account: What the security plugin says of the user: tenants and whether they may be written to, and the one that
            the request was taken to be for; empty where there is no security plugin.
        tenant: The tenant that is wanted.
    """
    if not account:
        return "" if tenant == "global" else f"there are no tenants, so that {tenant} can't be used"
    user, tenants = account.get("user_name"), account.get("tenants") or {}
    taken = account.get("user_requested_tenant") or ""
    if tenant == "global":
        lands, writable = taken in _GLOBAL, tenants.get("global_tenant", True)
    elif tenant == "private":
        lands, writable = taken in _PRIVATE, True
    else:
        lands, writable = taken == tenant and tenant in tenants, tenants.get(tenant)
    if not lands:
        others = ", ".join(sorted(name for name in tenants if name != user))
        return f"the tenant {tenant} is not there for the user {user}, who has {others or 'none'}"
    return "" if writable else f"the user {user} may only read the tenant {tenant}"


def import_problem(error: Json) -> str:
    """Why an object was not imported, in words."""
    if error["type"] == "missing_references":
        missing = ", ".join(f"{one['type']} {one['id']}" for one in error.get("references", ()))
        return f"refers to {missing}, which is not there"
    return short(f"{error['type']} {error.get('message', '')}".strip())


def _reason(body: bytes) -> str:
    try:
        found = decode(body)
    except ValueError:
        found = None
    if isinstance(found, dict):
        message = found.get("message") or found.get("error") or found.get("Message")
        if message:
            return short(message if isinstance(message, str) else json.dumps(message))
    return text_of(body)
