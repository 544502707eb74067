"""Kubernetes: is the API server there, what may the sidecar do, and who leads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from sidecar.config import Config
from sidecar.doctor.finding import Finding, ok, warn
from sidecar.doctor.lease import NAME, lease_verdict, no_lease
from sidecar.doctor.local import in_pod
from sidecar.doctor.permissions import Purpose, Right, purposes, verdict
from sidecar.doctor.run import Area, Check
from sidecar.errors import KubernetesError, ResourceMissing
from sidecar.kube import ApiServer

_SECONDS = 4.0
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_AT_ONCE = 8
_SLOW = "is the address right, and may this host or pod talk to it (network policies, a VPN)?"


class Cluster:
    """The API server, found when it is first asked for."""

    def __init__(self, config: Config, connect: Callable[[], ApiServer], namespace: str | None) -> None:
        self._config = config
        self._connect = connect
        self._wanted = namespace
        self._api: ApiServer | None = None
        self._who = ""

    @property
    def _namespace(self) -> str:
        return self._wanted or self._server.namespace

    @property
    def _server(self) -> ApiServer:
        self._api = self._api or self._connect()
        return self._api

    def area(self) -> Area:
        """All that is looked at."""
        return Area("Kubernetes", self._checks)

    def _checks(self) -> list[Check]:
        names = [purpose.name for purpose in purposes(self._config, "")]
        return [
            Check("API server", self._reach, gate=True, slow=_SLOW),
            *(Check(name, partial(self._may, name), slow=_SLOW) for name in names),
            Check(NAME, self._lease, slow=_SLOW),
        ]

    def _reach(self) -> Finding:
        version = self._server.get("/version", seconds=_SECONDS)
        self._who = self._ask_who()
        told = f", as {self._who}" if self._who else ""
        if not in_pod():  # of an administrator's kubeconfig
            told += "; what follows is what this user may do, which the sidecar need not be allowed to"
        return ok("API server", f"{self._server.url}, {version.get('gitVersion', 'of unknown version')}{told}")

    def _ask_who(self) -> str:
        """The user; empty where the server can't say: it can from 1.28 on."""
        try:
            answer = self._server.send("POST", _WHO, _review("authentication", "SelfSubjectReview"), seconds=_SECONDS)
            return str(answer["status"]["userInfo"]["username"])
        except (KubernetesError, KeyError, TypeError):
            return ""

    def _may(self, name: str) -> Finding:
        purpose = next(found for found in purposes(self._config, self._namespace) if found.name == name)
        return self._verdict(purpose)

    def _verdict(self, purpose: Purpose) -> Finding:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            allowed = dict(zip(purpose.rights, pool.map(self._allowed, purpose.rights), strict=True))
        return verdict(purpose, allowed, self._who)

    def _allowed(self, right: Right) -> bool:
        attributes = {"verb": right.verb, "resource": right.resource, "group": right.group}
        if right.namespace:
            attributes["namespace"] = right.namespace
        body = _review("authorization", "SelfSubjectAccessReview") | {"spec": {"resourceAttributes": attributes}}
        answer = self._server.send("POST", _REVIEWS, body, seconds=_SECONDS)
        status = answer.get("status")
        return isinstance(status, dict) and status.get("allowed") is True

    def _lease(self) -> Finding:
        namespace, name = self._namespace, self._config.events.lease
        where = f"{namespace}/{name}"
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
        try:
            return lease_verdict(self._server.get(path, seconds=_SECONDS), self._server.time(), where)
        except ResourceMissing:
            return no_lease(where)
        except KubernetesError as error:
            # That it may not be read is told by the permissions.
            return warn(NAME, f"can't be told: {error.what}", error.hint or "try again")


def _review(group: str, kind: str) -> dict[str, Any]:
    return {"apiVersion": f"{group}.k8s.io/v1", "kind": kind}
