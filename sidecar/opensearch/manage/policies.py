"""Retention: policies of the index-management plugin, and that the indices that exist have them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sidecar.config.globs import matches_any, overlap
from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.manage.kind import Item, Json, Kind, Present
from sidecar.opensearch.manage.managed import Managed, attach, detach, explain, renew
from sidecar.opensearch.manage.policyform import canonical, listed, ours, priority
from sidecar.opensearch.manage.server import Feature, Server
from sidecar.opensearch.manage.sharing import Users, told
from sidecar.opensearch.manage.wording import are, count, exist, have, s

_POLICIES = "/_plugins/_ism/policies"
_ALL = 10_000
_BAD_REQUEST, _NOT_FOUND, _CONFLICT = 400, 404, 409
_LACKING = "indices without it"
_NAMED = 3


class Policies(Kind):
    """Policies by name, each for the indices of one family."""

    title = "policy"

    def __init__(self, client: Client, wanted: Mapping[str, Json], users: Users) -> None:
        self._client = client
        self._wanted = wanted
        self._users = users
        self._versions: dict[str, tuple[int, int]] = {}
        self._indices: dict[str, list[Managed]] = {}
        self._others: dict[str, Json] = {}
        self._amazon = False

    @property
    def wanted(self) -> Mapping[str, Json]:
        return self._wanted

    def unsupported(self, server: Server) -> str:
        self._amazon = server.amazon
        if Feature.ISM in server.features:
            return ""
        return (
            "this server has no index-management plugin: nothing deletes old indices, whatever retain says; "
            "delete them by other means, or install the plugin and apply again"
        )

    def present(self) -> Mapping[str, Present]:
        params = {"size": _ALL, "sortField": "policy.policy_id.keyword"}
        answer = self._client.request("GET", _POLICIES, params=params)
        try:
            there = {entry["_id"]: entry for entry in answer["policies"]}
            self._versions = {name: (one["_seq_no"], one["_primary_term"]) for name, one in there.items()}
            bodies: dict[str, Json] = {name: dict(entry["policy"]) for name, entry in there.items()}
        except (LookupError, TypeError, ValueError):
            raise OpenSearchUnavailable(
                f"OpenSearch at {self._client.url}: was asked for policies, answered another thing"
            ) from None
        self._others = {name: body for name, body in bodies.items() if name not in self._wanted}
        self._indices = self._by_policy(explain(self._client, self._patterns()))
        return {
            name: self._present(name, body) for name, body in bodies.items() if name in self._wanted or ours(name, body)
        }

    def canonical(self, body: Json) -> Json:
        return {"policy": canonical(body["policy"]), _LACKING: list(body.get(_LACKING, ()))}

    def obstacle(self, name: str) -> str:
        for other, body in self._rivals(name):
            for one in listed(body.get("ism_template")):
                if self._meets(name, one) and priority(one) == priority(self._template(name)):
                    return (
                        f"the policy {other} claims {', '.join(one['index_patterns'])} with the same priority "
                        f"{priority(one)}, which OpenSearch refuses: delete it, or give it another priority"
                    )
        return ""

    def warning(self, name: str) -> str:
        for other, body in self._rivals(name):
            for one in listed(body.get("ism_template")):
                if self._meets(name, one) and priority(one) > priority(self._template(name)):
                    return (
                        f"the policy {other} claims {', '.join(one['index_patterns'])} with the higher priority "
                        f"{priority(one)}: new indices get that one"
                    )
        kept = [one.index for one in self._indices.get(name, ()) if one.policy not in {"", name}]
        return f"{count(kept)} {have(kept)} another policy, and keep{s(kept)} it" if kept else ""

    def effect(self, name: str, before: Present | None) -> str:
        told: list[str] = []
        lacking = self._lacking(name)
        if lacking:
            told.append(
                f"{count(lacking)} that {exist(lacking)} get{s(lacking)} it: what is too old goes at the next run."
            )
        behind = [one.index for one in self._indices.get(name, ()) if before and one.policy == name]
        if behind and before and self._differs(name, before):
            told.append(f"{count(behind)} that {have(behind)} it take{s(behind)} the change at {self._run()}.")
        return " ".join(told)

    def waiting(self, name: str) -> str:
        behind = self._behind(name, self._versions.get(name))
        if not behind:
            return ""
        return f"{count(behind)} {have(behind)} an earlier version of it, and take{s(behind)} this one at {self._run()}"

    def put(self, item: Item) -> str:
        version = item.before.handle if item.before else None
        if item.before is None or self._differs(item.name, item.before):
            version = self._put(item, version)
        failed = attach(self._client, item.name, lacking) if (lacking := self._lacking(item.name)) else []
        behind = self._behind(item.name, version)
        failed += renew(self._client, item.name, behind) if behind else []
        return self._told(item.name, version, behind, failed)

    def nudge(self, name: str) -> str:
        version = self._versions[name]
        behind = self._behind(name, version)
        return self._told(name, version, behind, renew(self._client, name, behind))

    def needed(self, name: str, before: Present) -> str:
        return told(self._users(name))

    def loss(self, name: str, before: Present) -> str:
        having = self._having(name)
        return f"{count(having)} lose{s(having)} it, and {are(having)} kept for ever." if having else ""

    def delete(self, name: str, before: Present) -> None:
        # Else they would go on by their copy of it, and be deleted one day.
        having = self._having(name)
        if having and (failed := detach(self._client, having)):
            raise OpenSearchError(f"policy {name}: indices still have it: {'; '.join(failed[:_NAMED])}")
        try:
            self._client.request("DELETE", f"{_POLICIES}/{quote(name, safe='')}")
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    def kept(self, before: Present) -> Json:
        return {"policy": before.body["policy"]}

    def _put(self, item: Item, version: tuple[int, int] | None) -> tuple[int, int] | None:
        path, policy = f"{_POLICIES}/{quote(item.name, safe='')}", item.body["policy"]
        params = {"if_seq_no": version[0], "if_primary_term": version[1]} if version else {}
        try:
            answer = self._client.request("PUT", path, {"policy": policy}, params=params)
        except RefusedError as error:
            if error.status == _CONFLICT:
                raise OpenSearchError(
                    f"policy {item.name}: somebody changed it a moment ago: {error.what}", hint="apply again"
                ) from error
            if error.status != _BAD_REQUEST or "ism_template" not in error.what:
                raise
            # Some versions, Amazon's among them, take one template only, and as an object.
            policy = policy | {"ism_template": policy["ism_template"][0]}
            answer = self._client.request("PUT", path, {"policy": policy}, params=params)
        return _version(answer)

    def _told(self, name: str, version: tuple[int, int] | None, asked: Sequence[str], failed: Sequence[str]) -> str:
        """What became of the indices, by asking again."""
        told: list[str] = []
        if asked:
            now = [
                one for one in explain(self._client, self._template(name)["index_patterns"]) if one.index in set(asked)
            ]
            queued = [one.index for one in now if one.version != version]
            told += [f"{count(queued)} take{s(queued)} the change at {self._run()}"] if queued else []
        if failed:
            more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
            told.append(f"not done: {'; '.join(failed[:_NAMED])}{more}")
        return "; ".join(told)

    def _present(self, name: str, body: Json) -> Present:
        wanted, edited = self._wanted.get(name), None
        if wanted and canonical(body) == canonical(wanted["policy"]):
            edited = False
        elif wanted and body.get("description") == wanted["policy"]["description"]:
            # The description says what is deleted when: the same one above other rules is a change by hand.
            edited = True
        whole = {"policy": body, _LACKING: self._lacking(name) if wanted else []}
        return Present(whole, ours(name, body), edited, self._versions[name])

    def _differs(self, name: str, before: Present) -> bool:
        return canonical(before.body["policy"]) != canonical(self._wanted[name]["policy"])

    def _lacking(self, name: str) -> list[str]:
        return sorted(one.index for one in self._indices.get(name, ()) if not one.policy)

    def _behind(self, name: str, version: tuple[int, int] | None) -> list[str]:
        return [
            one.index
            for one in self._indices.get(name, ())
            if one.policy == name and one.version is not None and one.version != version
        ]

    def _template(self, name: str) -> Json:
        found: Json = self._wanted[name]["policy"]["ism_template"][0]
        return found

    def _having(self, name: str) -> list[str]:
        """The indices that have a policy; a leftover's, by the patterns that it has on the server."""
        found: Iterable[Managed] = self._indices.get(name, ())
        if name not in self._wanted:
            templates = listed(self._others[name].get("ism_template"))
            found = explain(self._client, [pattern for one in templates for pattern in one["index_patterns"]])
        return [one.index for one in found if one.policy == name]

    def _patterns(self) -> Iterable[str]:
        return (pattern for name in self._wanted for pattern in self._template(name)["index_patterns"])

    def _by_policy(self, found: Iterable[Managed]) -> dict[str, list[Managed]]:
        """Indices by the policy that is for them: no index matches the patterns of two."""
        by_name: dict[str, list[Managed]] = {}
        by_begin = {
            pattern.rstrip("*"): name for name in self._wanted for pattern in self._template(name)["index_patterns"]
        }
        for one in found:
            begins = (one.index[:at] for at in range(len(one.index), 0, -1))
            name = next((by_begin[begin] for begin in begins if begin in by_begin), None)
            if name and matches_any(self._template(name)["index_patterns"], one.index):
                by_name.setdefault(name, []).append(one)
        return by_name

    def _rivals(self, name: str) -> Iterable[tuple[str, Json]]:
        return ((other, body) for other, body in self._others.items() if other != name)

    def _meets(self, name: str, template: Json) -> bool:
        mine = self._template(name)["index_patterns"]
        return any(overlap(one, other) for one in mine for other in template.get("index_patterns", ()))

    def _run(self) -> str:
        return "the next run, within 30 to 48 minutes" if self._amazon else "the next run, within about 8 minutes"


def _version(answer: Any) -> tuple[int, int] | None:
    try:
        return int(answer["_seq_no"]), int(answer["_primary_term"])
    except (LookupError, TypeError, ValueError):
        return None
