"""A fake index-management plugin: policies with sequence numbers, and indices that take them as the real one does.

What it adds to a policy, what it refuses, and that a change of policy is only queued until an index's next run, is as
in the plugin's source (TransportIndexPolicyAction, TransportChangePolicyAction, TransportExplainAction).
"""

import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

import orjson

from sidecar.config.globs import overlap
from tests.support.fakes.server import Exchange

Json = dict[str, Any]
BASE = "/_plugins/_ism/"
_TIME = 1_764_000_000_000
_FIELDS = {"policy_id", "description", "last_updated_time", "schema_version", "error_notification", "default_state",
           "states", "ism_template", "user"}  # fmt: skip


@dataclass
class Index:
    """An index that exists.

    Attributes:
        policy: Id of its policy; empty where it has none.
        version: Of the policy that it has a copy of; None before its first run.
        queued: The policy that it was asked to change to.
    """

    policy: str = ""
    version: tuple[int, int] | None = None
    queued: str = ""


class FakeIsm:
    """Keeps policies and indices.

    Attributes:
        policies: By id, each with `_seq_no`, `_primary_term` and `policy` as the server keeps it.
        indices: By name.
        object_only: Whether `ism_template` must be an object, as with Amazon's 1.3.
        refuses_nothing: Whether explaining a pattern that matches no index is answered with 400.
    """

    def __init__(self) -> None:
        self.policies: dict[str, Json] = {}
        self.indices: dict[str, Index] = {}
        self.object_only = False
        self.refuses_nothing = False
        self._seq_no = 40

    def create_index(self, name: str) -> None:
        """Make an index, which gets the policy that is there already and wins."""
        found = [
            (template["priority"], policy)
            for policy, entry in self.policies.items()
            for template in entry["policy"]["ism_template"] or ()
            if any(fnmatchcase(name, pattern) for pattern in template["index_patterns"])
        ]
        self.indices[name] = Index(max(found)[1] if found else "")

    def run(self) -> None:
        """What happens at each index's next run."""
        for index in self.indices.values():
            if index.policy and (index.queued or index.version is None):
                index.policy, index.queued = index.queued or index.policy, ""
                index.version = self._version(index.policy)

    def change_by_hand(self, policy: str, **changes: Any) -> None:
        """What a user does in Dashboards."""
        self.policies[policy]["policy"] |= changes
        self._touch(policy)

    def handle(self, exchange: Exchange) -> None:
        """Answer a request below `BASE`."""
        request = exchange.request
        what, _, names = request.path.removeprefix(BASE).partition("/")
        body = orjson.loads(request.body) if request.body else {}
        if what == "policies" and request.method == "GET":
            size = int(request.query.get("size", 20))
            listed = [{"_id": name, **copy.deepcopy(entry)} for name, entry in sorted(self.policies.items())]
            exchange.json({"policies": listed[:size], "total_policies": len(listed)})
        elif what == "policies" and request.method == "PUT":
            self._put(exchange, unquote(names), body)
        elif what == "policies" and request.method == "DELETE":
            found = self.policies.pop(unquote(names), None)
            exchange.json({"result": "deleted" if found else "not_found"}, 200 if found else 404)
        elif what == "explain":
            self._explain(exchange, self._named(names))
        elif what in {"add", "change_policy", "remove"}:
            self._ask(exchange, what, self._named(names), body.get("policy_id", ""))
        else:
            exchange.json({"error": f"no handler found for uri [{request.path}] and method [{request.method}]"}, 400)

    def _put(self, exchange: Exchange, name: str, body: Json) -> None:
        policy = body["policy"]
        templates = policy.get("ism_template") or []
        if unknown := set(policy) - _FIELDS:
            return _refuse(
                exchange, 400, "illegal_argument_exception", f"Invalid field: [{min(unknown)}] found in Policy"
            )
        if self.object_only and isinstance(templates, list):
            reason = "Failed to parse ism_template: expected START_OBJECT, found START_ARRAY"
            return _refuse(exchange, 400, "parsing_exception", reason)
        templates = [templates] if isinstance(templates, dict) else templates
        for template in templates:
            if self._conflicts(name, template):
                reason = (
                    f"New policy {name} has an ISM template with index pattern {template['index_patterns']} matching "
                    f"existing policy templates, please use a different priority than {template['priority']}"
                )
                return _refuse(exchange, 400, "illegal_argument_exception", reason)
        query = exchange.request.query
        given = (int(query["if_seq_no"]), int(query["if_primary_term"])) if "if_seq_no" in query else None
        if given != (self._version(name) if name in self.policies else None):
            reason = f"[{name}]: version conflict, required seqNo {given}"
            return _refuse(exchange, 409, "version_conflict_engine_exception", reason)
        known = name in self.policies
        self.policies[name] = {"policy": _normalised(name, policy, templates)}
        self._touch(name)
        return exchange.json({"_id": name, **self.policies[name]}, 200 if known else 201)

    def _conflicts(self, name: str, template: Json) -> bool:
        return any(
            overlap(one, another)
            for other, entry in self.policies.items()
            if other != name
            for rival in entry["policy"]["ism_template"] or ()
            if rival["priority"] == template["priority"]
            for one in rival["index_patterns"]
            for another in template["index_patterns"]
        )

    def _explain(self, exchange: Exchange, names: list[str]) -> None:
        if not names and self.refuses_nothing:
            reason = "Validation Failed: 1: no documents to get;"
            return _refuse(exchange, 400, "action_request_validation_exception", reason)
        found: Json = {}
        for name in names:
            index = self.indices[name]
            key = "index.plugins.index_state_management.policy_id"
            found[name] = {key: index.policy or None, "enabled": True if index.policy else None}
            if index.policy:
                found[name] |= {"index": name, "index_uuid": name[::-1], "policy_id": index.policy}
            if index.version:
                found[name] |= {"policy_seq_no": index.version[0], "policy_primary_term": index.version[1]}
        managed = sum(1 for name in names if self.indices[name].policy)
        return exchange.json({**found, "total_managed_indices": managed})

    def _ask(self, exchange: Exchange, what: str, names: list[str], policy: str) -> None:
        if what != "remove" and policy not in self.policies:
            return _refuse(exchange, 404, "status_exception", f"Could not find policy={policy}")
        failed = []
        for name in names:
            index = self.indices[name]
            reasons = {
                "add": "This index already has a policy, use the update policy API to update index policies"
                if index.policy else "",
                "change_policy": "" if index.policy else "This index is not being managed",
                "remove": "" if index.policy else "This index does not have a policy to remove",
            }  # fmt: skip
            if reason := reasons[what]:
                failed.append({"index_name": name, "index_uuid": name[::-1], "reason": reason})
            elif what == "change_policy":
                index.queued = policy
            else:
                self.indices[name] = Index(policy)
        updated = len(names) - len(failed)
        return exchange.json({"updated_indices": updated, "failures": bool(failed), "failed_indices": failed})

    def _named(self, names: str) -> list[str]:
        patterns = unquote(names).split(",")
        assert "*" not in patterns, "every index of the server, its own among them"
        return [name for name in self.indices if any(fnmatchcase(name, pattern) for pattern in patterns)]

    def _version(self, policy: str) -> tuple[int, int]:
        entry = self.policies[policy]
        return entry["_seq_no"], entry["_primary_term"]

    def _touch(self, policy: str) -> None:
        self._seq_no += 1
        self.policies[policy] |= {"_seq_no": self._seq_no, "_primary_term": 1}


def _normalised(name: str, policy: Json, templates: list[Json]) -> Json:
    """A policy as GET shows it."""
    found = copy.deepcopy(policy) | {
        "policy_id": name, "last_updated_time": _TIME, "schema_version": 21, "error_notification": None,
        "ism_template": [{**template, "last_updated_time": _TIME} for template in templates] or None,
    }  # fmt: skip
    for state in found["states"]:
        state["actions"] = [
            {"retry": {"count": 3, "backoff": "exponential", "delay": "1m"}, **action} for action in state["actions"]
        ]
    return found


def _refuse(exchange: Exchange, status: int, kind: str, reason: str) -> None:
    exchange.json({"error": {"root_cause": [], "type": kind, "reason": reason}, "status": status}, status)
