"""A document in an index of each family: written, found, and taken away again.

It goes to an index of its own, `<index>-doctor`, which has the family's template and policy; its cluster is `DOCTOR`,
and its time 1970, which no dashboard and no alert shows. Who may not delete it leaves it to the policy; the next time
it is there already, so there is never more than one. In a family with a single index (`rotate: never`) it has no other
place: there it is written only by who may delete it.
"""

from contextlib import suppress

import orjson

from sidecar.doctor.finding import Finding, fail, ok, skip, warn
from sidecar.errors import OpenSearchError
from sidecar.opensearch import Client, Document, Documents, Outcome, Verdict
from sidecar.opensearch.client import RefusedError
from sidecar.render import fields
from sidecar.render.indices import IndexFamily

DOCTOR = "fluent-sidecar-doctor"
_KEY = "fluent-sidecar-doctor"
_LONG_AGO = "1970-01-01T00:00:00.000Z"
_FORBIDDEN, _NOT_FOUND, _CONFLICT = 403, 404, 409
_ROLE = "render-config writes the least role that a writer needs to opensearch/roles/"


def doctor_index(family: IndexFamily) -> str:
    """Where a family's document goes: a name that its template matches, and that no date gives."""
    return family.index if family.rotate == "never" else f"{family.index}-doctor"


def try_document(client: Client, family: IndexFamily, *, mapped: bool) -> Finding:
    """Write, find and delete one.

    Args:
        client: OpenSearch.
        family: Of the index.
        mapped: Whether the index would get our mapping. Another one must not be left behind, which is a single index
            even for who may delete the document.

    Raises:
        OpenSearchError: The server refused the whole request, or can't be reached.
    """
    name, index = family.index, doctor_index(family)
    path = f"/{index}/_doc/{_KEY}" if family.rotate == "never" else f"/{index}"
    if why := _unfit(client, path, single=family.rotate == "never", mapped=mapped):
        return skip(name, f"not tried: {why}", "" if mapped else "see what is in place")
    document = Document(index, _KEY, orjson.dumps(_content(index)))
    [outcome] = Documents(client).create([document])
    if outcome.verdict is not Verdict.STORED:
        return refusal(name, index, outcome)
    try:
        [there] = Documents(client).existing([(index, _KEY)])
    except OpenSearchError:
        _tidy(client, path)
        raise
    if not there:
        _tidy(client, path)
        return fail(name, f"{index}: written, and not found", f"does this user's role cover _mget? {_ROLE}")
    try:
        if _deleted(client, path):
            return ok(name, f"{index}: written, found, deleted")
    except OpenSearchError as error:
        return warn(name, f"{index}: written, found, not deleted: {error.what}", f"delete it yourself: DELETE {path}")
    written = "there from an earlier time" if outcome.status == _CONFLICT else "written"
    return ok(name, f"{index}: {written}, found; this user may not delete it, so that is left to retention")


def _unfit(client: Client, path: str, *, single: bool, mapped: bool) -> str:
    """Why nothing is written, in words; empty where it can be. What is there from an earlier time is deleted."""
    other = "the index would get another mapping, or that can't be told"
    if single and not mapped:
        return f"{other}, and it is a single one (rotate: never)"
    if _deleted(client, path) or (mapped and not single):
        return ""
    why = "it is a single index (rotate: never)" if single else other
    return f"{why}, and this user may not delete what is written"


def _tidy(client: Client, path: str) -> None:
    """Delete what was written, where something else went wrong already."""
    with suppress(OpenSearchError):
        _deleted(client, path)


def _deleted(client: Client, path: str) -> bool:
    """Delete what is there, if anything is; False where this user may not.

    Raises:
        OpenSearchError: It failed in another way.
    """
    try:
        client.request("DELETE", path)
    except RefusedError as error:
        if error.status == _NOT_FOUND:
            return True
        if error.status == _FORBIDDEN:
            return False
        raise
    return True


def refusal(name: str, index: str, outcome: Outcome) -> Finding:
    """What a document that was not taken says, and what to do."""
    text = f"{index}: {outcome.status} {outcome.type}: {outcome.reason}"
    if outcome.type == "cluster_block_exception":
        return fail(name, text, "the index or the whole cluster is read-only; see blocks and disks")
    if outcome.type == "validation_exception":
        return fail(name, text, "no index can be made: see shards")
    if outcome.type == "security_exception" or outcome.status == _FORBIDDEN:
        return fail(name, text, f"the role lacks the permission that is named; {_ROLE}")
    if outcome.type == "index_not_found_exception":
        return fail(name, text, "action.auto_create_index must allow it: every day begins a new index")
    if outcome.verdict is Verdict.REFUSED:
        return fail(name, text, "another mapping than ours is in force; see what is in place")
    return fail(name, text, "the server can't take it just now; see health")


def _content(index: str) -> dict[str, str]:
    return {
        fields.TIMESTAMP: _LONG_AGO,
        fields.ID: _KEY,
        fields.INDEX: index,
        fields.CLUSTER: DOCTOR,
        "message": "sidecar doctor was here",
    }
