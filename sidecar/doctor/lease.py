"""The Lease: who leads, and since when. Pure."""

from datetime import datetime
from typing import Any

from sidecar.doctor.finding import Finding, fail, ok, warn
from sidecar.kube.leaserecord import TROUBLE, LeaseView

NAME = "leader"
_PATIENCE = 2.0
"""Times its own duration: so long a Lease may go without a renewal before nobody leads."""


def lease_verdict(content: dict[str, Any], now: float, where: str) -> Finding:
    """What a Lease says.

    Args:
        content: The object.
        now: Unix seconds, by the API server's clock.
        where: Its namespace and name.
    """
    view = LeaseView.of(content)
    spec = content.get("spec")
    acquired = spec.get("acquireTime") if isinstance(spec, dict) else None
    if not view.holder:
        return warn(
            NAME, f"the Lease {where} has no holder: nobody watches the events just now",
            "one of the sidecars takes it within seconds; if none does, look at their logs",
        )  # fmt: skip
    renewed = _seconds(view.renewed)
    if renewed is None or now - renewed > _PATIENCE * max(view.duration, 15.0):
        ago = "never" if renewed is None else f"{_span(now - renewed)} ago"
        return fail(
            NAME,
            f"{view.holder} holds the Lease {where}, and last renewed it {ago}: nobody watches the events",
            "is any sidecar running? kubectl get pods; the others take over by themselves, if they may",
        )
    since = _seconds(acquired if isinstance(acquired, str) else "")
    told = "" if since is None else f", for {_span(now - since)}"
    if trouble := view.annotations.get(TROUBLE):
        return warn(
            NAME,
            f"{view.holder} leads{told}, and can't deliver: {trouble}",
            "another sidecar takes over if it could; else what it says is everybody's trouble",
        )
    return ok(NAME, f"{view.holder} watches the events{told} (Lease {where})")


def no_lease(where: str) -> Finding:
    """There is none."""
    return warn(
        NAME,
        f"there is no Lease {where}: no sidecar has run here yet",
        "is this the sidecar's namespace? say it with --namespace; and is the sidecar installed?",
    )


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
