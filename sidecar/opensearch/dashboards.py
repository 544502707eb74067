"""The link to OpenSearch Dashboards: its saved objects of one tenant, read, imported and deleted.

A tenant is a header, and one that can't be had is no error to OpenSearch Dashboards: it takes another. So the tenant is
asked for first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import urllib3

from sidecar.config import Config
from sidecar.config.opensearch import Auth
from sidecar.errors import OpenSearchError, OpenSearchUnavailable, SidecarError
from sidecar.opensearch.access import Access
from sidecar.opensearch.connection import Answer, Options
from sidecar.opensearch.dashboards_refusal import import_problem, refusal, tenant_problem
from sidecar.opensearch.refusal import RefusedError, decode, text_of
from sidecar.opensearch.unreachable import short

Json = dict[str, Any]
Key = tuple[str, str]
"""Type and id of a saved object."""

_SECONDS = 30.0
_FILE = "opensearch-dashboards.ndjson"
_NOT_FOUND = 404


class Dashboards:
    """Requests to the OpenSearch Dashboards of pipeline.yaml, in its tenant.

    Args:
        config: pipeline.yaml, with `dashboards.url`; nothing is sent yet.

    Raises:
        OpenSearchError: A certificate can't be used, or credentials are in AWS and botocore is not installed.
    """

    def __init__(self, config: Config) -> None:
        settings = config.dashboards
        self.url, self.tenant = settings.url or "", settings.tenant
        # Its own where they are set; else what holds for OpenSearch, by whoever may put things in place there.
        auth = Auth(basic=settings.auth.basic) if settings.auth.basic else config.opensearch.manager_auth
        self._own = {"url": True, "tls": settings.tls is not None, "auth": settings.auth.basic is not None}
        # It takes no request that could be a browser's from another site, and no form that is compressed.
        options = Options(headers={"osd-xsrf": "true", "securitytenant": self.tenant}, compress=False)
        link = config.opensearch.model_copy(update={"url": self.url, "tls": settings.tls or config.opensearch.tls})
        with self._named():
            # A client certificate is nothing to it.
            self._access = Access(link, auth.model_copy(update={"mtls": None}), seconds=_SECONDS, options=options)

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
        self._access.close()

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
                answer, f"{method} {path}", url=self.url, tenant=self.tenant, authenticated=bool(self._access.kind)
            )
        try:
            found = decode(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._odd(f"{method} {path}", answer.body)
        return found

    def _send(self, method: str, path: str, params: Mapping[str, str], body: bytes | None, content_type: str) -> Answer:
        with self._named():
            return self._access.connection().send(method, path, params, body, content_type)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """An error of the link says which link, and names the keys that are its own."""
        try:
            yield
        except SidecarError as error:
            what, hint = error.what.removeprefix(f"OpenSearch at {self.url}: "), error.hint
            for key in (key for key, own in self._own.items() if own):
                what = what.replace(f"opensearch.{key}", f"dashboards.{key}")
                hint = hint.replace(f"opensearch.{key}", f"dashboards.{key}")
            # A secret that can't be had now may be there in a moment.
            kind = type(error) if isinstance(error, OpenSearchError) else OpenSearchUnavailable
            raise kind(f"OpenSearch Dashboards at {self.url}: {what}", hint=hint) from error

    def _odd(self, request: str, body: bytes = b"") -> OpenSearchError:
        said = f": {text_of(body)}" if body else ""
        return OpenSearchError(
            f"OpenSearch Dashboards at {self.url}: the answer to {request} is none of its{said}",
            hint="dashboards.url must be where OpenSearch Dashboards itself answers, its base path included; a login "
            "page is a proxy's",
        )
