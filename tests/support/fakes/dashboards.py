"""A fake OpenSearch Dashboards: saved objects in tenants, imported, read and deleted as the real one does it."""

import base64
import copy
import email
import email.policy
import json
from collections.abc import Sequence
from typing import Any

from tests.support.fakes.server import Exchange, FakeServer, Request, Script

Json = dict[str, Any]
Store = dict[tuple[str, str], Json]

GLOBAL, PRIVATE = "", "__user__"
MIGRATIONS = {"index-pattern": (7, 6, 0), "search": (7, 9, 3), "visualization": (7, 10, 0), "dashboard": (7, 9, 3)}
_CHECKED = {"index-pattern", "search"}
_TIME = "2026-11-22T10:00:00.000Z"


class FakeDashboards(FakeServer):
    """OpenSearch Dashboards with the security plugin.

    Args:
        user: User and password; anybody is let in without.
        tenants: The user's own, each with whether it may be written to.
        base: Its base path.
        secured: Whether it has the security plugin.

    Attributes:
        stores: Saved objects by tenant, type and id.
        migrations: The newest that it knows of each type.
        script: Steps for the next requests, before anything else.
    """

    def __init__(
        self,
        *,
        user: tuple[str, str] | None = None,
        tenants: dict[str, bool] | None = None,
        base: str = "",
        secured: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.user, self.tenants, self.base, self.secured = user, tenants or {"global_tenant": True}, base, secured
        self.stores: dict[str, Store] = {}
        self.migrations = dict(MIGRATIONS)
        self.script: list[Script] = []
        self.url += base
        self._versions = 0

    @property
    def objects(self) -> Store:
        """What is in the tenant that all users share."""
        return self.stores.setdefault(GLOBAL, {})

    def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if self.script:
            self.script.pop(0)(exchange)
        elif not request.path.startswith(f"{self.base}/api/"):
            exchange.answer(404, b"<html>not here</html>", "text/html")
        elif self.user and request.headers.get("authorization") != _basic(*self.user):
            _refuse(exchange, 401, "Unauthorized", "Authentication required")
        elif request.method != "GET" and "osd-xsrf" not in request.headers:
            _refuse(exchange, 400, "Bad Request", "Request must contain the osd-xsrf header.")
        else:
            self._route(exchange, request.path.removeprefix(f"{self.base}/api/"))

    def _route(self, exchange: Exchange, path: str) -> None:
        request, tenant = exchange.request, self._tenant(exchange.request)
        store = self.stores.setdefault(tenant, {})
        if path == "status":
            exchange.json({"version": {"number": "3.4.0"}})
        elif path == "v1/configuration/account" and self.secured:
            exchange.json({"data": self._account(tenant)})
        elif path == "saved_objects/_bulk_get":
            exchange.json({"saved_objects": [_read(store, one) for one in json.loads(request.body)]})
        elif path == "saved_objects/_import" and not self._may_write(tenant):
            _refuse(exchange, 403, "Forbidden", "no permissions for [indices:data/write/bulk] and User [name=somebody]")
        elif path == "saved_objects/_import":
            self._import(exchange, store)
        elif request.method == "DELETE" and path.startswith("saved_objects/"):
            _, kind, key = path.split("/")
            if store.pop((kind, key), None):
                exchange.json({})
            else:
                _refuse(exchange, 404, "Not Found", f"Saved object [{kind}/{key}] not found")
        else:
            _refuse(exchange, 404, "Not Found", "Not Found")

    def _tenant(self, request: Request) -> str:
        """One that can't be had is no error: it is another one."""
        wanted = request.headers.get("securitytenant", "")
        if not self.secured or wanted in {"", "global"}:
            return GLOBAL
        if wanted in {"private", PRIVATE}:
            return PRIVATE
        return wanted if wanted in self.tenants else GLOBAL

    def _account(self, tenant: str) -> Json:
        name = self.user[0] if self.user else "anonymous"
        return {"user_name": name, "user_requested_tenant": tenant or None, "tenants": {name: True, **self.tenants}}

    def _may_write(self, tenant: str) -> bool:
        return tenant == PRIVATE or self.tenants.get(tenant or "global_tenant", True)

    def _import(self, exchange: Exchange, store: Store) -> None:
        request = exchange.request
        name, text = _uploaded(request)
        if "content-encoding" in request.headers:
            return _refuse(exchange, 415, "Unsupported Media Type", "Unsupported Media Type")
        if not name.endswith(".ndjson"):
            return _refuse(exchange, 400, "Bad Request", f"Invalid file extension .{name.rpartition('.')[2]}")
        things = [json.loads(line) for line in text.splitlines() if line]
        keys = [(thing["type"], thing["id"]) for thing in things]
        if len(keys) != len(set(keys)):
            return _refuse(exchange, 400, "Bad Request", "Non-unique import objects detected")
        for thing in things:
            for kind, version in thing.get("migrationVersion", {}).items():
                newest = self.migrations[kind]
                if tuple(map(int, version.split("."))) > newest:
                    known = ".".join(map(str, newest))
                    text = (
                        f'Document "{thing["id"]}" has property "{kind}" which belongs to a more recent version of '
                        f"OpenSearch Dashboards [{version}]. The last known version is [{known}]"
                    )
                    return _refuse(exchange, 422, "Unprocessable Entity", text)
        errors = [*_missing(things, store), *_conflicts(things, store, request.query.get("overwrite") == "true")]
        if not errors:
            for key, thing in zip(keys, things, strict=True):
                self._store(store, key, thing)
        created = [] if errors else [{"type": kind, "id": key} for kind, key in keys]
        return exchange.json(
            {
                "successCount": len(created),
                "success": not errors,
                **({"successResults": created} if created else {}),
                **({"errors": errors} if errors else {}),
            }
        )

    def _store(self, store: Store, key: tuple[str, str], thing: Json) -> None:
        self._versions += 1
        kept = {name: value for name, value in copy.deepcopy(thing).items() if name != "version"}
        store[key] = {**kept, "version": f"Wz{self._versions}=", "updated_at": _TIME, "namespaces": ["default"]}

    def edit(self, key: tuple[str, str], **attributes: Any) -> None:
        """What a user's change of an object does."""
        thing = self.objects[key]
        self._store(self.objects, key, {**thing, "attributes": {**thing["attributes"], **attributes}})

    def refresh_fields(self, key: tuple[str, str], more: Sequence[Json] = ()) -> None:
        """What a refresh of an index pattern's fields, and use of them, writes into it."""
        specs = [
            {**spec, "count": 3, "type": "unknown"} for spec in json.loads(self.objects[key]["attributes"]["fields"])
        ]
        # In another order, with what else it found, and with keys that have no value.
        self.edit(
            key, fields=json.dumps([*more, *reversed(specs)]), fieldFormatMap="{}", typeMeta="{}", sourceFilters="[]"
        )


def _uploaded(request: Request) -> tuple[str, str]:
    """The name and the text of the file in a form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    (part,) = [part for part in form.iter_parts() if part.get_param("name", header="content-disposition") == "file"]
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return part.get_filename() or "", content.decode()


def _missing(things: Sequence[Json], store: Store) -> list[Json]:
    here = {(thing["type"], thing["id"]) for thing in things} | set(store)
    return [
        {
            "type": thing["type"],
            "id": thing["id"],
            "title": thing["attributes"].get("title"),
            "error": {"type": "missing_references", "references": missing},
        }
        for thing in things
        if (
            missing := [
                {"type": one["type"], "id": one["id"]}
                for one in thing.get("references", ())
                if one["type"] in _CHECKED and (one["type"], one["id"]) not in here
            ]
        )
    ]


def _conflicts(things: Sequence[Json], store: Store, overwrite: bool) -> list[Json]:
    return [
        {"type": thing["type"], "id": thing["id"], "error": {"type": "conflict"}}
        for thing in things
        if (thing["type"], thing["id"]) in store and not overwrite
    ]


def _read(store: Store, one: Json) -> Json:
    kind, key = one["type"], one["id"]
    error = {"statusCode": 404, "error": "Not Found", "message": f"Saved object [{kind}/{key}] not found"}
    return store.get((kind, key)) or {"type": kind, "id": key, "error": error}


def _refuse(exchange: Exchange, status: int, error: str, message: str) -> None:
    exchange.json({"statusCode": status, "error": error, "message": message}, status)


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
