"""A real OpenSearch with its security plugin: TLS, users and roles. One that Maven Central has the plugin for."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import urllib3

from sidecar.dev.distribution import VERSION, assemble, default_cache
from sidecar.dev.java import Java, find_java
from sidecar.dev.maven import DEPENDENCY_PLUGIN, Fetching, has_maven, run_maven
from sidecar.dev.node import Home, settings_file, unprivileged
from sidecar.dev.opensearch import launch, stop_node
from sidecar.dev.parts import log_end, when_killed
from tests.support.fakes.tls import Certificate, make_certificate
from tests.support.markers import ADMIN_PASSWORD
from tests.support.waiting import wait_until

PLUGIN = "opensearch-security"
_ARTIFACTS = (
    f"org.opensearch.plugin:{PLUGIN}:{VERSION}.0:zip",
    # The plugin finds it in an extension point that is not on Maven Central, and that it does without.
    "org.apache.commons:commons-collections4:4.4:jar",
)
_LOST = ",rule-framework"
# BCrypt's of ADMIN_PASSWORD.
_HASH = "$2y$12$twdshRbEpmchaB0jdpEz9e/J.hqsl0Ggz50MEhj2tKHYmC1thM5wS"
_USERS = f"""_meta: {{type: internalusers, config_version: 2}}
admin: {{hash: "{_HASH}", reserved: false, backend_roles: [admin]}}
"""
_START_SECONDS = 180


@dataclass(frozen=True)
class SecureOpenSearch:
    """Where it is, whom to trust, and who may do everything.

    Attributes:
        url: Its address, with https; the certificate is for 127.0.0.1.
        authority: The CA; it signs clients' certificates too.
        user: An administrator.
        password: Its password.
    """

    url: str
    authority: Certificate = field(repr=False)
    user: str = "admin"
    password: str = field(default=ADMIN_PASSWORD, repr=False)

    @property
    def ca(self) -> Path:
        """File with the CA's certificate (PEM)."""
        return self.authority.file

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that a request of the administrator is answered with.

        Raises:
            AssertionError: The answer isn't 2xx.
        """
        headers = urllib3.make_headers(basic_auth=f"{self.user}:{self.password}")
        with urllib3.PoolManager(ca_certs=str(self.ca)) as pool:
            answer = pool.request(method, f"{self.url}{path}", headers=headers, json=body, timeout=30, retries=False)
            assert answer.status // 100 == 2, f"{method} {path}: {answer.status} {answer.data.decode()}"
            return answer.json()


@contextmanager
def secure_opensearch(progress: Callable[[str], None]) -> Iterator[SecureOpenSearch]:
    """Run one from entering to leaving. `can_be_had` says beforehand whether it can.

    Raises:
        DemoError: It can't be assembled.
        AssertionError: It does not start; with the end of its log.
    """
    java = _java()
    assert java, "no Java"
    kept = default_cache().absolute()
    program = _assembled(java, kept, progress)
    with tempfile.TemporaryDirectory(prefix="fluent-sidecar-secure-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder))
        authority = _configure(home, program)
        process = launch(java, home, program, kept, heap="512m", settings=settings_file(home, None, _settings()))
        progress("starting")
        with when_killed(["/bin/sh", "-c", f'kill -KILL {process.pid}; sleep 1; rm -rf -- "$1"', "guard", folder]):
            try:
                yield _healthy(home, authority, lambda: process.poll() is None)
            finally:
                stop_node(process)


@cache
def can_be_had() -> str:
    """Why it can't be had on this machine; empty if it can. Told once: a test may have another PATH the next time."""
    if not _java():
        return "no Java"
    return "" if has_maven() or _place(default_cache().absolute()).is_dir() else "no mvn"


@cache
def _java() -> Java | None:
    return find_java()


def _place(kept: Path) -> Path:
    return kept / PLUGIN / VERSION


def _assembled(java: Java, kept: Path, progress: Callable[[str], None]) -> Path:
    """The folder of a distribution with the plugin; put together in the cache if it is not there yet."""
    place = _place(kept)
    distribution = assemble(VERSION, progress=lambda doing, _fraction: progress(doing), cache=kept, java_home=java.home)
    if place.is_dir():
        return place
    work = place.with_name(f"{VERSION}.{os.getpid()}.part")
    plugin = work / "whole" / "plugins" / PLUGIN
    plugin.mkdir(parents=True)
    fetch = partial(
        run_maven,
        name="the security plugin",
        fetching=Fetching(51e6),
        progress=lambda doing, _fraction: progress(doing),
        java_home=java.home,
    )
    for artifact in _ARTIFACTS:
        fetch([f"{DEPENDENCY_PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={work}"], work)
    with zipfile.ZipFile(next(work.glob("*.zip"))) as archive:
        archive.extractall(plugin)
    for jar in work.glob("*.jar"):
        jar.rename(plugin / jar.name)
    descriptor = plugin / "plugin-descriptor.properties"
    descriptor.write_text(descriptor.read_text().replace(_LOST, ""))
    (work / "whole" / "bin").mkdir()
    for name in ("lib", "modules", "agent"):
        (work / "whole" / name).symlink_to(distribution / name)
    for path in (place.parent, work, work / "whole", *(work / "whole").rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    if not place.is_dir():  # another run may have been here meanwhile, and its work is the same
        (work / "whole").rename(place)
    shutil.rmtree(work)
    return place


def _configure(home: Home, program: Path) -> Certificate:
    """Write certificates, users and roles into a node's folder; returns the CA."""
    config = home.own["config"]
    security = config / PLUGIN
    shutil.copytree(program / "plugins" / PLUGIN / "config", security)
    (security / "internal_users.yml").write_text(_USERS)
    authority = make_certificate(home.folder, "authority", days=30)
    make_certificate(config, "node", issuer=authority, days=30)
    (config / "authority.pem").write_bytes(authority.file.read_bytes())
    account = unprivileged()
    if account is not None:
        home.folder.chmod(0o755)
    return authority


def _settings() -> dict[str, str]:
    files = {"pemcert": "node-cert.pem", "pemkey": "node-key.pem", "pemtrustedcas": "authority.pem"}
    return {
        "plugins.security.audit.type": "noop",
        "plugins.security.allow_default_init_securityindex": "true",
        "plugins.security.nodes_dn": "CN=node",
        "plugins.security.ssl.http.enabled": "true",
        "plugins.security.ssl.transport.enforce_hostname_verification": "false",
        "plugins.security.restapi.roles_enabled": "all_access",
        **{
            f"plugins.security.ssl.{layer}.{what}_filepath": file
            for layer in ("transport", "http")
            for what, file in files.items()
        },
    }


def _healthy(home: Home, authority: Certificate, lives: Callable[[], bool]) -> SecureOpenSearch:
    found: list[SecureOpenSearch] = []

    def answers() -> bool:
        assert lives(), f"it ended; the end of its log:\n{log_end(home.log.read_text(errors='replace'))}"
        url = home.url()
        if url is None:
            return False
        server = SecureOpenSearch(url.replace("http://", "https://"), authority)
        try:
            server.ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        except (AssertionError, urllib3.exceptions.HTTPError):
            return False
        found.append(server)
        return True

    wait_until(answers, _START_SECONDS, lambda: f"OpenSearch answers:\n{log_end(home.log.read_text())}", interval=0.5)
    return found[0]
