"""A real etcd and kube-apiserver, as two plain processes on the loopback interface."""

import base64
import http
import os
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import urllib3

from tests.support.binaries import Binaries
from tests.support.kubeapi import Api, write_kubeconfig
from tests.support.process import Process
from tests.support.waiting import free_port, wait_until

_ADMIN = "tests-admin"
# Users of tests are service accounts of this namespace.
_USERS = "default"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class ApiServer:
    """An API server that tests may stop, restart and compact.

    It keeps Events as a real cluster does (an hour, no watch cache, RBAC), but has no controllers and no nodes.

    Args:
        binaries: The programs.
        folder: For data, keys, kubeconfigs and logs; must be empty.

    Attributes:
        url: `https://127.0.0.1:PORT`, the same over restarts.
        kubeconfig: Of a member of system:masters.
    """

    def __init__(self, binaries: Binaries, folder: Path) -> None:
        self.folder = folder
        self.version = binaries.version
        self.kubeconfig = folder / "admin.kubeconfig"
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        self._token = secrets.token_urlsafe()
        folder.mkdir(parents=True, exist_ok=True)
        # Fewer garbage collections: memory for CPU time, of which a test machine has less.
        go = os.environ | {"GOGC": "500"}
        self.etcd = Process(self._etcd_command(binaries.etcd), log=folder / "etcd.log", env=go)
        try:
            # It waits for etcd by itself.
            self.process = Process(
                self._command(binaries.kube_apiserver, port), log=folder / "kube-apiserver.log", env=go
            )
            self._wait_ready(60)
        except BaseException:
            self.stop()
            raise

    def _etcd_command(self, program: Path) -> list[str | Path]:
        return [
            program,
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            "--listen-peer-urls=http://127.0.0.1:0",  # a single member needs none, but can't be without
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _command(self, program: Path, port: int) -> list[str | Path]:
        tokens = self._private("tokens.csv", f'{self._token},{_ADMIN},1,"system:masters"\n')
        key = self._private("service-account.key", new_private_key())
        return [
            program,
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self.folder / 'pki'}",  # where it makes its own certificate, once
            f"--token-auth-file={tokens}",
            "--anonymous-auth=false",
            "--authorization-mode=RBAC",
            # No controller makes the service account "default" that this one would put into pods.
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--endpoint-reconciler-type=none",  # a loopback address can't be the endpoint of a service
        ]

    def _private(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(text)
        return path

    def _wait_ready(self, timeout: float) -> None:
        """Wait until it answers, knows its roles, and has the namespace "default"."""
        certificate = self.folder / "pki" / "apiserver.crt"

        def ready() -> bool:
            self.etcd.check()
            self.process.check()
            if not certificate.exists():
                return False
            write_kubeconfig(
                self.kubeconfig, server=self.url, ca=certificate.read_text(), user=_ADMIN, token=self._token
            )
            api = Api(self.kubeconfig, timeout=5)
            try:
                paths = ["/readyz", "/api/v1/namespaces/default"]
                return all(api.raw("GET", path).status == http.HTTPStatus.OK for path in paths)
            finally:
                api.close()

        wait_until(
            ready,
            timeout,
            lambda: f"kube-apiserver is ready\n{self.process.tail()}\n{self.etcd.tail()}",
            # ValueError: the certificate is half-written.
            ignore=(urllib3.exceptions.HTTPError, ValueError),
        )

    def stop_apiserver(self, *, kill: bool = False) -> None:
        """End kube-apiserver, by SIGTERM or SIGKILL; its port refuses connections from then on."""
        if kill:
            self.process.kill()
        else:
            self.process.terminate(60)

    def start_apiserver(self) -> None:
        """Start kube-apiserver again, on the same port and data, and wait until it is ready."""
        self.process.start()
        self._wait_ready(60)

    def restart_apiserver(self, *, kill: bool = False) -> None:
        """Stop kube-apiserver and start it again, ready when this returns."""
        self.stop_apiserver(kill=kill)
        self.start_apiserver()

    def compact(self) -> int:
        """Make etcd forget all revisions before the current one, as the API server does every 5 minutes.

        A watch from an older resourceVersion, and the next page of an older list, answer 410 from now on.

        Returns:
            The revision: the oldest resourceVersion that can still be watched from.
        """
        every_key = base64.b64encode(b"\0").decode()
        seen = self._etcd("/v3/kv/range", {"key": every_key, "range_end": every_key, "count_only": True})
        revision = int(seen["header"]["revision"])
        self._etcd("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def _etcd(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call etcd's JSON gateway."""
        with urllib3.PoolManager(retries=False, timeout=30) as pool:
            response = pool.request("POST", self._etcd_url + path, body=orjson.dumps(body))
        assert response.status == http.HTTPStatus.OK, f"etcd: {path}: {response.status} {response.data!r}"
        answer: dict[str, Any] = orjson.loads(response.data)
        return answer

    def kubeconfig_for(self, user: str, rules: Sequence[dict[str, Any]] | None = None) -> Path:
        """A kubeconfig of a user who may do what the rules say, and nothing else.

        Args:
            user: The name of a service account, made if need be; its token is valid for a day.
            rules: As in a ClusterRole, such as `{"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}`.
        """
        api = Api(self.kubeconfig)
        accounts = f"/api/v1/namespaces/{_USERS}/serviceaccounts"
        api.ensure(accounts, {"metadata": {"name": user}})
        self.grant(user, rules or [])
        request = {"spec": {"expirationSeconds": 24 * 3600}}
        token = api.request("POST", f"{accounts}/{user}/token", request)["status"]["token"]
        api.close()
        certificate = (self.folder / "pki" / "apiserver.crt").read_text()
        path = self.folder / f"{user}.kubeconfig"
        return write_kubeconfig(path, server=self.url, ca=certificate, user=user, token=token)

    def grant(self, user: str, rules: Sequence[dict[str, Any]]) -> None:
        """Let a user of `kubeconfig_for` do what these rules say, and no longer what others said.

        What they grant is in force when this returns; what they take away may work for a moment longer.
        """
        name = f"tests-{user}"
        api = Api(self.kubeconfig)
        api.ensure(f"{_RBAC}/clusterroles", {"metadata": {"name": name}, "rules": list(rules)})
        api.ensure(
            f"{_RBAC}/clusterrolebindings",
            {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "namespace": _USERS, "name": user}],
            },
        )
        for attributes in access_of(rules):
            spec = {"user": f"system:serviceaccount:{_USERS}:{user}", "resourceAttributes": attributes}
            wait_until(partial(_allowed, api, spec), 10, f"{user} is allowed {attributes}")
        api.close()

    def stop(self) -> None:
        """End both processes; nothing of their data is needed any more."""
        for process in (getattr(self, "process", None), self.etcd):
            if process is not None:
                if process.running:
                    process.kill()
                process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _allowed(api: Api, spec: dict[str, Any]) -> bool:
    review = api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return bool(review["status"]["allowed"])


def access_of(rules: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Every access that rules on resources name, as the attributes of a SubjectAccessReview."""
    return [
        {"group": group, "resource": resource, "verb": verb}
        for rule in rules
        if not rule.get("resourceNames")
        for group in rule.get("apiGroups", [])
        for resource in rule.get("resources", [])
        for verb in rule["verbs"]
    ]


def new_private_key() -> str:
    """A new private key of the curve P-256, as PEM (RFC 5915, without the optional public key)."""
    # Any number below the curve's order is a key; the order starts with 32 one-bits.
    number = b"\0" + secrets.token_bytes(31)
    version, curve = bytes.fromhex("020101"), bytes.fromhex("a00a06082a8648ce3d030107")
    content = version + b"\x04" + bytes([len(number)]) + number + curve
    der = b"\x30" + bytes([len(content)]) + content
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END EC PRIVATE KEY-----\n"
