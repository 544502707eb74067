"""The link to OpenSearch Dashboards: its saved objects of one tenant, read, imported and deleted.

A tenant is a header, and one that can't be had is no error to OpenSearch Dashboards: it takes another. So the tenant is
asked for first.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import urllib3

from sidecar.config import Config, resolve
from sidecar.config.dashboards import Dashboards as Settings
from sidecar.errors import OpenSearchError
from sidecar.opensearch.client import RefusedError, decode, ssl_context
from sidecar.opensearch.connection import Answer, Connection, Options, short
from sidecar.opensearch.dashboards_refusal import import_problem, refusal, tenant_problem

Json = dict[str, Any]
Key = tuple[str, str]
"""Type and id of a saved object."""

_SECONDS = 30.0
_FILE = "opensearch-dashboards.ndjson"
_NOT_FOUND = 404


def connect_dashboards(config: Config) -> "Dashboards":
    """A link for the `dashboards` section; nothing is sent yet.

    Raises:
        SecretError: A credential can't be read.
        OpenSearchError: A certificate can't be used, or no address is set.
    """
    settings = config.dashboards
    if settings.url is None:
        raise OpenSearchError("dashboards.url is not set", hint="set it to import the dashboards")
    return Dashboards(settings.url, settings.tenant, _options(config, settings))


def _options(config: Config, settings: Settings) -> Options:
    basic, name = settings.auth.basic, "dashboards.auth.basic"
    if basic is None:
        basic, name = config.opensearch.auth.basic, "opensearch.auth.basic"
    login = None
    if basic is not None:
        user = resolve(basic.username, name=f"{name}.username")
        login = user, resolve(basic.password, name=f"{name}.password")
    return Options(basic=login, ssl_context=_trust(config, settings))


def _trust(config: Config, settings: Settings) -> ssl.SSLContext | None:
    if not (settings.url or "").startswith("https:"):
        return None
    return ssl_context(settings.tls or config.opensearch.tls, None)


class Dashboards:
    """Requests to one OpenSearch Dashboards, in one tenant.

    Args:
        url: Where it is, its base path included.
        tenant: Name of the tenant.
        options: Credentials and trust.
    """

    def __init__(self, url: str, tenant: str, options: Options) -> None:
        self.url, self.tenant = url, tenant
        self._authenticated = options.basic is not None or options.sign is not None
        # It takes no request from elsewhere that could be a browser's, and no multipart body that is compressed.
        headers = {"osd-xsrf": "true", "securitytenant": tenant}
        more = Options(options.basic, options.ssl_context, options.sign, headers=headers, compress=False)
        self._connection = Connection(url, seconds=_SECONDS, options=more)

    def check_tenant(self) -> None:
        """Make sure that what is written lands in the tenant.

        Raises:
            OpenSearchUnavailable: It can't be reached.
            OpenSearchError: The tenant isn't there for this user, or may only be read.
        """
        try:
            answer = self._json("GET", "/api/v1/configuration/account")
        except RefusedError as error:
            if error.status != _NOT_FOUND or not self._is_dashboards():
                raise
            account: Json = {}  # without the security plugin there are no tenants
        else:
            account = answer.get("data", answer)
        if problem := tenant_problem(account, self.tenant):
            what = f"OpenSearch Dashboards at {self.url}: {problem}"
            raise OpenSearchError(what, hint="make the tenant, let this user write to it, or set dashboards.tenant")

    def objects(self, keys: Sequence[Key]) -> dict[Key, Json]:
        """The saved objects that are there.

        Raises:
            OpenSearchError: It can't be told.
        """
        if not keys:
            return {}
        body = json.dumps([{"type": kind, "id": key} for kind, key in keys]).encode()
        answer = self._json("POST", "/api/saved_objects/_bulk_get", body, "application/json")
        try:
            found = {(thing["type"], thing["id"]): thing for thing in answer["saved_objects"]}
        except (KeyError, TypeError):
            raise self._odd("_bulk_get") from None
        for thing in found.values():
            error = thing.get("error")
            if error and error.get("statusCode") != _NOT_FOUND:
                text = short(str(error.get("message", error)))
                raise OpenSearchError(f"OpenSearch Dashboards at {self.url}: a saved object can't be read: {text}")
        return {key: thing for key, thing in found.items() if "error" not in thing}

    def put(self, text: str) -> dict[Key, str]:
        """Import saved objects, and replace those that are there.

        Args:
            text: The objects, one a line.

        Returns:
            What could not be imported, and why; empty where all was. With a single one that refers to something that
            isn't there, none is.

        Raises:
            OpenSearchUnavailable: It can't be reached.
            OpenSearchError: Nothing was imported.
        """
        part = (_FILE, text.encode(), "application/ndjson")
        body, content_type = urllib3.filepost.encode_multipart_formdata({"file": part})
        answer = self._json("POST", "/api/saved_objects/_import", body, content_type, {"overwrite": "true"})
        if answer.get("success") is True:
            return {}
        try:
            return {(one["type"], one["id"]): import_problem(one["error"]) for one in answer["errors"]}
        except (KeyError, TypeError):
            raise self._odd("_import") from None

    def delete(self, kind: str, key: str) -> None:
        """Delete a saved object; one that isn't there is no error.

        Raises:
            OpenSearchError: It was not deleted.
        """
        try:
            self._json("DELETE", f"/api/saved_objects/{quote(kind, safe='')}/{quote(key, safe='')}")
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    def close(self) -> None:
        """Close idle connections."""
        self._connection.close()

    def _is_dashboards(self) -> bool:
        """Whether it answers to what every release has: then what it didn't answer to it hasn't."""
        try:
            return "version" in self._json("GET", "/api/status")
        except OpenSearchError:
            return False

    def _json(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Json:
        answer = self._send(method, path, params or {}, body, content_type)
        if not answer.ok:
            raise refusal(
                answer, f"{method} {path}", url=self.url, tenant=self.tenant, authenticated=self._authenticated
            )
        try:
            found = decode(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._odd(f"{method} {path}", answer.body)
        return found

    def _send(self, method: str, path: str, params: Mapping[str, str], body: bytes | None, content_type: str) -> Answer:
        try:
            return self._connection.send(method, path, params, body, content_type)
        except OpenSearchError as error:
            # The same words, of another server.
            what = error.what.replace("OpenSearch at", "OpenSearch Dashboards at")
            raise type(error)(what, hint=error.hint.replace("opensearch.", "dashboards.")) from error

    def _odd(self, request: str, body: bytes = b"") -> OpenSearchError:
        said = f": {short(body[:4096].decode(errors='replace'))}" if body else ""
        return OpenSearchError(
            f"OpenSearch Dashboards at {self.url}: the answer to {request} is none of its{said}",
            hint="dashboards.url must be where OpenSearch Dashboards itself answers, its base path included; a login "
            "page is a proxy's",
        )
